"""Casts between kinds of columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.serve.expressions.library import text_of
from mlbox.serve.expressions.values import Vector, texts, time_of

CASTS = {
    **dict.fromkeys(("DOUBLE", "FLOAT", "REAL", "FLOAT8", "FLOAT4"), "double"),
    **dict.fromkeys(("BIGINT", "INTEGER", "INT", "INT8", "INT4", "LONG"), "bigint"),
    **dict.fromkeys(("VARCHAR", "TEXT", "STRING"), "varchar"),
    **dict.fromkeys(("BOOLEAN", "BOOL"), "boolean"),
    **dict.fromkeys(("TIMESTAMP", "DATETIME"), "timestamp"),
}
"""Names of types, and the kinds that they are cast to."""


def truth(vector: Vector) -> Vector:
    """As a condition: numbers but 0 are true."""
    if vector.kind in ("boolean", "null"):
        return Vector("boolean", vector.data.astype(bool), vector.null)
    if vector.kind in ("bigint", "double"):
        return Vector("boolean", vector.data != 0, vector.null)
    raise Invalid(f"true or false is needed where there is {vector.kind.upper()}")


def cast(vector: Vector, kind: Any, attempt: bool, bits: int) -> Vector:
    """``vector::kind``; what cannot be cast is an error, or NULL for TRY_CAST."""
    if vector.kind == kind:
        return vector if kind != "bigint" else _whole(vector.data, vector.null, attempt, bits)
    if kind == "varchar":
        return text_of(vector)
    if vector.kind == "varchar":
        return _of_text(vector, kind, attempt, bits)
    if kind == "boolean":
        return truth(vector)
    if kind == "timestamp" or vector.kind == "timestamp":
        raise Invalid(f"{vector.kind.upper()} is not cast to {kind.upper()} in an expression", hint="epoch(time)")
    if kind == "double":
        return Vector("double", vector.data.astype("f8"), vector.null)
    import numpy as np

    return _whole(np.rint(vector.data), vector.null, attempt, bits)


def _whole(values: Any, gone: Any, attempt: bool, bits: int) -> Vector:
    import numpy as np

    limit = 1 << (bits - 1)
    below = values <= limit - 1 if values.dtype.kind == "i" else values < float(limit)
    outside = ~((values >= -limit) & below)
    if gone is not None:
        outside &= ~gone
    if outside.any():
        if not attempt:
            raise Invalid(f"a value does not fit in a whole number of {bits} bits", hint="TRY_CAST gives NULL instead")
        gone = outside if gone is None else gone | outside
    safe = values if gone is None else np.where(gone, 0, values)
    return Vector("bigint", safe.astype("i8"), gone)


@lru_cache(maxsize=8)
def _reader(kind: str) -> Callable[[str], Any]:
    truths = {"true": True, "t": True, "1": True, "yes": True, "y": True}
    truths |= {"false": False, "f": False, "0": False, "no": False, "n": False}
    readers: dict[str, Callable[[str], Any]] = {
        "double": float,
        "bigint": _whole_number,
        "boolean": lambda text: truths[text.strip().lower()],
        "timestamp": time_of,
    }
    return readers[kind]


def _whole_number(text: str) -> int:
    """Halves go away from zero, as in DuckDB."""
    from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

    try:
        given = Decimal(text.strip())
        if given.is_finite() and -(2**63) - 1 < given < 2**63:  # of others the digits are too many to be written out
            found = int(given.to_integral_value(ROUND_HALF_UP))
            if -(2**63) <= found < 2**63:
                return found
    except InvalidOperation:
        pass
    raise ValueError


def _of_text(vector: Vector, kind: Any, attempt: bool, bits: int) -> Vector:
    import numpy as np

    failed = object()
    read = _reader(kind)

    def value(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, KeyError):
            if attempt:
                return failed
            raise Invalid(f"{text!r:.80} is no {kind.upper()}", hint="TRY_CAST gives NULL instead") from None

    found = texts(value, "varchar", vector)
    missed = np.array([each is failed for each in found.data], bool)
    gone = missed if found.null is None else missed | found.null
    empty: Any = {"double": 0.0, "bigint": 0, "boolean": False, "timestamp": time_of("1970-01-01")}[kind]
    plain = [empty if none else each for none, each in zip(gone.tolist(), found.data.tolist(), strict=True)]
    mask = gone if gone.any() else None
    if kind == "bigint":
        return _whole(np.array(plain, "i8"), mask, attempt, bits)
    return Vector(kind, np.array(plain, {"double": "f8", "boolean": "?", "timestamp": "M8[us]"}[kind]), mask)
