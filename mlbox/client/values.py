"""Values of columns as Python has them, the same from an Arrow stream and from JSON."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Callable, Dict, List, Optional

INTERVAL = "month_day_nano_interval"
"""Arrow's name for the type of an INTERVAL."""


def is_json(field: Any) -> bool:
    """Whether a text field of Arrow holds JSON."""
    return bool((field.metadata or {}).get(b"mlbox:type") == b"JSON")


def of_column(column: Any, kind: str) -> List[Any]:
    """The values of an Arrow column of the type ``kind``."""
    items = column.to_pylist()
    convert: Optional[Callable[[Any], Any]] = None
    if kind == "json":
        convert = json.loads
    elif kind == INTERVAL:
        convert = _interval
    elif _is_whole(kind):
        convert = int
    elif "map<" in kind:
        convert = _without_pairs
    return items if convert is None else [None if item is None else convert(item) for item in items]


def with_numbers(table: Any) -> Any:
    """The table with decimals as floats, whole ones as 64-bit integers where they fit."""
    import pyarrow

    for position, field in enumerate(table.schema):
        if not pyarrow.types.is_decimal(field.type):
            continue
        column = table.column(position)
        try:
            column = column.cast(pyarrow.int64()) if field.type.scale == 0 else column.cast(pyarrow.float64())
        except pyarrow.ArrowInvalid:
            column = column.cast(pyarrow.float64())
        table = table.set_column(position, field.name, column)
    return table


def with_durations(table: Any) -> Any:
    """The table with intervals as durations; those that count months are texts."""
    import pyarrow

    for position, field in enumerate(table.schema):
        if str(field.type) == INTERVAL:
            items = of_column(table.column(position), INTERVAL)
            texts = any(isinstance(item, str) for item in items)
            kind = pyarrow.string() if texts else pyarrow.duration("us")
            given = [None if item is None else str(item) for item in items] if texts else items
            table = table.set_column(position, field.name, pyarrow.array(given, kind))
    return table


def _without_pairs(item: Any) -> Any:
    """A MAP comes as a list of pairs."""
    if isinstance(item, dict):
        return {key: _without_pairs(inner) for key, inner in item.items()}
    if isinstance(item, list):
        if item and all(isinstance(pair, tuple) and len(pair) == 2 for pair in item):
            return {key: _without_pairs(inner) for key, inner in item}
        return [_without_pairs(inner) for inner in item]
    return item


def typed(rows: List[List[Any]], types: List[str]) -> List[List[Any]]:
    """Rows of JSON values as those of Python that the types mean."""
    converters = [_converter(kind) for kind in types]
    if not any(converters):
        return rows
    return [
        [value if convert is None or value is None else convert(value) for value, convert in zip(row, converters)]
        for row in rows
    ]


def _converter(kind: str) -> Optional[Callable[[Any], Any]]:
    if _is_whole(kind):
        return int
    if kind.startswith("decimal"):
        exponent = Decimal(1).scaleb(-int(kind.rpartition(",")[2].rstrip(") ")))
        return lambda value: Decimal(repr(value)).quantize(exponent)
    return next((convert for start, convert in _CONVERTERS.items() if kind.startswith(start)), None)


def _is_whole(kind: str) -> bool:
    """HUGEINT, which sums of integers have, is a decimal to Arrow."""
    return kind.startswith("decimal") and kind.endswith(", 0)")


def _interval(parts: Any) -> Any:
    """A ``timedelta``; months have no length, so an interval with some is a text."""
    months, days, nanoseconds = parts
    length = timedelta(days=days, microseconds=nanoseconds // 1000)
    return length if not months else f"{months} months {length}"


def _instant(text: str) -> datetime:
    head, point, fraction = text.replace("Z", "+00:00").partition(".")
    if point:  # nanoseconds are more than Python's times hold
        digits = "".join(character for character in fraction.split("+")[0] if character.isdigit())
        head = f"{head}.{digits[:6].ljust(6, '0')}{fraction[len(digits) :]}"
    return datetime.fromisoformat(head)


_CONVERTERS: Dict[str, Callable[[Any], Any]] = {
    "timestamp": _instant,
    "date32": date.fromisoformat,
    "time64": time.fromisoformat,
    "duration": lambda value: timedelta(seconds=value),
    INTERVAL: _interval,
    "binary": base64.b64decode,
    "large_binary": base64.b64decode,
}
