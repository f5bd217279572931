"""Traces for an OpenTelemetry collector, over OTLP and HTTP; and what in an endpoint is a span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.telemetry import span, trace_with, tracer

if TYPE_CHECKING:
    from mlbox.base.settings import Settings


class OpenTelemetry:
    """Spans of this process go to ``url``/v1/traces in batches, by a thread of their own; none waits for that."""

    def __init__(self, url: str, share: float, version: str, instance: str) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        except ImportError:
            raise Invalid(
                "the setting trace_url needs OpenTelemetry, which is not installed", hint="pip install 'mlbox[traces]'"
            ) from None
        from opentelemetry import propagate, trace

        whole = url.rstrip("/")
        exporter = OTLPSpanExporter(endpoint=whole if whole.endswith("/v1/traces") else f"{whole}/v1/traces")
        about = {"service.name": "mlbox", "service.version": version, "service.instance.id": instance}
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(share)), resource=Resource.create(about), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=1000))
        self._tracer = self._provider.get_tracer("mlbox", version)
        self._trace = trace
        self._propagate: Any = propagate

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, Any]) -> Iterator[Any]:
        """Within the one that is under way, without which there is none; an exception makes it an error."""
        if not self._trace.get_current_span().get_span_context().is_valid:
            yield None
            return
        with self._tracer.start_as_current_span(name, attributes=dict(attributes)) as made:
            yield made

    @contextmanager
    def served(self, name: str, headers: Mapping[str, str]) -> Iterator[Any]:
        """A span of kind SERVER."""
        within = self._propagate.extract(headers)
        kind = self._trace.SpanKind.SERVER
        with self._tracer.start_as_current_span(name, context=within, kind=kind) as made:
            yield made

    def headers(self) -> dict[str, str]:
        """``traceparent``, and ``tracestate`` where there is one."""
        carrier: dict[str, str] = {}
        self._propagate.inject(carrier)
        return carrier

    def ids(self) -> tuple[str, str]:
        """Of the span under way."""
        context = self._trace.get_current_span().get_span_context()
        return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else ("", "")

    def close(self) -> None:
        """Hand over what there is."""
        self._provider.shutdown()


def begin(settings: Settings, version: str, instance: str) -> None:
    """Trace from now on, where the settings say so."""
    if settings.trace_url:
        if not 0 <= settings.trace_share <= 1:
            raise Invalid(f"trace_share = {settings.trace_share:g}", hint="a share of the requests, from 0 to 1")
        trace_with(OpenTelemetry(settings.trace_url, settings.trace_share, version, instance))


def end() -> None:
    """Trace no more; what there is goes out."""
    active = tracer()
    trace_with(None)
    if active is not None:
        active.close()


class TracedReader:
    """A reader of features whose reads are spans."""

    def __init__(self, reader: Any, vector: str) -> None:
        self._reader = reader
        self._vector = vector

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    def read(self, columns: Mapping[str, Sequence[Any]], at: Any = None) -> Any:
        """As the reader does."""
        with span(f"enrich {self._vector}", **{"mlbox.vector": self._vector}):
            return self._reader.read(columns, at)

    def row_of(self, names: Sequence[str]) -> Any:
        """As the reader does: what reads these features of one key."""
        read = self._reader.row_of(names)
        if read is None:
            return None

        def traced(keys: Mapping[str, Any]) -> Any:
            with span(f"enrich {self._vector}", **{"mlbox.vector": self._vector}):
                return read(keys)

        return traced


class TracedPredictor:
    """A predictor whose calls are spans."""

    def __init__(self, predictor: Any, model: str) -> None:
        self._predictor = predictor
        self._name = f"model {model}"
        self._about = {"mlbox.model": model}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def run(self, columns: Sequence[Any], rows: int) -> Any:
        """As the predictor does."""
        with span(self._name, **self._about, **{"mlbox.rows": rows}):
            return self._predictor.run(columns, rows)

    def run_matrix(self, matrix: Any) -> Any:
        """As the predictor does."""
        with span(self._name, **self._about, **{"mlbox.rows": len(matrix)}):
            return self._predictor.run_matrix(matrix)

    def run_tensors(self, feeds: Mapping[str, Any], rows: int) -> Any:
        """As the predictor does."""
        with span(self._name, **self._about, **{"mlbox.rows": rows}):
            return self._predictor.run_tensors(feeds, rows)
