"""The signature of an ONNX model, read from its bytes without the onnx package (protocol buffers, onnx.proto3)."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from mlbox.client.failures import MlboxClientError

_ELEMENTS = {
    1: "float", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "double", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip
_GRAPH, _OPSET = 7, 8
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12

Field = Tuple[int, Union[int, memoryview]]


class Signature(NamedTuple):
    """``[{name, type, shape}]``; types are spelled as ONNX Runtime does (``tensor(float)``), an unknown dimension is
    None."""

    inputs: List[Dict[str, Any]]
    outputs: List[Dict[str, Any]]


def read_signature(model: bytes) -> Signature:
    """Inputs and outputs of a serialized model. Raises ``MlboxClientError`` when the bytes are not an ONNX model."""
    try:
        graph = next((value for number, value in _fields(memoryview(model)) if number == _GRAPH), None)
        if not isinstance(graph, memoryview):
            raise ValueError("no graph")
        initial, inputs, outputs = set(), [], []
        for number, value in _fields(graph):
            if not isinstance(value, memoryview):
                continue
            if number == _INITIALIZER:
                initial.add(_text(value, 8))
            elif number == _INPUT:
                inputs.append(_value_info(value))
            elif number == _OUTPUT:
                outputs.append(_value_info(value))
        if not outputs:
            raise ValueError("no outputs")
    except (ValueError, IndexError, UnicodeDecodeError) as error:
        raise MlboxClientError(
            f"this is not an ONNX model ({error})",
            "convert it first, for scikit-learn: skl2onnx.to_onnx(model, X[:1]).SerializeToString()",
        ) from None
    # older models list their weights among the inputs
    return Signature([entry for entry in inputs if entry["name"] not in initial], outputs)


def _value_info(data: memoryview) -> Dict[str, Any]:
    name, kind, shape = "", "unknown", None
    for number, value in _fields(data):
        if number == 1 and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number == 2 and isinstance(value, memoryview):
            kind, shape = _type(value)
    return {"name": name, "type": kind, "shape": shape}


def _type(data: memoryview) -> Tuple[str, Optional[List[Optional[int]]]]:
    for number, value in _fields(data):
        if not isinstance(value, memoryview):
            continue
        parts = dict(_fields(value))
        if number in (1, 8):
            element = _ELEMENTS.get(_int(parts.get(1)), "unknown")
            shape = parts.get(2)
            dimensions = _shape(shape) if isinstance(shape, memoryview) else None
            return f"{'tensor' if number == 1 else 'sparse_tensor'}({element})", dimensions
        inner = parts.get(2 if number == 5 else 1)
        text = _type(inner)[0] if isinstance(inner, memoryview) else "unknown"
        if number == 5:
            return f"map({_ELEMENTS.get(_int(parts.get(1)), 'unknown')},{text})", None
        return f"{'seq' if number == 4 else 'optional'}({text})", None
    return "unknown", None


def _shape(data: memoryview) -> List[Optional[int]]:
    dimensions: List[Optional[int]] = []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, memoryview):
            size = dict(_fields(value)).get(1)
            dimensions.append(size if isinstance(size, int) and size > 0 else None)
    return dimensions


def _text(data: memoryview, wanted: int) -> str:
    for number, value in _fields(data):
        if number == wanted and isinstance(value, memoryview):
            return bytes(value).decode()
    return ""


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _fields(data: memoryview) -> Iterator[Field]:
    """Number and value of each field of a message; lengths are checked."""
    place, end = 0, len(data)
    while place < end:
        key, place = _varint(data, place)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, place = _varint(data, place)
            yield number, value
            continue
        if wire == 2:
            size, place = _varint(data, place)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("unknown encoding")
        if number == 0 or place + size > end:
            raise ValueError("cut off or foreign bytes")
        yield number, data[place : place + size]
        place += size


def _varint(data: memoryview, place: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
