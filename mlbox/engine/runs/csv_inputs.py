"""Frames for environments without pyarrow."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any


def as_csv(parquet: Path, target: Path) -> dict[str, Any]:
    """Write the Parquet file as CSV to ``target`` (header, UTF-8, null is an empty unquoted field, times ISO 8601)
    and return ``{"path", "format": "csv", "types": {column: type}}``; nested values become JSON text."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(parquet)
    schema = file.schema_arrow
    flat = pyarrow.schema([(entry.name, _flat_type(entry.type, pyarrow)) for entry in schema])
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{secrets.token_hex(4)}")
    with pyarrow.csv.CSVWriter(temporary, flat) as writer:
        for batch in file.iter_batches():
            columns = [_flat(column, kind, pyarrow) for column, kind in zip(batch.columns, flat.types, strict=True)]
            writer.write_batch(pyarrow.record_batch(columns, schema=flat))
    os.replace(temporary, target)
    return {"path": str(target), "format": "csv", "types": {entry.name: str(entry.type) for entry in schema}}


def column_types(parquet: Path) -> dict[str, str]:
    """Column → Arrow type of a Parquet file; nothing when the file has gone."""
    import pyarrow.parquet

    if not parquet.is_file():
        return {}
    return {entry.name: str(entry.type) for entry in pyarrow.parquet.read_schema(parquet)}


def _is_nested(kind: Any, pyarrow: Any) -> bool:
    return bool(pyarrow.types.is_nested(kind)) or bool(pyarrow.types.is_binary(kind))


def _flat_type(kind: Any, pyarrow: Any) -> Any:
    if pyarrow.types.is_dictionary(kind):
        return kind.value_type
    return pyarrow.string() if _is_nested(kind, pyarrow) else kind


def _flat(column: Any, kind: Any, pyarrow: Any) -> Any:
    if column.type == kind:
        return column
    if not _is_nested(column.type, pyarrow):
        return column.cast(kind)
    import base64
    import json

    def text(value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        return json.dumps(value, default=str)

    return pyarrow.array([text(value) for value in column.to_pylist()], pyarrow.string())
