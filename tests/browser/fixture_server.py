"""A server with the dashboard's doors over rows that are made up. **For tests of the pages only.**

The tables of its schema ``ml`` have exactly the columns and types of the public views (``all_views``), and
``POST /sql`` really runs the statement in DuckDB, so a statement of the dashboard that does not fit the views fails
here too.

    python tests/browser/fixture_server.py 7080 [--empty]
"""

from __future__ import annotations

import asyncio
import json
import queue
import shutil
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import duckdb
from fixture_rows import Fixture, build

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from mlbox.base.json_values import json_value  # noqa: E402
from mlbox.base.names import literal, quote  # noqa: E402
from mlbox.engine.catalog.views.base import all_views  # noqa: E402
from mlbox.ui import assets  # noqa: E402

METADATA = {
    "name": "flights.delay",
    "versions": ["2"],
    "platform": "onnx",
    "inputs": [
        {"name": "dep_hour", "datatype": "FP64", "shape": [-1]},
        {"name": "temp", "datatype": "FP32", "shape": [-1], "parameters": {"optional": True}},
    ],
    "outputs": [{"name": "prediction", "datatype": "FP64", "shape": [-1]}],
}
"""What its ready endpoint takes and gives."""


def database(fixture: Fixture) -> duckdb.DuckDBPyConnection:
    """Tables named and typed like the public views, with the fixture's rows."""
    connection = duckdb.connect()
    file = Path(tempfile.mkdtemp()) / "rows.json"
    connection.execute("SET GLOBAL TimeZone = 'UTC'; CREATE SCHEMA ml")
    for view in all_views():
        types = {column.name: column.type for column in view.columns}
        columns = ", ".join(f"{quote(name)} {kind}" for name, kind in types.items())
        connection.execute(f"CREATE TABLE ml.{view.name} ({columns})")
        rows = fixture.rows.get(view.name)
        if rows:
            # As a file of JSON lines: a thousand times faster than one INSERT a row.
            file.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
            read = {name: "JSON" if kind == "VARIANT" else kind for name, kind in types.items()}
            columns = ", ".join(f"{quote(name)}: {literal(kind)}" for name, kind in read.items())
            lines = f"read_json('{file}', format = 'newline_delimited', columns = {{{columns}}})"
            connection.execute(f"INSERT INTO ml.{view.name} SELECT * FROM {lines}")
    shutil.rmtree(file.parent)
    return connection


class FixtureServer:
    """``with FixtureServer(build()) as server: server.url``; ``execute`` changes rows, ``tell`` sends an event."""

    def __init__(self, fixture: Fixture, port: int = 0) -> None:
        self.fixture = fixture
        self.connection = database(fixture)
        self.statements: list[str] = []
        self.streaming = True
        self._streams: list[queue.SimpleQueue[dict[str, Any] | None]] = []
        self._lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"

    def __enter__(self) -> FixtureServer:
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_streams()
        self.http.shutdown()
        self.http.server_close()

    def execute(self, sql: str, parameters: Any = None) -> None:
        """Change what the pages will see."""
        with self._lock:
            self.connection.execute(sql, parameters)

    def tell(self, kind: str, **data: Any) -> None:
        """An event for every open stream."""
        for stream in list(self._streams):
            stream.put({"kind": kind, "project": "flights", "object": "", "data": data})

    def cut_streams(self) -> None:
        """End every open stream."""
        for stream in list(self._streams):
            stream.put(None)

    def run_sql(self, sql: str) -> tuple[int, dict[str, Any]]:
        """As the real door answers."""
        self.statements.append(sql)
        begin = time.perf_counter()
        try:
            with self._lock:
                result = self.connection.execute(sql)
                columns = [{"name": column[0], "type": str(column[1])} for column in result.description or ()]
                rows = [[json_value(cell) for cell in row] for row in result.fetchall()]
        except duckdb.Error as error:
            hint = "this is the statement which the page has sent"
            return 400, {"error": {"code": "statement", "message": str(error).splitlines()[0], "hint": hint}}
        took = (time.perf_counter() - begin) * 1000
        one = {"statement": sql, "message": "", "columns": columns, "rows": rows, "row_count": len(rows)}
        return 200, {"results": [{**one, "truncated": False, "elapsed_ms": took}]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/v2/models/flights.delay/infer":
                    self.infer(body)
                    return
                status, answer = server.run_sql(body["sql"])
                self.reply(status, "application/json", json.dumps(answer).encode())

            def do_GET(self) -> None:
                address = urlsplit(self.path)
                parts = address.path.strip("/").split("/")
                if address.path == "/stream":
                    self.stream()
                elif parts[0] == "artifacts":
                    row = server.connection.cursor().execute(
                        "SELECT media_type FROM ml.artifacts WHERE id = ?", [parts[1]]
                    )
                    self.reply(200, row.fetchall()[0][0], server.fixture.contents[parts[1]])
                elif parts[:2] == ["v2", "models"] and parts[2:] == ["flights.delay"]:
                    self.reply(200, "application/json", json.dumps(METADATA).encode())
                elif parts[0] == "runs" and parts[-1] == "log":
                    offset = int(parse_qs(address.query).get("offset", ["0"])[0])
                    body = server.fixture.logs.get(parts[1], "").encode()
                    self.reply(200, "text/plain; charset=utf-8", body[offset:], {"X-Mlbox-Offset": str(len(body))})
                else:
                    self.page(unquote(address.path))

            def infer(self, body: dict[str, Any]) -> None:
                """As an endpoint that needs ``dep_hour``."""
                given = [row.get("dep_hour") for row in body["rows"]]
                if None in given:
                    refused = {"error": "the request has no input 'dep_hour'", "code": "invalid"}
                    self.reply(400, "application/json", json.dumps(refused).encode())
                    return
                answer = {"model_name": "flights.delay", "rows": [{"prediction": 0.25} for _ in given]}
                self.reply(200, "application/json", json.dumps(answer).encode())

            def page(self, path: str) -> None:
                """By the application that the real server uses."""
                sent: list[dict[str, Any]] = []

                async def send(message: dict[str, Any]) -> None:
                    sent.append(message)

                async def receive() -> dict[str, Any]:
                    return {"type": "http.request"}

                scope = {"type": "http", "path": path, "method": "GET", "headers": []}
                asyncio.run(assets.static_app(scope, receive, send))
                self.send_response(sent[0]["status"])
                for name, value in sent[0]["headers"]:
                    self.send_header(name.decode(), value.decode())
                self.end_headers()
                self.wfile.write(sent[1]["body"])

            def stream(self) -> None:
                if not server.streaming:
                    self.reply(503, "application/json", b'{"error": {"code": "unavailable", "message": "no stream"}}')
                    return
                events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
                server._streams.append(events)
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(b": welcome\r\n\r\n")
                while (event := events.get()) is not None:
                    self.wfile.write(f"event: {event['kind']}\r\ndata: {json.dumps(event)}\r\n\r\n".encode())
                server._streams.remove(events)
                self.close_connection = True

            def reply(self, status: int, kind: str, body: bytes, more: dict[str, str] | None = None) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                for name, value in (more or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        return Handler


if __name__ == "__main__":
    with FixtureServer(Fixture() if "--empty" in sys.argv else build(), int(sys.argv[1])) as running:
        print(running.url, flush=True)
        threading.Event().wait()
