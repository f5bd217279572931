"""Tables and queries of a database as one part, read in batches; with a watermark only what is above the last one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.engine.features.sources.base import (
    ARROW,
    Capabilities,
    Part,
    Request,
    Rows,
    Source,
    check_options,
)

if TYPE_CHECKING:
    import pyarrow

WHOLE = ""
"""The one part of a source that has no parts."""
BATCH = 50_000
"""Rows of a batch."""


class Database(Protocol):
    """How one kind of database is asked."""

    name: str
    schemes: tuple[str, ...]
    options: tuple[str, ...]
    quotes: str
    """The sign around a name."""

    def stream(self, source: Source, sql: str, whole: str) -> pyarrow.RecordBatchReader:
        """Rows of a query, some of those of ``whole``; at its end the connection is closed."""
        ...


class TableSource:
    """``WITH (table = name)`` or ``WITH (query = 'SELECT ..')`` of a database, and perhaps a watermark."""

    capabilities = Capabilities(batch=True)

    def __init__(self, database: Database) -> None:
        self._database = database

    def claims(self, uri: str) -> bool:
        """By its scheme, or the ending of a file."""
        return uri.lower().startswith(self._database.schemes) or uri.lower().endswith(self._database.schemes)

    def check(self, source: Source) -> None:
        """A URI, and what is to be read from there."""
        if source.uri is None:
            raise Invalid(f"a source of type {source.type} needs FROM 'uri'")
        check_options(source, ("table", "query", "watermark", *self._database.options))
        if ("table" in source.options) == ("query" in source.options):
            raise Invalid(
                "a source in a database names what it reads, once",
                hint="WITH (table = 'orders') or WITH (query = 'SELECT ..')",
            )

    def shape(self, source: Source, request: Request) -> Rows | None:
        """Its columns; no row."""
        return self._rows(source, f"SELECT * FROM {self._relation(source)} WHERE 1 = 0")

    def read(self, source: Source, request: Request) -> Iterator[Part]:
        """As of :class:`~mlbox.engine.features.sources.query.QuerySource`."""
        column = source.options.get("watermark")
        query = f"SELECT * FROM {self._relation(source)}"
        if column is None:
            yield Part(WHOLE, {}, self._rows(source, query), again=True)
            return
        name = self._quoted(column)
        known = request.positions.get(WHOLE, {}).get("watermark")
        highest = self._highest(source, name)
        if known is not None and request.again:
            upto = f"{query} WHERE {name} <= {_literal(known)}"
            yield Part(WHOLE, {"watermark": known}, self._rows(source, upto), again=True)
        if highest is not None and highest != known:
            text = f"{query} WHERE {name} <= {_literal(highest)}"
            if known is not None:
                text += f" AND {name} > {_literal(known)}"
            yield Part(WHOLE, {"watermark": highest}, self._rows(source, text))

    def _highest(self, source: Source, name: str) -> Any:
        highest = f"SELECT max({name}) AS highest FROM {self._relation(source)}"
        with self._stream(source, highest, highest) as reader:
            value = reader.read_all().column(0)[0].as_py()
        if isinstance(value, (datetime, date)):
            return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat()
        return str(value) if isinstance(value, Decimal) else value

    def _relation(self, source: Source) -> str:
        query = source.options.get("query")
        if query is not None:
            return f"(\n{str(query).rstrip().rstrip(';')}\n) _rows"
        return ".".join(self._quoted(part) for part in str(source.options["table"]).split("."))

    def _quoted(self, name: str) -> str:
        sign = self._database.quotes
        return sign + str(name).replace(sign, sign * 2) + sign

    def _rows(self, source: Source, sql: str) -> Rows:
        return Rows(f"SELECT * FROM {ARROW}", lambda: self._stream(source, sql))

    def _stream(self, source: Source, sql: str, whole: str | None = None) -> pyarrow.RecordBatchReader:
        try:
            return self._database.stream(source, sql, whole or f"SELECT * FROM {self._relation(source)}")
        except MlboxError:
            raise
        except Exception as error:  # every driver has errors of its own
            told = " ".join(str(error).split())
            raise Unavailable(
                f"source {source.ref} cannot be read from {source.uri}: {told}",
                hint="look at the address, the user, the secret and the table",
            ) from None


def _literal(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"
