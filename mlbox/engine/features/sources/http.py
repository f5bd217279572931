"""Rows that are brought by HTTP: whoever has them posts them to ``/push/<project>.<source>``."""

from __future__ import annotations

from collections.abc import Generator, Mapping

from mlbox.base.errors import Conflict, Invalid
from mlbox.engine.features.sources.base import SOURCES, Capabilities, Position, Source, StreamBatch, check_options


class HttpSource:
    """A name to push to; every set that reads it takes the rows."""

    capabilities = Capabilities(stream=True, push=True)

    def claims(self, uri: str) -> bool:
        """It has no URI."""
        return False

    def check(self, source: Source) -> None:
        """Nothing but its name."""
        if source.uri is not None:
            raise Invalid(
                "a source of type http has no URI", hint="CREATE SOURCE name TYPE http; then POST to /push/name"
            )
        check_options(source, ())

    def consume(self, source: Source, positions: Mapping[str, Position]) -> Generator[StreamBatch]:
        """Rows are brought, not read."""
        raise Conflict(f"source {source.ref} is pushed into, not read")
        yield


SOURCES.add("http", HttpSource())
