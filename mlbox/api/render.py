"""Arrow tables as JSON values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mlbox.base.json_values import json_value as value

if TYPE_CHECKING:
    import pyarrow

    from mlbox.sql.session import Outcome


def columns(table: pyarrow.Table) -> list[dict[str, str]]:
    """Names and types."""
    return [{"name": field.name, "type": _type(field)} for field in table.schema]


def _type(field: pyarrow.Field) -> str:
    return "json" if is_json(field) else str(field.type)


def is_json(field: pyarrow.Field) -> bool:
    """Whether a text column holds JSON."""
    return bool((field.metadata or {}).get(b"mlbox:type") == b"JSON")


def rows(table: pyarrow.Table | pyarrow.RecordBatch) -> Iterator[tuple[Any, ...]]:
    """Row by row, as JSON values."""
    return zip(*(_cells(table.column(index), field) for index, field in enumerate(table.schema)), strict=True)


def _cells(column: pyarrow.Array | pyarrow.ChunkedArray, field: pyarrow.Field) -> list[Any]:
    items: list[Any] = column.to_pylist()
    if is_json(field):
        return [None if item is None else json.loads(item) for item in items]
    if _is_plain(column):
        return items
    return [value(item) for item in items]


def _is_plain(column: pyarrow.Array | pyarrow.ChunkedArray) -> bool:
    """Whether Python's values are JSON's as they are, which spares a call a cell."""
    import pyarrow.compute as compute
    import pyarrow.types as types

    kind = column.type
    if types.is_floating(kind):
        return compute.all(compute.is_finite(column), min_count=0).as_py() is True
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_boolean(kind) or types.is_null(kind))


def arrow_stream(table: pyarrow.Table) -> bytes:
    """Arrow's IPC stream format, of all rows at once."""
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def result_body(outcome: Outcome) -> dict[str, Any]:
    """One result of the envelope."""
    table = outcome.result.table
    body = told(outcome)
    if table is not None:
        body["columns"] = columns(table)
        body["rows"] = list(rows(table))
        body["row_count"] = table.num_rows
        body["truncated"] = bool(outcome.result.facts.get("truncated", False))
    return body


def told(outcome: Outcome) -> dict[str, Any]:
    """What a result says beside its rows."""
    return {
        "statement": outcome.command,
        "message": outcome.result.message,
        "elapsed_ms": round(outcome.elapsed_ms, 3),
    }
