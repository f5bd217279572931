"""One row at a time through a session, in memory that is kept: a third less than a call with new arrays."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid, MlboxError

if TYPE_CHECKING:
    from mlbox.engine.models.sessions import OnnxSession

_NUMBERS = {"float": "f", "double": "d"}
_ALIGNMENT = 16
"""Bytes, as of what numpy allocates."""


class BoundRow:
    """A matrix of one row and room for each output, bound to the session once. Used by one thread.

    Raises ``Invalid`` for a model whose outputs for one row have no known size, or differ from those of a plain call.
    """

    def __init__(self, session: OnnxSession, width: int) -> None:
        import numpy as np

        signature = session.signature
        first = signature.inputs[0]
        letter = _NUMBERS.get(first.element)
        if letter is None or len(signature.inputs) != 1 or first.width not in (None, width):
            raise Invalid(f"a row of {first.element_type} cannot be bound")
        shapes: list[tuple[Any, tuple[int, ...]]] = [(first.numpy, (width,))]
        for tensor in signature.outputs:
            sizes = tensor.shape[1:]
            if tensor.key is not None or not tensor.shape or None in sizes or tensor.element in ("string", "bfloat16"):
                raise Invalid(f"the size of output {tensor.name} is not known")
            shapes.append((tensor.numpy, tuple(int(size) for size in sizes if size is not None)))
        self._layout = _layout(shapes)
        self._memory = np.zeros(self._layout.itemsize, np.uint8)
        self._matrix, *self._outputs = (self._memory.view(self._layout)[name] for name in self._layout.names or ())
        self._put = struct.Struct(f"{width}{letter}").pack_into
        self._bytes = self._memory.data
        self._binding = session.binding()
        self._run = session.run_bound
        _bind(self._binding.bind_input, first.name, self._matrix)
        for tensor, room in zip(signature.outputs, self._outputs, strict=True):
            _bind(self._binding.bind_output, tensor.name, room)
        self._check(session, first.name)

    def _check(self, session: OnnxSession, name: str) -> None:
        import numpy as np

        self._matrix[:] = np.linspace(-1, 1, self._matrix.shape[1])
        bound = self.run()
        plain = session.run({name: self._matrix.copy()})
        for ours, theirs in zip(bound, plain, strict=True):
            if ours.dtype != theirs.dtype or not np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f"):
                raise Invalid("the outputs of a bound row are others than those of a plain call")

    def fill(self, values: Sequence[float]) -> bool:
        """Take the values of the row; False when they do not fit, and there is no row to be run."""
        try:
            self._put(self._bytes, 0, *values)
        except (struct.error, OverflowError):
            return False
        return True

    def seen(self) -> Any:
        """The row as a matrix of its own."""
        return self._matrix.copy()

    def run(self) -> list[Any]:
        """The raw outputs in order; raises ``Invalid`` when the model refuses its inputs."""
        self._run(self._binding)
        return [room.copy() for room in self._outputs]

    def run_in_place(self) -> list[Any]:
        """The same, gone with the next run."""
        self._run(self._binding)
        return self._outputs

    def kept(self) -> bytes:
        """The row and its raw outputs, for :meth:`taken_apart`."""
        content: bytes = self._memory.tobytes()
        return content

    def taken_apart(self, kept: Sequence[bytes]) -> tuple[Any, list[Any]]:
        """Many of them together: the matrix ``[n, k]``, and the raw outputs in order."""
        import numpy as np

        rows = np.frombuffer(b"".join(kept), self._layout)
        matrix, *outputs = (rows[name] for name in self._layout.names or ())
        return matrix, outputs


def _layout(shapes: Sequence[tuple[Any, tuple[int, ...]]]) -> Any:
    """Of the input and the outputs, one after the other in one piece of memory."""
    import numpy as np

    formats = [np.dtype((kind, sizes)) for kind, sizes in shapes]
    ends = list(accumulate(-(-each.itemsize // _ALIGNMENT) * _ALIGNMENT for each in formats))
    names = [str(number) for number in range(len(formats))]
    return np.dtype({"names": names, "formats": formats, "offsets": [0, *ends[:-1]], "itemsize": ends[-1]})


def _bind(bind: Any, name: str, array: Any) -> None:
    bind(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)


def bound_row(session: OnnxSession, width: int) -> BoundRow | None:
    """For models that can be asked so."""
    try:
        return BoundRow(session, width)
    except MlboxError:
        return None
