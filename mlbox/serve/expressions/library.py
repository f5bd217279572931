"""The functions and operators that expressions may use; each gives what DuckDB gives, which a test compares."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from mlbox.base.errors import Invalid
from mlbox.serve.expressions.values import Kind, Vector, alike, constant, nulls, texts

Function = Callable[..., Vector]


class Known(NamedTuple):
    """A function: how it is called, the least and the most arguments, the kind that it always gives (None where its
    arguments tell, or nobody asks), and how many of the first arguments are texts."""

    call: Function
    least: int
    most: int
    gives: Kind | None = None
    texts: int = 0


FUNCTIONS: dict[str, Known] = {}
"""By name."""


def function(
    least: int, most: int, *names: str, gives: Kind | None = None, texts: int = 0
) -> Callable[[Function], Function]:
    """Register a function of vectors under all of its names."""

    def add(found: Function) -> Function:
        FUNCTIONS.update((name, Known(found, least, most, gives, texts)) for name in names)
        return found

    return add


def _whole(a: Vector, b: Vector) -> bool:
    return a.kind == b.kind == "bigint"


def _checked(exact: Any, rough: Any, gone: Any, what: str) -> Vector:
    """Whole numbers that may not have left their 64 bits."""
    import numpy as np

    if bool((np.abs(rough) >= 2.0**63).any()):
        raise Invalid(f"the {what} of whole numbers is larger than 64 bits", hint="cast one of them: x::DOUBLE")
    return Vector("bigint", exact, gone)


@function(1, 2, "+")
def add(a: Vector, b: Vector | None = None) -> Vector:
    """Sum; of one argument, itself."""
    if b is None:
        return a
    if _whole(a, b):
        return _checked(a.data + b.data, a.doubles() + b.doubles(), nulls(a, b), "sum")
    return Vector("double", a.doubles() + b.doubles(), nulls(a, b))


@function(1, 2, "-")
def subtract(a: Vector, b: Vector | None = None) -> Vector:
    """Difference; of one argument, its negative."""
    if b is None:
        return Vector("bigint", -a.data, a.null) if a.kind == "bigint" else Vector("double", -a.doubles(), a.null)
    if _whole(a, b):
        return _checked(a.data - b.data, a.doubles() - b.doubles(), nulls(a, b), "difference")
    return Vector("double", a.doubles() - b.doubles(), nulls(a, b))


@function(2, 2, "*")
def multiply(a: Vector, b: Vector) -> Vector:
    """Product."""
    if _whole(a, b):
        return _checked(a.data * b.data, a.doubles() * b.doubles(), nulls(a, b), "product")
    return Vector("double", a.doubles() * b.doubles(), nulls(a, b))


@function(2, 2, "/")
def divide(a: Vector, b: Vector) -> Vector:
    """Always of floats: division by 0 is infinite, 0 / 0 is NaN."""
    return Vector("double", a.doubles() / b.doubles(), nulls(a, b))


def _no_zero(b: Vector, gone: Any) -> Any:
    """The divisors, 1 where the result is NULL anyway."""
    import numpy as np

    data = b.data if gone is None else np.where(gone, 1, b.data)
    if bool((data == 0).any()):
        raise Invalid("division by zero in an expression", hint="write // or % with nullif(x, 0)")
    return data


@function(2, 2, "//")
def integer_divide(a: Vector, b: Vector) -> Vector:
    """Of whole numbers the quotient towards zero, of floats as they are divided."""
    a.doubles(), b.doubles()
    gone = nulls(a, b)
    divisor = _no_zero(b, gone)
    if not _whole(a, b):
        return Vector("double", a.doubles() / divisor, gone)
    quotient = a.data // divisor
    return Vector("bigint", quotient + ((a.data % divisor != 0) & ((a.data < 0) != (divisor < 0))), gone)


@function(2, 2, "%", "mod")
def modulo(a: Vector, b: Vector) -> Vector:
    """The rest, with the sign of the dividend."""
    import numpy as np

    gone = nulls(a, b)
    if _whole(a, b):
        return Vector("bigint", np.fmod(a.data, _no_zero(b, gone)), gone)
    return Vector("double", np.fmod(a.doubles(), b.doubles()), gone)


@function(2, 2, "**", "^", "pow", "power")
def power(a: Vector, b: Vector) -> Vector:
    """``a`` to the power of ``b``."""
    import numpy as np

    return Vector("double", np.power(a.doubles(), b.doubles()), nulls(a, b))


def _floats(name: str, *names: str) -> None:
    def call(a: Vector) -> Vector:
        import numpy as np

        return Vector("double", getattr(np, name)(a.doubles()), a.null)

    function(1, 1, *(names or (name,)))(call)


for _name in ("sqrt", "exp", "sin", "cos", "tan", "floor"):
    _floats(_name)
_floats("ceil", "ceil", "ceiling")
_floats("log", "ln")
_floats("log10", "log10", "log")
_floats("log2")
_floats("arctan", "atan")


@function(2, 2, "atan2")
def atan2(a: Vector, b: Vector) -> Vector:
    """The angle of (b, a)."""
    import numpy as np

    return Vector("double", np.arctan2(a.doubles(), b.doubles()), nulls(a, b))


@function(0, 0, "pi")
def pi() -> Vector:
    """3.14159…"""
    return constant(math.pi, 1)


@function(1, 1, "abs")
def absolute(a: Vector) -> Vector:
    """Without its sign."""
    import numpy as np

    a.doubles()
    return Vector(a.kind, np.abs(a.data), a.null)


@function(1, 1, "sign", gives="bigint")
def sign(a: Vector) -> Vector:
    """-1, 0 or 1."""
    import numpy as np

    values = np.nan_to_num(np.sign(a.doubles()))
    return Vector("bigint", values.astype("i8"), a.null)


@function(1, 2, "round")
def rounded(a: Vector, digits: Vector | None = None) -> Vector:
    """Halves go away from zero."""
    import numpy as np

    a.doubles()
    places = int(digits.data[0]) if digits is not None and len(digits) else 0  # a branch may have no rows
    if digits is not None and (digits.kind != "bigint" or bool((digits.data != places).any())):
        raise Invalid("round takes the same whole number of digits for all rows", hint="round(x, 2)")
    if a.kind == "bigint":
        if places < 0:
            raise Invalid("round of a whole number to tens is not computed here", hint="cast it: round(x::DOUBLE, -1)")
        return a
    if abs(places) > 308:  # no double has so many digits
        return a if places > 0 else Vector("double", np.where(np.isfinite(a.data), 0.0, a.data), a.null)
    factor = 10.0 ** abs(places)
    scaled = a.data * factor if places >= 0 else a.data / factor
    whole = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    whole = np.where(np.abs(scaled) >= 2.0**52, scaled, whole)
    found = whole / factor if places >= 0 else whole * factor
    return Vector("double", np.where(np.isfinite(found), found, a.data), a.null)


@function(1, 1, "isnan", gives="boolean")
def is_nan(a: Vector) -> Vector:
    """Whether it is no number, as the root of -1; a NaN that a caller sends is NULL."""
    import numpy as np

    return Vector("boolean", np.isnan(a.doubles()), a.null)


@function(2, 2, "nullif")
def null_if(a: Vector, b: Vector) -> Vector:
    """NULL where both are equal."""
    one, other = alike([a, b])
    same = one.data == other.data
    if other.null is not None:
        same = same & ~other.null
    return Vector(a.kind, a.data, same if a.null is None else same | a.null)


def _extreme(vectors: tuple[Vector, ...], least: bool) -> Vector:
    import numpy as np

    first, *rest = alike(vectors)
    data, gone = first.data.copy(), first.null
    for each in rest:
        better = (each.data < data) if least else (each.data > data)
        if each.kind == "double":  # NaN is the greatest
            nan, other = np.isnan(data), np.isnan(each.data)
            better = np.where(nan | other, (nan & ~other) if least else (other & ~nan), better)
        if gone is not None:
            better = better | gone
        if each.null is not None:
            better = better & ~each.null
        data = np.where(better, each.data, data)
        gone = None if gone is None or each.null is None else gone & each.null
    return Vector(first.kind, data, gone)


@function(1, 64, "greatest")
def greatest(*vectors: Vector) -> Vector:
    """The greatest that is not NULL."""
    return _extreme(vectors, least=False)


@function(1, 64, "least")
def least(*vectors: Vector) -> Vector:
    """The least that is not NULL."""
    return _extreme(vectors, least=True)


def text_of(a: Vector) -> Vector:
    """The values as texts, as a cast to VARCHAR gives them."""
    if a.kind == "varchar":
        return a
    if a.kind == "timestamp":
        raise Invalid("a time is not written as text in an expression", hint="send it as text")
    if a.kind == "boolean":
        return texts(lambda value: "true" if value else "false", "varchar", a)
    return texts(str, "varchar", a) if a.kind == "bigint" else texts(repr, "varchar", a)


def _need_text(*vectors: Vector) -> None:
    for vector in vectors:
        if vector.kind not in ("varchar", "null"):
            raise Invalid(f"a text is needed where there is {vector.kind.upper()}", hint="cast it: x::VARCHAR")


@function(2, 2, "||", gives="varchar")
def joined(a: Vector, b: Vector) -> Vector:
    """One text after the other; NULL when one is."""
    return texts(lambda one, other: one + other, "varchar", text_of(a), text_of(b))


def _text(names: str, kind: Kind, call: Callable[..., Any], more: int = 0) -> None:
    def run(*vectors: Vector) -> Vector:
        _need_text(*vectors[: 1 + more])
        return texts(call, kind, *vectors)

    function(1 + more, 1 + more, *names.split(), gives=kind, texts=1 + more)(run)


_text("lower lcase", "varchar", str.lower)
_text("upper ucase", "varchar", str.upper)
_text("length len", "bigint", len)
_text("trim", "varchar", lambda text: text.strip(" "))
_text("ltrim", "varchar", lambda text: text.lstrip(" "))
_text("rtrim", "varchar", lambda text: text.rstrip(" "))
_text("reverse", "varchar", lambda text: text[::-1])
_text("contains", "boolean", lambda text, part: part in text, 1)
_text("starts_with prefix", "boolean", str.startswith, 1)
_text("ends_with suffix", "boolean", str.endswith, 1)


@function(3, 3, "replace", gives="varchar", texts=3)
def replaced(a: Vector, old: Vector, new: Vector) -> Vector:
    """Every ``old`` becomes ``new``; an empty one is nowhere."""
    _need_text(a, old, new)
    return texts(lambda text, one, other: text.replace(one, other) if one else text, "varchar", a, old, new)


@function(2, 2, "left", gives="varchar", texts=1)
def left(a: Vector, count: Vector) -> Vector:
    """The first characters; a negative count leaves so many out at the end."""
    _need_text(a)
    return texts(lambda text, number: text[: int(number)], "varchar", a, count)


_PARTS: dict[str, Callable[[Any], int]] = {
    "year": lambda time: time.year,
    "month": lambda time: time.month,
    "day": lambda time: time.day,
    "hour": lambda time: time.hour,
    "minute": lambda time: time.minute,
    "second": lambda time: time.second,
    "dow": lambda time: time.isoweekday() % 7,
    "dayofweek": lambda time: time.isoweekday() % 7,
    "isodow": lambda time: time.isoweekday(),
    "doy": lambda time: time.timetuple().tm_yday,
    "dayofyear": lambda time: time.timetuple().tm_yday,
    "week": lambda time: time.isocalendar().week,
    "quarter": lambda time: (time.month + 2) // 3,
}


def _part(name: str, a: Vector) -> Vector:
    if a.kind not in ("timestamp", "null"):
        raise Invalid(f"a time is needed where there is {a.kind.upper()}", hint="cast it: x::TIMESTAMP")
    return texts(_PARTS[name], "bigint", a)


def _add_part(name: str) -> None:
    function(1, 1, name, gives="bigint")(lambda a: _part(name, a))


for _name in _PARTS:
    _add_part(_name)


@function(2, 2, "date_part", "datepart", gives="bigint")
def date_part(name: Vector, a: Vector) -> Vector:
    """``extract(hour FROM time)``."""
    wanted = str(name.data[0]).lower() if len(name) else "hour"
    if wanted not in _PARTS:
        raise Invalid(f"extract does not know {wanted!r}", hint=f"one of {', '.join(_PARTS)}")
    return _part(wanted, a)


@function(1, 1, "epoch")
def epoch(a: Vector) -> Vector:
    """Seconds since 1970."""
    if a.kind not in ("timestamp", "null"):
        raise Invalid(f"a time is needed where there is {a.kind.upper()}", hint="cast it: x::TIMESTAMP")
    return Vector("double", a.data.astype("i8") / 1e6, a.null)
