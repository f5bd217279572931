"""SQL expressions over the fields of one event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.serve.expressions.compile import Expression
from mlbox.serve.expressions.values import Vector, constant
from mlbox.serve.graph.definition import StepSpec

_PLAIN = (bool, int, float, str)


def texts_of(spec: StepSpec, option: str) -> dict[str, str]:
    """A mapping of texts; a number or truth value counts as its text. Raises ``Invalid``."""
    given = spec.options[option]
    if not isinstance(given, Mapping) or not given:
        raise spec.wrong(f"{option} is a mapping", f"{option}: {{name: ..}}")
    found = {}
    for name, value in given.items():
        if isinstance(value, Mapping | list) or value is None:
            raise spec.wrong(f"{option}: what stands at {name!r} is no text")
        key = {True: "true", False: "false"}.get(name, str(name)) if isinstance(name, bool) else str(name)
        found[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def evaluate(expressions: Sequence[Expression], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The values by name; each may use those before it. Raises ``Invalid`` for fields that hold no plain value."""
    import numpy as np

    reads = frozenset[str]().union(*(expression.reads for expression in expressions))
    columns = {name.lower(): _vector(name, value) for name, value in fields.items() if name.lower() in reads}
    for way in reads - columns.keys():
        if "." in way and (found_there := inside(fields, way.split("."))):
            columns[way] = _vector(way, found_there[0])
    found = {}
    with np.errstate(all="ignore"):
        for expression in expressions:
            vector = expression.compute(columns, 1)
            columns[expression.name.lower()] = vector
            (value,) = vector.list()
            found[expression.name] = value.isoformat() if vector.kind == "timestamp" and value else value
    return found


def _of(name: str, value: Any) -> str:
    if isinstance(value, Mapping) and value:
        return f"{name}.{next(iter(value))} is what lies in it; use a function for all of it"
    return "use a function for it"


def inside(value: Any, way: Sequence[str]) -> tuple[Any] | None:
    """What lies in objects at the end of a way, case aside; null where one of them is null, nothing where it is not."""
    for part in way:
        if value is None:
            return (None,)
        if not isinstance(value, Mapping):
            return None
        found = [inner for name, inner in value.items() if str(name).lower() == part]
        if not found:
            return None
        value = found[0]
    return (value,)


def _vector(name: str, value: Any) -> Vector:
    if value is not None and not isinstance(value, _PLAIN):
        raise Invalid(f"the event's {name!r} is no plain value, as an expression needs", hint=_of(name, value))
    try:
        return constant(value, 1)
    except OverflowError:
        raise Invalid(f"the event's {name!r} does not fit in 64 bits") from None
