"""Checks what a CREATE COLLECTION says against the columns of its query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.engine.search.commands import CreateCollection

_FIXED = re.compile(r"(?:FLOAT|DOUBLE)\[(\d+)\]\Z")
RESERVED = "_"
"""Columns whose names begin so are ours."""
SCORE = "score"


@dataclass(frozen=True, slots=True)
class Shape:
    """Columns that a search gives back, with their types; key, text and vector as the query spells them."""

    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]
    text: str | None
    vector: str | None


def shape_of(command: CreateCollection, columns: Sequence[tuple[str, str]]) -> Shape:
    """Raises ``Invalid`` that names what does not fit."""
    types = {name.lower(): kind for name, kind in columns}
    for name, kind in columns:
        if name.startswith(RESERVED) or name.lower() == SCORE:
            raise Invalid(f"a collection has a column {name!r} of its own", hint=f"rename it: {name} AS other")
        if list(types).count(name.lower()) != 1 or sum(one.lower() == name.lower() for one, _ in columns) > 1:
            raise Invalid(f"the query has two columns called {name!r}", hint="rename one with AS")
        if kind.startswith(("STRUCT", "MAP", "UNION", "VARIANT")):
            raise Invalid(
                f"column {name} is {kind}, which a collection does not keep", hint=f"take its fields: {name}.x"
            )
    for name in filter(None, (*command.key, command.text, command.vector)):
        if name.lower() not in types:
            raise Invalid(
                f"the query of collection {command.ref.name} has no column {name!r}",
                hint=did_you_mean(name, [known for known, _ in columns]),
            )
    _check_roles(command, types)
    spelled = {name.lower(): name for name, _ in columns}
    text, vector = (name and spelled[name.lower()] for name in (command.text, command.vector))
    return Shape(
        columns=tuple((name, kind) for name, kind in columns if name != vector),
        key=tuple(spelled[name.lower()] for name in command.key),
        text=text,
        vector=vector,
    )


def _check_roles(command: CreateCollection, types: dict[str, str]) -> None:
    if command.text is None and command.vector is None:
        raise Invalid("a collection has a text, vectors, or both", hint="add TEXT column, or VECTOR column")
    if command.text is not None and types[command.text.lower()] != "VARCHAR":
        raise Invalid(
            f"TEXT {command.text} is {types[command.text.lower()]}, not VARCHAR",
            hint=f"cast it: {command.text}::VARCHAR",
        )
    if command.vector is not None and not _FIXED.match(types[command.vector.lower()]):
        raise Invalid(
            f"VECTOR {command.vector} is {types[command.vector.lower()]}, not FLOAT[n]",
            hint=f"cast it: {command.vector}::FLOAT[384]",
        )
    if command.embed is not None and command.vector is not None:
        raise Invalid("vectors come from the query or from a model", hint="leave out VECTOR or EMBED WITH")
    for clause, given in (("EMBED WITH", command.embed), ("SPLIT", command.split)):
        if given is not None and command.text is None:
            raise Invalid(f"{clause} needs a text", hint="add TEXT column")
    if command.split is not None and command.vector is not None:
        raise Invalid("SPLIT cuts a text into pieces, and VECTOR has one vector a row", hint="use EMBED WITH MODEL")
