"""Arrow tables as JSON values, CSV, NDJSON and Arrow streams."""

from __future__ import annotations

import base64
import io
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

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


def value(item: Any) -> Any:
    """One value as JSON has it: ISO 8601 times in UTC with Z, NaN and infinities as null, bytes in base 64."""
    match item:
        case float():
            return item if math.isfinite(item) else None
        case None | bool() | int() | str():
            return item
        case datetime():
            return item.isoformat().replace("+00:00", "Z")
        case date() | time():
            return item.isoformat()
        case timedelta():
            return item.total_seconds()
        case Decimal():
            return float(item)
        case bytes():
            return base64.b64encode(item).decode()
        case dict():
            return {str(key): value(inner) for key, inner in item.items()}
        case list() | tuple():
            if item and all(isinstance(pair, tuple) and len(pair) == 2 for pair in item):
                return {str(key): value(inner) for key, inner in item}  # a MAP
            return [value(inner) for inner in item]
        case _:
            return str(item)


def rows(table: pyarrow.Table) -> list[list[Any]]:
    """Row by row, as JSON values."""
    lists = []
    for index, field in enumerate(table.schema):
        items = table.column(index).to_pylist()
        if is_json(field):
            lists.append([None if item is None else json.loads(item) for item in items])
        else:
            lists.append([value(item) for item in items])
    return [list(row) for row in zip(*lists, strict=True)]


def ndjson(table: pyarrow.Table) -> bytes:
    """One object a line."""
    names = table.column_names
    lines = (json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) for row in rows(table))
    return "".join(line + "\n" for line in lines).encode()


def csv(table: pyarrow.Table) -> bytes:
    """RFC 4180 with a header line."""
    import csv as writer_module

    out = io.StringIO()
    writer = writer_module.writer(out, lineterminator="\r\n")
    writer.writerow(table.column_names)
    for row in rows(table):
        writer.writerow(
            [json.dumps(cell, ensure_ascii=False) if isinstance(cell, (dict, list)) else cell for cell in row]
        )
    return out.getvalue().encode()


def arrow_stream(table: pyarrow.Table) -> bytes:
    """Arrow's IPC stream format."""
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def result_body(outcome: Outcome) -> dict[str, Any]:
    """One result of the envelope."""
    table = outcome.result.table
    body = _told(outcome)
    if table is not None:
        body["columns"] = columns(table)
        body["rows"] = rows(table)
        body["row_count"] = table.num_rows
        body["truncated"] = bool(outcome.result.facts.get("truncated", False))
    return body


def result_stream(outcome: Outcome) -> dict[str, Any]:
    """One result with its rows as an Arrow stream."""
    table = outcome.result.table
    body = _told(outcome)
    if table is not None:
        body["stream"] = arrow_stream(table)
    return body


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "statement": outcome.command,
        "message": outcome.result.message,
        "elapsed_ms": round(outcome.elapsed_ms, 3),
    }
