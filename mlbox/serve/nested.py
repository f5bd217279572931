"""Columns of lists, as JSON rows have them, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.serve.tensors import DATATYPES, Column, check_whole, column_of, flattened

_KINDS: tuple[tuple[frozenset[type], str], ...] = (
    (frozenset({bool}), "BOOL"),
    (frozenset({int}), "INT64"),
    (frozenset({int, float, type(None)}), "FP64"),
    (frozenset({str}), "BYTES"),
)


def of_lists(name: str, values: Sequence[Any]) -> Column:
    """A tensor of a (nested) list for each row, all of the shape of the first one; raises ``Invalid`` that names the
    row or the place where one differs."""
    for index, value in enumerate(values):
        if value.__class__ is not list:
            told = "no value" if value is None else f"{value!r:.80}"
            raise Invalid(
                f"row {index}: {name!r} has {told}, the rows before it have lists", hint="a tensor has no gaps"
            )
    sizes = [len(values)]
    level: Any = values
    while level.__class__ is list and level and level[0].__class__ is list:
        sizes.append(len(level[0]))
        level = level[0]
    flat = flattened(name, sizes, list(values)) if len(sizes) > 1 else list(values)
    kinds = frozenset(map(type, flat))
    found = next((datatype for allowed, datatype in _KINDS if kinds <= allowed), None)
    if found is None:
        odd = next((value for value in flat if type(value) not in (bool, int, float, str, type(None))), None)
        told = "values of several kinds" if odd is None else f"{odd!r:.80}"
        raise Invalid(f"{name!r} holds {told}", hint="a tensor holds numbers, texts or booleans only")
    if found == "INT64" and not all(-(2**63) <= value < 2**63 for value in flat):
        found = "FP64"
    check_whole(name, found, flat, kinds)
    return column_of(name, DATATYPES[found], flat, sizes)
