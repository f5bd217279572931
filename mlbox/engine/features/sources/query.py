"""A query of DuckDB as a source. With a watermark only rows above the last one are read."""

from __future__ import annotations

from collections.abc import Iterator

from mlbox.base.errors import Invalid
from mlbox.base.names import literal, quote
from mlbox.engine.features.sources.base import SOURCES, Capabilities, Part, Request, Rows, Source, check_options

WHOLE = ""
"""The one part of a source that has no parts."""


class QuerySource:
    """``CREATE SOURCE s AS SELECT ..``."""

    capabilities = Capabilities(batch=True)

    def claims(self, uri: str) -> bool:
        """A query has no URI."""
        return False

    def check(self, source: Source) -> None:
        """A query, and at most a watermark."""
        if source.query is None:
            raise Invalid("a source of type query has a query", hint="write CREATE SOURCE s AS SELECT ..")
        check_options(source, ("watermark",))

    def shape(self, source: Source, request: Request) -> Rows | None:
        """The query."""
        return Rows(f"SELECT * FROM (\n{source.query}\n)")

    def read(self, source: Source, request: Request) -> Iterator[Part]:
        """Rows whose watermark is above the last one; without a watermark all, of which the feature set takes those
        that are newer than what it has."""
        column = source.options.get("watermark")
        query = f"SELECT * FROM (\n{source.query}\n)"
        if column is None:
            yield Part(WHOLE, {}, Rows(query), again=True)
            return
        known = request.positions.get(WHOLE, {}).get("watermark")
        ((highest,),) = request.ask(f"SELECT max({quote(column)})::VARCHAR FROM (\n{source.query}\n)")
        if known is not None and request.again:
            yield Part(WHOLE, {"watermark": known}, Rows(f"{query} WHERE {_upto(column, known)}"), again=True)
        if highest is not None and highest != known:
            text = f"{query} WHERE {_upto(column, highest)}"
            if known is not None:
                text += f" AND {quote(column)} > {literal(known)}"
            yield Part(WHOLE, {"watermark": highest}, Rows(text))


def _upto(column: str, value: str) -> str:
    return f"{quote(column)} <= {literal(value)}"


SOURCES.add("query", QuerySource())
