"""The forms in which rows are streamed: CSV, NDJSON, Arrow. Each turns batches into bytes, one after the other.

None of them can tell an error behind its first rows. The connection is then closed without the last chunk, which every
client of HTTP/1.1 notices, and ``GET /sql/<query id>`` says why.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from mlbox.api import render

if TYPE_CHECKING:
    import pyarrow


_json = msgspec.json.Encoder()


PIECE_BYTES = 1 << 20
"""Of rows that are encoded at once: wide rows must not add up in memory."""


def cut(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """The same rows in batches of about a megabyte at most."""
    for batch in batches:
        rows = max(1, batch.num_rows * PIECE_BYTES // max(batch.nbytes, 1))
        yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


class Form(Protocol):
    """``start``, then ``batch`` for each, then ``end``, which does not come after a failure."""

    def start(self, schema: pyarrow.Schema) -> bytes:
        """What comes before all rows."""
        ...

    def batch(self, batch: pyarrow.RecordBatch) -> bytes:
        """Rows."""
        ...

    def end(self) -> bytes:
        """What tells that all rows are there."""
        ...


class Csv:
    """RFC 4180 with a header line; nested values as JSON, NULL as nothing."""

    def start(self, schema: pyarrow.Schema) -> bytes:
        """The header."""
        return _lines([schema.names])

    def batch(self, batch: pyarrow.RecordBatch) -> bytes:
        """Lines."""
        import pyarrow.types as types

        nested = any(render.is_json(field) or types.is_nested(field.type) for field in batch.schema)
        rows = render.rows(batch)
        return _lines([list(map(_csv_cell, row)) for row in rows] if nested else rows)

    def end(self) -> bytes:
        """Nothing."""
        return b""


def _csv_cell(cell: Any) -> Any:
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, (dict, list)) else cell


def _lines(rows: Any) -> bytes:
    import csv

    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue().encode()


class Ndjson:
    """One object a row and line."""

    def start(self, schema: pyarrow.Schema) -> bytes:
        """Nothing."""
        return b""

    def batch(self, batch: pyarrow.RecordBatch) -> bytes:
        """Lines."""
        names = batch.schema.names
        return _json.encode_lines([dict(zip(names, row, strict=True)) for row in render.rows(batch, encoded=True)])

    def end(self) -> bytes:
        """Nothing."""
        return b""


class _Pieces(io.RawIOBase):
    """A file that is written and taken away piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += memoryview(data).cast("B")
        return len(data)

    def take(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held


class Arrow:
    """Arrow's IPC stream format; a stream that broke off lacks the end marker, and readers of the format say so."""

    def __init__(self) -> None:
        self._pieces = _Pieces()
        self._writer: Any = None

    def start(self, schema: pyarrow.Schema) -> bytes:
        """The schema message."""
        import pyarrow

        self._writer = pyarrow.ipc.new_stream(pyarrow.PythonFile(self._pieces, mode="w"), schema)
        return self._pieces.take()

    def batch(self, batch: pyarrow.RecordBatch) -> bytes:
        """A record batch message."""
        self._writer.write_batch(batch)
        return self._pieces.take()

    def end(self) -> bytes:
        """The end marker."""
        self._writer.close()
        return self._pieces.take()


FORMS: dict[str, type[Form]] = {
    "text/csv": Csv,
    "application/x-ndjson": Ndjson,
    "application/vnd.apache.arrow.stream": Arrow,
}
"""By media type."""


def whole(table: pyarrow.Table, form: Form) -> bytes:
    """All rows of a table at once."""
    return b"".join((form.start(table.schema), *map(form.batch, table.to_batches()), form.end()))


def wanted(accept: str) -> str:
    """The media type of the first form in an ``Accept`` header that there is; else JSON."""
    for entry in accept.split(","):
        kind = entry.partition(";")[0].strip().lower()
        if kind in FORMS:
            return kind
        if kind in ("application/json", "*/*", "application/*"):
            break
    return "application/json"
