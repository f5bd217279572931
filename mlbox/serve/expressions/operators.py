"""Conditions, comparisons and choices: what needs more than the values of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlbox.serve.expressions.casts import truth
from mlbox.serve.expressions.library import text_of
from mlbox.serve.expressions.values import Vector, alike, nulls

Columns = Mapping[str, Vector]
"""By name in lower case."""
Compute = Callable[[Columns, int], Vector]
"""Columns and their number of rows → a column."""


def conjunction(children: Sequence[Compute], conjunctive: bool) -> Compute:
    """AND, OR of three values: a false one decides AND, a true one decides OR, whatever is NULL."""

    def run(columns: Columns, rows: int) -> Vector:
        import numpy as np

        decided = np.zeros(rows, bool)
        unknown = np.zeros(rows, bool)
        for child in children:
            value = truth(child(columns, rows))
            gone = np.zeros(rows, bool) if value.null is None else value.null
            decided |= (~value.data if conjunctive else value.data) & ~gone
            unknown |= gone
        gone = unknown & ~decided
        return Vector("boolean", ~decided if conjunctive else decided, gone if gone.any() else None)

    return run


def compared(name: str, left: Compute, right: Compute) -> Compute:
    """A comparison by numpy's name for it; NULL where a side is."""

    def run(columns: Columns, rows: int) -> Vector:
        a, b = alike([left(columns, rows), right(columns, rows)])
        return Vector("boolean", _compare(name, a, b), nulls(a, b))

    return run


def _compare(name: str, a: Vector, b: Vector) -> Any:
    """NaN is equal to itself and greater than all others."""
    import numpy as np

    result = np.asarray(getattr(np, name)(a.data, b.data), dtype=bool)
    if a.kind == "double" and (np.isnan(a.data).any() or np.isnan(b.data).any()):
        one, other = np.isnan(a.data), np.isnan(b.data)
        order = one.astype("i1") - other.astype("i1")
        result = np.where(one | other, getattr(np, name)(order, np.zeros_like(order)), result)
    return result


def distinct(left: Compute, right: Compute, distinct: bool) -> Compute:
    """IS [NOT] DISTINCT FROM: NULL is equal to itself."""

    def run(columns: Columns, rows: int) -> Vector:
        import numpy as np

        a, b = alike([left(columns, rows), right(columns, rows)])
        one, other = (np.zeros(rows, bool) if each.null is None else each.null for each in (a, b))
        same = np.where(one | other, one & other, _compare("equal", a, b))
        return Vector("boolean", ~same if distinct else same)

    return run


def is_null(vector: Vector, wanted: bool) -> Vector:
    """IS NULL, IS NOT NULL."""
    import numpy as np

    gone = np.zeros(len(vector), bool) if vector.null is None else vector.null
    return Vector("boolean", gone if wanted else ~gone)


def negated(vector: Vector) -> Vector:
    """NOT."""
    value = truth(vector)
    return Vector("boolean", ~value.data, value.null)


def coalesced(children: Sequence[Compute]) -> Compute:
    """The first that is not NULL."""

    def run(columns: Columns, rows: int) -> Vector:
        import numpy as np

        first, *others = alike([child(columns, rows) for child in children])
        data, gone = first.data, first.null
        for each in others:
            if gone is None:
                break
            data = np.where(gone, each.data, data)
            gone = None if each.null is None else gone & each.null
        return Vector(first.kind, data, gone)

    return run


def chosen(checks: Sequence[tuple[Compute, Compute]], otherwise: Compute) -> Compute:
    """The branches are computed for the rows that come to them only, so that what they refuse elsewhere is no error."""

    def run(columns: Columns, rows: int) -> Vector:
        import numpy as np

        left = np.ones(rows, bool)
        parts: list[tuple[Any, Vector]] = []
        for when, then in checks:
            if not left.any():
                break
            value = truth(when(_taken(columns, left), int(left.sum())))
            hit = value.data if value.null is None else value.data & ~value.null
            hits = left.copy()
            hits[left] = hit
            parts.append((hits, then(_taken(columns, hits), int(hits.sum()))))
            left &= ~hits
        parts.append((left, otherwise(_taken(columns, left), int(left.sum()))))
        return _merged(parts, rows)

    return run


def _taken(columns: Columns, rows: Any) -> Columns:
    if rows.all():
        return columns
    return {
        name: Vector(each.kind, each.data[rows], None if each.null is None else each.null[rows])
        for name, each in columns.items()
    }


def _merged(parts: Sequence[tuple[Any, Vector]], rows: int) -> Vector:
    import numpy as np

    vectors = alike([vector for _, vector in parts])
    data = np.zeros(rows, vectors[0].data.dtype)
    gone = np.zeros(rows, bool)
    for (where, _), vector in zip(parts, vectors, strict=True):
        data[where] = vector.data
        if vector.null is not None:
            gone[where] = vector.null
    return Vector(vectors[0].kind, data, gone if gone.any() else None)


def concatenated(vectors: Sequence[Vector]) -> Vector:
    """NULL is left out."""
    import numpy as np

    columns = [text_of(vector).list() if vector.kind != "null" else [None] * len(vector) for vector in vectors]
    data = np.empty(len(vectors[0]), object)
    data[:] = ["".join(value for value in row if value is not None) for row in zip(*columns, strict=True)]
    return Vector("varchar", data)
