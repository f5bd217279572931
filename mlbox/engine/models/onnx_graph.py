"""The nodes and constants of an ONNX file, as far as a linear model needs them.

ONNX Runtime does not show a model's graph, and the ``onnx`` library would bring protobuf and 30 MB for it. The wire
format is small: a message is a run of (field number and wire type, value). Field numbers are those of ``onnx.proto``
(ModelProto, GraphProto, NodeProto, AttributeProto, TensorProto), which never change.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values = npt.NDArray[np.generic]

_NUMPY = {1: "<f4", 6: "<i4", 7: "<i8", 11: "<f8"}
"""``TensorProto.DataType`` of the constants that are read."""
_TYPED = {4: "<f4", 5: "<i4", 7: "<i8", 10: "<f8"}
"""Fields of a tensor that hold numbers of one type."""


@dataclass(slots=True)
class Node:
    """An operator; attributes are read when they are asked for."""

    op: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    raw: dict[str, memoryview] = field(default_factory=dict)

    def attribute(self, name: str, default: Any = None) -> Any:
        """A number, text, list of numbers, or array; ``default`` when it is not given."""
        if name not in self.raw:
            return default
        floats: list[float] = []
        ints: list[int] = []
        for number, value in _fields(self.raw[name]):
            if number == 2:
                return struct.unpack("<f", value)[0]
            if number == 3:
                return _signed(value)
            if number == 4:
                return bytes(value).decode()
            if number == 5:
                return _tensor(value)[1]
            if number == 7:
                floats += _floats(value)
            if number == 8:
                ints += _integers(value)
        return floats or ints


@dataclass(slots=True)
class Graph:
    """Nodes in the order in which they run, constants by name, names of inputs and outputs."""

    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Values] = field(default_factory=dict)
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def read(content: bytes, most_nodes: int = 64) -> Graph | None:
    """The graph of a model file; nothing when it has more nodes than ``most_nodes`` or cannot be read."""
    try:
        graph = next((value for number, value in _fields(memoryview(content)) if number == 7), None)
        return None if graph is None else _graph(graph, most_nodes)
    except (ValueError, IndexError, struct.error, UnicodeDecodeError):
        return None


def _graph(message: memoryview, most_nodes: int) -> Graph | None:
    graph = Graph()
    for number, value in _fields(message):
        if number == 1:
            if len(graph.nodes) == most_nodes:
                return None
            graph.nodes.append(_node(value))
        elif number == 5:
            name, values = _tensor(value)
            if values is not None:
                graph.constants[name] = values
        elif number in (11, 12):
            name = next((bytes(text).decode() for n, text in _fields(value) if n == 1), "")
            (graph.inputs if number == 11 else graph.outputs).append(name)
    return graph


def _node(message: memoryview) -> Node:
    node = Node()
    for number, value in _fields(message):
        if number == 1:
            node.inputs.append(bytes(value).decode())
        elif number == 2:
            node.outputs.append(bytes(value).decode())
        elif number == 4:
            node.op = bytes(value).decode()
        elif number == 5:
            name = next((bytes(text).decode() for n, text in _fields(value) if n == 1), "")
            node.raw[name] = value
    return node


def _tensor(message: memoryview) -> tuple[str, Values | None]:
    """Name and values; no values for a type or a place (another file) that is not read."""
    import numpy as np

    name, shape, kind = "", list[int](), 0
    found: Values | None = None
    for number, value in _fields(message):
        if number == 1:
            shape += _integers(value)
        elif number == 2:
            kind = int(value)
        elif number == 8:
            name = bytes(value).decode()
        elif number == 9 and kind in _NUMPY:
            found = np.frombuffer(value, dtype=_NUMPY[kind])
        elif number in _TYPED:
            more: Values
            if number in (4, 10):
                more = np.frombuffer(value, dtype=_TYPED[number])
            else:
                more = np.array(_integers(value), dtype=_TYPED[number])
            found = more if found is None else np.concatenate([found, more])
    if found is None or kind not in _NUMPY:
        return name, None
    return name, found.astype(_NUMPY[kind]).reshape(shape)


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Field numbers with values: whole numbers, or a view of the bytes."""
    position, end = 0, len(message)
    while position < end:
        key, position = _varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if kind == 2:
            size, position = _varint(message, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("not a protobuf message")
        if position + size > end:
            raise ValueError("the message is cut off")
        yield key >> 3, message[position : position + size]
        position += size


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("not a protobuf message")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _integers(value: Any) -> list[int]:
    """One whole number, or several that are packed."""
    if isinstance(value, int):
        return [_signed(value)]
    found, position = [], 0
    while position < len(value):
        number, position = _varint(value, position)
        found.append(_signed(number))
    return found


def _floats(value: memoryview) -> list[float]:
    return list(struct.unpack(f"<{len(value) // 4}f", value))
