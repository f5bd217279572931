"""What a model takes and gives, read from its ONNX inputs and outputs.

mlbox feeds a model in one of three ways: one matrix ``[N, k]`` whose columns are the features in order; one input per
feature, each ``[N]`` or ``[N, 1]``; or tensors of any rank, each an input of its own (images ``[N, 3, 224, 224]``,
sequences ``[N, T, F]``, several of them). N is the number of rows. Inputs of tensors may have a fixed first axis, or be
scalars; those beside inputs with rows are one value for all of them. A fourth kind takes the tokens of texts
(``input_ids`` and what belongs to them, each ``[N, L]``); it makes the vectors of collections, and is fed as tensors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlbox.base.errors import Invalid

Fields = tuple[tuple[str, str], ...]
"""Names with SQL types, in order."""

_SQL = {
    "float": "FLOAT",
    "double": "DOUBLE",
    "float16": "FLOAT",
    "bfloat16": "FLOAT",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "int16": "SMALLINT",
    "int8": "TINYINT",
    "uint64": "UBIGINT",
    "uint32": "UINTEGER",
    "uint16": "USMALLINT",
    "uint8": "UTINYINT",
    "bool": "BOOLEAN",
    "string": "VARCHAR",
}
_PROTOCOL = {
    "float": "FP32",
    "double": "FP64",
    "float16": "FP16",
    "bfloat16": "BF16",
    "bool": "BOOL",
    "string": "BYTES",
    **{name: name.upper() for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
}
_NUMPY = {"float": "float32", "double": "float64", "bfloat16": "float32", "string": "object"}
_FLOATING = frozenset({"float", "double", "float16", "bfloat16"})
TOKENS = frozenset({"input_ids", "attention_mask", "token_type_ids", "position_ids"})
"""Inputs of models that take tokens, as the exporters of transformers name them."""
_TENSOR = re.compile(r"tensor\((\w+)\)\Z")
_MAPS = re.compile(r"seq\(map\((\w+),\s*tensor\((\w+)\)\)\)\Z")


_ELEMENTS = {datatype: element for element, datatype in _PROTOCOL.items()}


def element_of(datatype: str) -> str:
    """The type of an element as ONNX says it, of a datatype of the Open Inference Protocol."""
    return _ELEMENTS[datatype]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a model; an unknown size in ``shape`` is ``None``."""

    name: str
    element: str
    """Type of an element as ONNX says it: float, double, int64, string, …"""
    shape: tuple[int | None, ...]
    key: str | None = None
    """Type of the keys when the value is a sequence of maps from class to probability."""

    @classmethod
    def from_onnx(cls, argument: Any) -> Tensor:
        """From a ``NodeArg`` of ONNX Runtime; raises ``Invalid`` for a type that is not handled."""
        shape = tuple(size if isinstance(size, int) and size > 0 else None for size in argument.shape or ())
        if found := _TENSOR.match(argument.type):
            if found[1] in _SQL:
                return cls(argument.name, found[1], shape)
        elif found := _MAPS.match(argument.type):
            return cls(argument.name, found[2], (None, None), key=found[1])
        raise Invalid(f"the model's {argument.name!r} has type {argument.type}, which mlbox does not handle")

    @property
    def width(self) -> int | None:
        """Columns of a matrix, 1 for a plain column, ``None`` when not known."""
        return 1 if len(self.shape) < 2 else self.shape[-1]

    @property
    def floating(self) -> bool:
        """Whether the elements are floating point, so that a missing value can be NaN."""
        return self.element in _FLOATING

    @property
    def sql_type(self) -> str:
        """The type in SQL's words: ``FLOAT``, ``FLOAT[8]``, ``MAP(BIGINT, FLOAT)``. SQL has the innermost size first:
        ``FLOAT[4][3]`` is three lists of four, ``[N, 3, 4]``."""
        if self.key:
            return f"MAP({_SQL[self.key]}, {_SQL[self.element]})"
        if len(self.shape) < 2 or self.shape[1:] == (1,):
            return _SQL[self.element]
        return _SQL[self.element] + "".join(f"[{size or ''}]" for size in reversed(self.shape[1:]))

    @property
    def element_type(self) -> str:
        """The type of one value in SQL's words."""
        return _SQL[self.element]

    @property
    def datatype(self) -> str:
        """The type in the words of the Open Inference Protocol."""
        return _PROTOCOL.get(self.element, "FP32")

    @property
    def protocol_shape(self) -> list[int]:
        """The shape in the words of the Open Inference Protocol; -1 is a size that a request may choose."""
        return [size or -1 for size in self.shape]

    @property
    def numpy(self) -> str:
        """The numpy type that a session is fed with; that of bfloat16 is float32."""
        return _NUMPY.get(self.element, self.element)


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs, outputs, the names of the features in order, and how they are fed."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    layout: Literal["matrix", "columns", "tensors", "tokens"]
    width: int | None
    """Number of features, when the model fixes it."""

    @classmethod
    def of(cls, inputs: Iterable[Tensor], outputs: Iterable[Tensor]) -> Signature:
        """Check that the model can be fed; raises ``Invalid`` with the reason."""
        inputs, outputs = tuple(inputs), tuple(outputs)
        if not inputs or not outputs:
            raise Invalid("the model has no inputs or no outputs")
        if {tensor.name for tensor in inputs} <= TOKENS and "input_ids" in {tensor.name for tensor in inputs}:
            return cls(inputs, outputs, "tokens", len(inputs))
        rows = all(tensor.shape and tensor.shape[0] is None for tensor in inputs)
        if rows and len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].element not in ("string", "bool"):
            return cls(inputs, outputs, "matrix", inputs[0].width)
        if rows and all(tensor.width == 1 and len(tensor.shape) < 3 for tensor in inputs):
            return cls(inputs, outputs, "columns", len(inputs))
        return cls(inputs, outputs, "tensors", len(inputs))

    def features(self, declared: Sequence[str]) -> tuple[str, ...]:
        """Names of the features in the order of the model; ``declared`` ones must fit in number and differ."""
        if declared:
            _check_names(declared, "feature")
            if self.width is not None and len(declared) != self.width:
                raise Invalid(
                    f"the model takes {self.width} features, {len(declared)} are named: {', '.join(declared)}"
                )
            return tuple(declared)
        if self.layout != "matrix":
            return tuple(tensor.name for tensor in self.inputs)
        if self.width is None:
            raise Invalid(
                "the model does not tell how many features it takes",
                hint="name them: CREATE MODEL … INPUT (age INT, amount DOUBLE)",
            )
        return tuple(f"f{index}" for index in range(self.width))

    def input_fields(self, declared: Fields) -> Fields:
        """What is shown as inputs: the declared ones, else the model's own."""
        return declared or tuple((tensor.name, tensor.sql_type) for tensor in self.inputs)

    def output_fields(self, declared: Fields) -> Fields:
        """The model's outputs, renamed in order by the declared ones."""
        own = tuple((tensor.name, tensor.sql_type) for tensor in self.outputs)
        if not declared:
            return own
        _check_names([name for name, _ in declared], "output")
        if len(declared) > len(own):
            raise Invalid(f"the model has {len(own)} outputs, {len(declared)} are named")
        return declared + own[len(declared) :]


def _check_names(names: Sequence[str], kind: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise Invalid(f"{kind} {name!r} is named twice; case does not count")
        seen.add(name.lower())


@dataclass(frozen=True, slots=True)
class Choice:
    """Which output is the prediction, and how the number is taken from it."""

    index: int
    how: Literal["maps", "probabilities", "value", "label"]
    label: int | None = None
    """The output with the class, where there is one."""

    @property
    def classifies(self) -> bool:
        """Whether the prediction is a probability or a class."""
        return self.how != "value"


def choose(outputs: Sequence[Tensor], *, texts: bool = False) -> Choice:
    """The prediction of a model: the probability of class 1, else the value, else the class. With ``texts`` a model
    that gives texts only is none to be refused."""
    labels = [i for i, tensor in enumerate(outputs) if not tensor.key and not tensor.floating]
    label = labels[0] if labels else None
    for index, tensor in enumerate(outputs):
        if tensor.key:
            return Choice(index, "maps", label)
    floating = [i for i, tensor in enumerate(outputs) if tensor.floating]
    for index in floating:
        named = "prob" in outputs[index].name.lower() or "softmax" in outputs[index].name.lower()
        if len(outputs[index].shape) == 2 and outputs[index].width != 1 and (named or label is not None):
            return Choice(index, "probabilities", label)
    if floating:
        return Choice(floating[0], "value", label)
    if label is not None and outputs[label].element != "string":
        return Choice(label, "label", label)
    if texts:
        return Choice(0, "value", None)
    raise Invalid("the model has no output that is a number")
