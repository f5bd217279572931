"""What user code says of its inputs and outputs, and whether requests and its answers are that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.engine.models.signature import Tensor, element_of
from mlbox.engine.models.tensor_predictor import cast, shape_text, shaped
from mlbox.serve.feeding import as_array, is_plain
from mlbox.serve.python.errors import CodeFailed
from mlbox.serve.tensors import DATATYPES


def tensors(who: str, kind: str, told: Iterable[tuple[str, str, list[int]]]) -> tuple[Tensor, ...]:
    """The tensors that ``inputs`` or ``outputs`` of code names; raises ``Invalid``."""
    found = []
    for name, datatype, sizes in told:
        if datatype not in DATATYPES:
            raise Invalid(
                f"{who}: {kind} gives {name!r} the unknown datatype {datatype!r}",
                hint=did_you_mean(datatype, DATATYPES) or f"datatypes: {', '.join(DATATYPES)}",
            )
        shape = tuple(size if size > 0 else None for size in sizes)
        if shape and shape[0] is not None:
            raise Invalid(
                f"{who}: {kind} gives {name!r} the shape {sizes}, whose first axis is the rows",
                hint=f"write {[-1, *sizes]} or {[-1, *sizes[1:]]}",
            )
        tensor = Tensor(name, element_of(datatype), shape)
        if kind == "outputs" and name == "prediction" and not number(tensor):
            raise Invalid(f"{who}: the output 'prediction' is a number for each row", hint="give it another name")
        found.append(tensor)
    return tuple(found)


def number(tensor: Tensor) -> bool:
    """Whether it is a number for each row."""
    return is_plain(tensor) and tensor.element != "string"


def fitted(tensor: Tensor, given: Any, rows: int) -> Any:
    """What code is given for an input that it has declared: an array of its type and shape. ``given`` is a column of
    the request, or a list of values. Raises ``Invalid`` that names the input, what it takes and what came."""
    values = shaped(tensor.name, tensor, as_array(tensor.name, given, tensor))
    if tensor.shape and len(values) != rows:
        raise Invalid(f"input {tensor.name!r} has {len(values)} rows, the request has {rows}")
    if tensor.element == "string" and values.ndim == 1:
        return values.tolist()
    return cast(tensor.name, tensor, values)


def checked(who: str, told: tuple[Tensor, ...], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs that code has declared, in its order and types, then what it gives besides. Raises ``CodeFailed``
    that names the one that is not as declared."""
    found: dict[str, Any] = {}
    for tensor in told:
        if tensor.name not in outputs:
            raise CodeFailed(f"{who} gave no output {tensor.name!r}, which its outputs declare")
        values = outputs[tensor.name]
        try:
            found[tensor.name] = cast(tensor.name, tensor, shaped(tensor.name, tensor, values))
        except Invalid:
            raise CodeFailed(
                f"{who} gave {tensor.name!r} as {values.dtype} {list(values.shape)}, "
                f"its outputs declare {tensor.datatype} {shape_text(tensor.shape)}"
            ) from None
    return {**found, **{name: values for name, values in outputs.items() if name not in found}}


def numbered(told: tuple[Tensor, ...]) -> bool:
    """Whether one of the outputs is the prediction: the one of that name, else the first, where it is a number."""
    return not told or number(next((tensor for tensor in told if tensor.name == "prediction"), told[0]))
