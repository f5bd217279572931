"""A collector of traces: OTLP over HTTP, protobuf in, spans out; and a service of others, which notes headers."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Collected:
    """A span as it arrived; ids in hexadecimal digits."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    instance: str
    attributes: dict[str, Any]
    failed: bool


@dataclass
class Collector:
    """Listens on a free port from its making to ``close``."""

    spans: list[Collected] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    """Headers of requests to any other path, which are answered with their body."""

    def __post_init__(self) -> None:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    packed = self.headers.get("Content-Encoding") == "gzip"
                    collector.take(gzip.decompress(body) if packed else body)
                    body = b""
                else:
                    collector.asked.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Type", "application/json" if body else "application/x-protobuf")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, body: bytes) -> None:
        """An export."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {each.key: each.value.string_value for each in resource.resource.attributes}
            assert about["service.name"] == "mlbox"
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {each.key: _value(each.value) for each in span.attributes}
                    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                    instance = about["service.instance.id"]
                    failed = span.status.code == 2
                    self.spans.append(Collected(span.name, *ids, span.kind, instance, attributes, failed))

    def of(self, trace: str) -> dict[str, Collected]:
        """The spans of a trace, by name."""
        return {span.name: span for span in list(self.spans) if span.trace == trace}

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


def lines_of(text: str) -> list[dict[str, Any]]:
    """A log of JSON lines."""
    return [json.loads(line) for line in text.splitlines()]
