"""Pieces of an answer as one: texts are put one behind the other, of all else the last stands."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.engine.models.sessions import Output

STREAM = "generate_stream"
"""The last part of the path that gives an answer in pieces."""
TEXT = "text_output"
"""The field of a piece that is a text, as the generate extension has it."""
OTHER = "output"
"""The field of any other piece that is no object."""
LONGEST_JOINED = 64 << 20
"""Characters of an answer that is joined."""


def fields_of(piece: Any) -> dict[str, Any]:
    """A piece as an object."""
    if isinstance(piece, dict):
        return piece
    return {TEXT if isinstance(piece, str) else OTHER: piece}


class Joined:
    """Pieces that come one after the other. With ``most``, texts are cut at so many characters in all."""

    def __init__(self, most: int | None = None) -> None:
        self.pieces = 0
        self._most = most
        self._length = 0
        self._texts: dict[str, list[str]] = {}
        self._last: dict[str, Any] = {}
        self._plain: list[Any] = []

    def add(self, piece: Any) -> None:
        """One more. Raises ``Invalid`` when the whole becomes too long."""
        self.pieces += 1
        if not isinstance(piece, str | dict):
            self._keep(piece)
            return
        for name, value in fields_of(piece).items():
            if not isinstance(value, str):
                self._last[name] = value
                continue
            if self._most is not None:
                value = value[: max(0, self._most - self._length)]
            self._length += len(value)
            if self._length > LONGEST_JOINED:
                raise Invalid("the answer is too long to be joined", hint="POST .../generate_stream gives it in pieces")
            self._texts.setdefault(name, []).append(value)

    def whole(self) -> dict[str, Any]:
        """By name; numbers and the like that were pieces themselves are a list."""
        found: dict[str, Any] = dict(self._last)
        found |= {name: "".join(parts) for name, parts in self._texts.items()}
        if self._plain:
            found[OTHER] = self._plain
        return found or {TEXT: ""}

    def _keep(self, piece: Any) -> None:
        if self._most is None or len(self._plain) * 8 < self._most:
            self._plain.append(piece)
        if len(self._plain) * 8 > LONGEST_JOINED:
            raise Invalid("the answer is too long to be joined", hint="POST .../generate_stream gives it in pieces")


async def joined(pieces: AsyncGenerator[Any, None]) -> Joined:
    """All pieces, which are closed however it ends. Raises ``Invalid`` when the whole becomes too long."""
    found = Joined()
    try:
        async for piece in pieces:
            found.add(piece)
    finally:
        await pieces.aclose()
    return found


def output_of(rows: Sequence[Mapping[str, Any]]) -> Output:
    """Answers of rows as tensors. Raises ``Invalid`` where they cannot be that."""
    import numpy as np

    names = list(rows[0])
    hint = "POST .../generate gives it as JSON, .../generate_stream in pieces"
    if any(row.keys() != rows[0].keys() for row in rows):
        raise Invalid("the answers of the rows do not have the same fields", hint=hint)
    outputs: dict[str, Any] = {}
    for name in names:
        values = [row[name] for row in rows]
        kinds = {type(value) for value in values} - {type(None)}
        if kinds == {str}:
            outputs[name] = np.array(values, object)
        elif kinds <= {int, float}:
            outputs[name] = np.array([np.nan if value is None else value for value in values])
        elif kinds == {bool} and None not in values:
            outputs[name] = np.array(values)
        else:
            raise Invalid(f"{name!r} of what was streamed is no text or number, as a tensor needs", hint=hint)
    prediction = outputs.get("prediction")
    if prediction is not None and prediction.dtype.kind in "fiub":
        return Output(prediction.astype(np.float64), outputs)
    if prediction is not None:  # that name is for numbers
        outputs = {OTHER if name == "prediction" else name: values for name, values in outputs.items()}
    return Output(np.full(len(rows), np.nan), outputs, numbered=False)
