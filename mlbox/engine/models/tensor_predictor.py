"""A predictor whose inputs are tensors of any rank: images, sequences, several of them, scalars beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid, MlboxError
from mlbox.engine.models.sessions import OnnxSession, Output, Predictor

if TYPE_CHECKING:
    from mlbox.engine.models.signature import Tensor

WARM = 1 << 22
"""Values of the inputs of a call that warms a model up; a larger one is left out."""


class TensorPredictor(Predictor):
    """Each input of the model is a feature. The first axis of those in ``by_row`` is the rows; the others
    (``shared``) are the same for all rows of a call."""

    tensors_in = True

    def __init__(self, session: OnnxSession, features: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        super().__init__(session, features, outputs)
        dynamic = {index for index, tensor in enumerate(self.tensors) if tensor.shape and tensor.shape[0] is None}
        ranked = {index for index, tensor in enumerate(self.tensors) if tensor.shape}
        firsts = {self.tensors[index].shape[0] for index in ranked - dynamic}
        self.fixed_rows = firsts.pop() if not dynamic and len(firsts) == 1 else None
        """Rows that a call must have; None: any number, or one where no input has rows."""
        chosen = self.outputs[self._choice.index]
        if (
            self.fixed_rows is not None
            and self.fixed_rows > 1
            and chosen.shape[:1] not in ((self.fixed_rows,), (None,))
        ):
            self.fixed_rows = None  # what it takes so many of are no rows
        by_row = dynamic or (ranked if self.fixed_rows is not None else set())
        self.shared = frozenset(
            self.features[index].lower() for index in range(len(self.features)) if index not in by_row
        )
        """Names, in lower case, of inputs that are the same for all rows."""
        single = len(chosen.shape) in (1, 2) and chosen.shape[1:] in ((), (1,)) and chosen.element != "string"
        self.numbered = single or (self._choice.how in ("maps", "probabilities") and len(chosen.shape) == 2)

    @property
    def any_rows(self) -> bool:
        """Whether requests can be put together: every input has rows, as many as come."""
        return not self.shared and self.fixed_rows is None

    def run(self, columns: Sequence[Any], rows: int) -> Output:
        """Predictions for values in the order of the inputs: arrays, or a list with a (nested) list for each row."""
        feeds = {
            feature: self.feed(feature, tensor, _array(feature, values), rows)
            for feature, tensor, values in zip(self.features, self.tensors, columns, strict=True)
        }
        return self.run_tensors(feeds, rows)

    def run_tensors(self, feeds: Mapping[str, Any], rows: int) -> Output:
        """Predictions for tensors that :meth:`feed` has made, by the names of the features."""
        if self.fixed_rows is not None and rows != self.fixed_rows:
            raise Invalid(
                f"the model takes {self.fixed_rows} rows at a time, not {rows}",
                hint="export it with a dynamic first axis",
            )
        raw = self._session.run(
            {tensor.name: feeds[name] for name, tensor in zip(self.features, self.tensors, strict=True)}
        )
        return self._output(raw, rows)

    def feed(self, feature: str, tensor: Tensor, values: Any, rows: int) -> Any:
        """An array of the input's own type and shape; raises ``Invalid`` that says what it takes and what came.

        ``values`` is an array in the shape that was sent. ``[n]`` stands for ``[n, 1]`` and the reverse.
        """
        values = shaped(feature, tensor, values)
        if feature.lower() not in self.shared and len(values) != rows:
            raise Invalid(f"input {feature!r} has {len(values)} rows, the request has {rows}")
        return cast(feature, tensor, values)

    def warm(self) -> None:
        """Run it once with one row of zeros. A model that wants more of its dynamic axes is not warmed."""
        rows = self.fixed_rows or 1
        sizes = [tuple(size or 1 for size in tensor.shape) for tensor in self.tensors]
        if sum(map(math.prod, sizes)) > WARM:
            return
        feeds = {}
        for name, tensor, size in zip(self.features, self.tensors, sizes, strict=True):
            empty = "" if tensor.element == "string" else 0
            feeds[name] = self._np.full(size, empty, dtype=tensor.numpy)
        try:
            self.run_tensors(feeds, rows)
        except MlboxError:
            if not any(None in tensor.shape[1:] for tensor in self.tensors):
                raise

    def _output(self, raw: list[Any], rows: int) -> Output:
        """Outputs keep the shapes that the model gives them."""
        if not self.numbered:
            outputs = dict(zip(self.output_names, map(self._plain, raw), strict=True))
            return Output(self._np.full(rows, self._np.nan), outputs, numbered=False)
        found = super()._output(raw, rows)
        for name, value in zip(self.output_names, raw, strict=True):
            found.outputs[name] = self._plain(value)
        return found

    def _plain(self, value: Any) -> Any:
        return self._maps(value) if isinstance(value, list) else value


def predictor_for(session: OnnxSession, features: Sequence[str] = (), outputs: Sequence[str] = ()) -> Predictor:
    """The predictor that fits how a session is fed."""
    kind = TensorPredictor if session.signature.layout in ("tensors", "tokens") else Predictor
    return kind(session, features, outputs)


def shaped(feature: str, tensor: Tensor, values: Any) -> Any:
    """An array in the shape of an input, where ``[n]`` stands for ``[n, 1]`` and the reverse; raises ``Invalid`` that
    says what it takes and what came."""
    shape = tuple(values.shape)
    wanted = tensor.shape
    if shape != wanted and not _fits(shape, wanted):
        other = shape[:-1] if shape[1:] == (1,) else (*shape, 1)
        if len(shape) > 2 or not _fits(other, wanted):
            if not (wanted == () and shape == (1,)):
                raise _misshapen(feature, shape, tensor)
            other = ()
        values = values.reshape(other)
    return values


def cast(feature: str, tensor: Tensor, values: Any) -> Any:
    """An array as the type of an input; raises ``Invalid`` that names it where a value does not fit."""
    import numpy as np

    text = values.dtype.kind in "OUST"
    if text is not (tensor.element == "string"):
        if not (text and _numbers(values)):
            given = "texts" if text else "numbers"
            raise Invalid(f"input {feature!r} has {given}, the model takes {tensor.datatype}")
    if tensor.element == "string":
        return np.array([str(value) if value is not None else "" for value in values.ravel()], object).reshape(
            values.shape
        )
    if tensor.floating:
        return values.astype(tensor.numpy, copy=False)
    if values.dtype.kind in "fO":
        values = values.astype(np.float64)
        if not np.array_equal(values, np.trunc(values)):  # NaN is unequal to itself
            raise Invalid(f"input {feature!r} has a missing or broken value, the model takes {tensor.datatype}")
    if tensor.element != "bool" and values.size and values.dtype != tensor.numpy:
        limits = np.iinfo(tensor.numpy)
        for value in (values.min(), values.max()):
            if not (math.isfinite(value) and limits.min <= int(value) <= limits.max):
                raise Invalid(f"input {feature!r}: {value} does not fit in {tensor.datatype}, which the model takes")
    return values.astype(tensor.numpy, copy=False)


def shape_text(shape: Sequence[int | None]) -> str:
    """As the protocol writes a shape: ``[-1, 3, 224, 224]``."""
    return str([-1 if size is None else size for size in shape])


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        size is None or size == given for given, size in zip(shape, wanted, strict=True)
    )


def _misshapen(feature: str, shape: tuple[int, ...], tensor: Tensor) -> Invalid:
    told = f"input {feature!r} has shape {list(shape)}, the model takes {shape_text(tensor.shape)}"
    if sorted(shape[1:]) == sorted(size or 0 for size in tensor.shape[1:]) and len(shape) == len(tensor.shape):
        hint = "its axes come in another order: transpose it"
    elif _fits(shape, tensor.shape[1:]):
        hint = f"its first axis is its rows: send {[1, *shape]}"
    elif None in tensor.shape:
        hint = "-1 is a size that the request chooses"
    else:
        hint = None
    return Invalid(told, hint=hint)


def _array(feature: str, values: Any) -> Any:
    """An array of what may be a (nested) list; a missing number is NaN."""
    import numpy as np

    if isinstance(values, np.ndarray):
        return values
    try:
        found = np.asarray(values)
        if found.dtype.kind == "O" and not isinstance(_first(values), str):
            found = found.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        raise Invalid(
            f"input {feature!r} is no tensor: its lists differ in length, or hold other than numbers"
        ) from None
    return found


def _first(values: Any) -> Any:
    """A value of nested lists that is there."""
    if isinstance(values, list | tuple):
        return next((found for each in values if (found := _first(each)) is not None), None)
    return values


def _numbers(values: Any) -> bool:
    """Whether an array of objects holds numbers, and gaps."""
    return values.dtype.kind == "O" and not any(isinstance(value, str) for value in values.ravel())
