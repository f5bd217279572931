"""What models are fed whose inputs are tensors of any rank, and what of it is recorded as features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.serve.imputing import Seen
from mlbox.serve.tensors import Column

if TYPE_CHECKING:
    from mlbox.engine.models.signature import Tensor
    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Arm, Runtime


def feeds(arm: Arm, columns: Sequence[Any], request: Request) -> tuple[dict[str, Any], Seen]:
    """Tensors by the names of the model's inputs; gaps of plain columns are filled as IMPUTE says. ``columns`` are
    what was sent, or lists of stored values. Raises ``Invalid`` that names the input, what it takes and what came."""
    predictor = arm.predictor
    fill = dict(arm.impute)
    fed: dict[str, Any] = {}
    absent: list[str] = []
    numeric: list[int] = []
    for index, given in enumerate(columns):
        name, tensor = predictor.features[index], predictor.tensors[index]
        values = as_array(name, given, tensor)
        if values.dtype.kind in "fO" and tensor.element != "string" and (gaps := _gaps(values)) is not None:
            absent.append(name)
            if index in fill and is_plain(tensor):
                values = values.astype(values.dtype if values.dtype.kind == "f" else "float64", copy=True)
                values[gaps] = fill[index]
        fed[name] = values = predictor.feed(name, tensor, values, request.rows)
        if is_plain(tensor) and tensor.element != "string" and name.lower() not in predictor.shared:
            numeric.append(index)
    names = tuple(predictor.features[index] for index in numeric)
    seen = [fed[name].reshape(request.rows).astype("float64").tolist() for name in names]
    return fed, Seen(names, seen, absent)


def is_plain(tensor: Tensor) -> bool:
    """Whether an input takes one value a row."""
    return len(tensor.shape) in (1, 2) and tensor.shape[1:] in ((), (1,))


def wide(arm: Arm) -> list[str]:
    """Inputs, in lower case, that take more than one value a row."""
    inputs = zip(arm.keys, arm.predictor.tensors, strict=True)
    return [key for key, tensor in inputs if not is_plain(tensor) or key in arm.predictor.shared]


def batches(arm: Arm) -> bool:
    """Whether requests to a model can be put together along their rows."""
    predictor = arm.predictor
    return bool(predictor.matrix or (predictor.tensors_in and predictor.any_rows))


def shared(arms: Sequence[Arm]) -> frozenset[str]:
    """Inputs, in lower case, that are the same for all rows of a request."""
    return frozenset().union(*(arm.predictor.shared for arm in arms if arm.predictor.tensors_in))


def row_shape(runtime: Runtime) -> tuple[int, ...] | None:
    """The shape of a row, where all models take one input of numbers of the same name, type and known sizes."""
    if runtime.direct and len({arm.tensor for arm in runtime.arms}) == 1:
        return (len(runtime.arms[0].keys),)
    predictors = [arm.predictor for arm in runtime.arms]
    if not predictors or runtime.asynchronous or not all(each.tensors_in for each in predictors):
        return None
    inputs = {each.tensors for each in predictors}
    if len(inputs) != 1 or len(needs := inputs.pop()) != 1 or runtime.shared or len(runtime.needs) != 1:
        return None
    sizes = needs[0].shape[1:]
    return None if None in sizes or needs[0].element == "string" else sizes


def need_shape(arm: Arm, tensor: Tensor) -> tuple[int, ...]:
    """As the protocol's metadata has it: features are ``[n]``, tensors have their own shape."""
    own = arm.predictor.tensors_in or tensor.name.lower() in getattr(arm.predictor, "declared", ())
    return tuple(tensor.protocol_shape) if own else (-1,)


def inner_shapes(fed: Mapping[str, Any]) -> tuple[tuple[int, ...], ...]:
    """What requests must have in common that are put together."""
    return tuple(values.shape[1:] for values in fed.values())


def together(fed: Sequence[Any]) -> Any:
    """What several requests are fed, as one: matrices, or tensors by name."""
    import numpy as np

    if len(fed) == 1:
        return fed[0]
    if fed[0].__class__ is dict:
        return {name: np.concatenate([each[name] for each in fed]) for name in fed[0]}
    return np.concatenate(fed)


def per_row(values: Any, rows: int) -> Sequence[Any] | None:
    """An output's part for each row; the whole of it for the only one; ``None`` where it has no rows."""
    if values.shape[:1] == (rows,):
        each: Sequence[Any] = values
        return each
    return [values] if rows == 1 else None


def rows_of(name: str, values: Any, rows: int) -> Sequence[Any]:
    """The same; raises ``Invalid`` where it has none."""
    found = per_row(values, rows)
    if found is None:
        raise Invalid(
            f"output {name!r} has shape {list(values.shape)}, which is not one for each of {rows} rows",
            hint="ask with inputs, whose answer is tensors, or send one row",
        )
    return found


def check_kind(column: Column, tensor: Tensor) -> None:
    """Raise ``Invalid`` when texts were sent for numbers, or the reverse."""
    if column.datatype.number is (tensor.element == "string"):
        raise Invalid(
            f"input {column.name!r} has datatype {column.datatype.name}, the endpoint takes {tensor.datatype}"
        )


def as_array(name: str, given: Any, tensor: Tensor) -> Any:
    """What was sent in its shape, or stored values, which may be lists; a row without a value has gaps."""
    import numpy as np

    if given.__class__ is Column:
        column: Column = given
        check_kind(column, tensor)
        return column.array()
    text = tensor.element == "string"
    try:
        if not is_plain(tensor) or any(value.__class__ is list for value in given):
            return _stacked(given, tensor, text)
        if text:
            return np.array(["" if value is None else str(value) for value in given], object)
        return np.array([math.nan if value is None else value for value in given])
    except ValueError:
        raise Invalid(
            f"the stored values of {name!r} differ in shape", hint="the lists of all rows have one length"
        ) from None


def _stacked(given: Sequence[Any], tensor: Tensor, text: bool) -> Any:
    """Lists of rows as one array; gaps have the shape of the other rows. Raises ``ValueError`` where shapes differ."""
    import numpy as np

    kind = object if text else None
    there = [None if value is None else np.asarray(value, kind) for value in given]
    like = next((each for each in there if each is not None), None)
    shape = tuple(size or 1 for size in tensor.shape[1:]) if like is None else like.shape
    gap = np.full(shape, "" if text else math.nan, kind)
    return np.stack([gap if each is None else each for each in there])


def _gaps(values: Any) -> Any:
    """Where numbers are missing; ``None``: nowhere."""
    import numpy as np

    if values.dtype.kind == "O":
        values = values.astype("float64")
    flat = values.reshape(-1)
    with np.errstate(all="ignore"):
        if values.dtype.itemsize > 2 and not math.isnan(flat.dot(flat)):
            return None
    gaps = np.isnan(values)
    return gaps if gaps.any() else None
