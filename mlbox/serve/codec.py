"""Requests and responses of the Open Inference Protocol (V2): JSON, with the binary tensor extension."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from mlbox.base.clock import as_utc
from mlbox.base.errors import Invalid
from mlbox.serve import simple
from mlbox.serve.tensors import (
    DATATYPES,
    Column,
    datatype_of,
    datatype_of_array,
    from_binary,
    from_json,
    single,
    to_binary,
)

HEADER = b"inference-header-content-length"
"""Where the JSON part of a body ends, when binary tensors follow it."""


class WireTensor(msgspec.Struct, gc=False):
    """An input tensor as it is sent."""

    name: str
    shape: list[int]
    datatype: str
    data: Any = None
    parameters: dict[str, Any] | None = None


class WireOutput(msgspec.Struct, gc=False):
    """An output that is asked for."""

    name: str
    parameters: dict[str, Any] | None = None


class WireRequest(msgspec.Struct, gc=False):
    """The JSON of a request: ``inputs`` as the protocol has it, or ``rows`` of values by name."""

    inputs: list[WireTensor] = []
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[WireOutput] | None = None
    rows: list[dict[str, Any]] | None = None


class Request(msgspec.Struct, gc=False):
    """A decoded request: columns of equal length by lower-case name, and those that are the same for all rows."""

    columns: dict[str, Column]
    rows: int
    id: str | None
    outputs: list[WireOutput] | None
    binary: bool
    """Whether outputs go out in the binary form unless they say otherwise."""
    event_times: list[datetime] | None = None
    row_ids: list[str] | None = None
    form: str = "tensors"
    """As what it came and the answer goes: tensors, rows, arrow or predictions."""


Decoded = TypeVar("Decoded")
_decoder = msgspec.json.Decoder(WireRequest)
_encoder = msgspec.json.Encoder()


def decode(body: bytes, header_length: int | None = None, shared: Set[str] = frozenset()) -> Request:
    """A request from its body; raises ``Invalid`` that names the tensor and what is wrong with it. ``shared`` are the
    inputs, in lower case, whose first axis is not the rows of the request."""
    head: Any = body
    rest = memoryview(b"")
    if header_length is not None:
        if not 0 < header_length <= len(body):
            raise Invalid(
                f"Inference-Header-Content-Length says {header_length}, the body has {len(body)} bytes",
            )
        head, rest = memoryview(body)[:header_length], memoryview(body)[header_length:]
    try:
        wire = parsed(_decoder, head)
    except msgspec.ValidationError as error:
        raise Invalid(
            f"the request is not as the protocol has it: {error}",
            hint='{"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1.5]}]}',
        ) from None
    if wire.rows is not None:
        if wire.inputs or rest:
            raise Invalid("the request has both rows and inputs", hint="send one of them")
        columns = simple.columns_of(wire.rows)
    else:
        if not wire.inputs:
            raise Invalid("the request has no inputs", hint=simple.hint_for(head))
        columns = _columns(wire.inputs, rest)
    rows = rows_in(columns, shared)
    parameters = wire.parameters
    request = Request(columns, rows, wire.id, wire.outputs, False)
    if wire.rows is not None:
        request.form = "rows"
    if parameters:
        request.binary = parameters.get("binary_data_output") is True
        request.event_times = _event_times(parameters.get("event_time"), rows)
        request.row_ids = _row_ids(parameters.get("row_ids"), rows)
    return request


def parsed(decoder: msgspec.json.Decoder[Decoded], body: Any, hint: str | None = None) -> Decoded:
    """The value of a body; raises ``Invalid`` where it is no JSON. A ``ValidationError`` is the caller's to explain."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"the body is not valid JSON: {error}", hint=hint) from None


def rows_in(columns: Mapping[str, Column], shared: Set[str]) -> int:
    """The rows of the request, which all inputs have that are not shared."""
    first: Column | None = None
    for key, column in columns.items():
        if shared and key in shared:
            column.shared = True
        if column.shared:
            continue
        if first is None:
            first = column
        elif column.rows != first.rows:
            raise Invalid(
                f"input {column.name!r} has {column.rows} rows, input {first.name!r} has {first.rows}",
                hint="all inputs hold the same rows",
            )
    return 1 if first is None else first.rows


def raw(body: bytes, name: str, datatype: str, inner: Sequence[int]) -> Request:
    """A request whose body is one tensor of numbers with rows of the shape ``inner``; raises ``Invalid``."""
    kind = datatype_of(name, datatype)
    width = math.prod(inner)
    rows, rest = divmod(len(body), kind.size * width)
    if rest or not rows:
        raise Invalid(
            f"the body has {len(body)} bytes; a row of {name!r}, {width} times {datatype}, has {kind.size * width}"
        )
    column = from_binary(name, [rows, *inner], kind, memoryview(body))
    return Request({name.lower(): column}, rows, None, None, False)


def encode_plain(model: str, version: str, request_id: str, outputs: Mapping[str, Any], missing: list[str]) -> bytes:
    """As :func:`encode`, of all outputs in JSON."""
    json = _encoder.encode
    if missing:
        parts = [_opening(model, version), json(request_id), b',"parameters":', json({"features_missing": missing})]
    else:
        parts = [_opening(model, version), json(request_id)]
    separator = b',"outputs":['
    for name, array in outputs.items():
        shape = array.shape
        values = array if len(shape) == 1 else array.ravel()
        parts += (_values_opening(separator, name, shape, array.dtype.char, array.__class__), json(values.tolist()))
        separator = b"},"
    parts.append(b"}]}")
    return b"".join(parts)


def _columns(tensors: Sequence[WireTensor], rest: memoryview) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    position = 0
    for tensor in tensors:
        key = tensor.name.lower()
        if key in columns:
            raise Invalid(f"input {tensor.name!r} is given twice; case does not count")
        datatype = datatype_of(tensor.name, tensor.datatype)
        column = single(tensor.name, tensor.shape, datatype, tensor.data) if tensor.parameters is None else None
        if column is not None:
            columns[key] = column
            continue
        size = tensor.parameters.get("binary_data_size") if tensor.parameters else None
        if size is None:
            if tensor.data is None:
                raise Invalid(f"input {tensor.name!r} has neither data nor binary_data_size")
            columns[key] = from_json(tensor.name, tensor.shape, datatype, tensor.data)
            continue
        if size.__class__ is not int or size < 0 or position + size > len(rest):
            raise Invalid(
                f"input {tensor.name!r}: binary_data_size is {size!r}, {len(rest) - position} bytes are left",
                hint="Inference-Header-Content-Length says where the binary tensors begin",
            )
        if tensor.data is not None:
            raise Invalid(f"input {tensor.name!r} has both data and binary_data_size")
        columns[key] = from_binary(tensor.name, tensor.shape, datatype, rest[position : position + size])
        position += size
    if position != len(rest):
        raise Invalid(f"{len(rest) - position} bytes of the body belong to no input")
    return columns


def _event_times(value: Any, rows: int) -> list[datetime] | None:
    if value is None:
        return None
    times = value if isinstance(value, list) else [value] * rows
    if len(times) != rows:
        raise Invalid(f"parameter event_time has {len(times)} times for {rows} rows")
    try:
        if not isinstance(value, list):
            return [as_utc(datetime.fromisoformat(value))] * rows
        return [as_utc(datetime.fromisoformat(time)) for time in times]
    except (TypeError, ValueError, OverflowError):  # the year 1 in the east is the year 0 in UTC
        raise Invalid("parameter event_time is no ISO 8601 time", hint="for example 2013-07-01T06:00:00Z") from None


def _row_ids(value: Any, rows: int) -> list[str] | None:
    if value is None:
        return None
    ids = value if isinstance(value, list) else [value]
    if len(ids) != rows:
        raise Invalid(f"parameter row_ids has {len(ids)} ids for {rows} rows")
    return [str(entry) for entry in ids]


class Reply(msgspec.Struct, gc=False):
    """What goes into a response: ``outputs`` are arrays by name, most often ``[n]`` or ``[n, c]``."""

    model_name: str
    model_version: str
    id: str
    outputs: Mapping[str, Any]
    parameters: dict[str, Any] | None = None


def encode(reply: Reply, request: Request) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON part when binary tensors follow it."""
    if request.form == "rows":
        return simple.rows_body(reply, [name for name, _ in _wanted(reply, request)], request.rows), None
    if (
        not request.outputs
        and not request.binary
        and (reply.parameters is None or "features_missing" in reply.parameters)
    ):
        missing = (reply.parameters or {}).get("features_missing", [])
        return encode_plain(reply.model_name, reply.model_version, reply.id, reply.outputs, missing), None
    json = _encoder.encode
    parts = [_opening(reply.model_name, reply.model_version), json(reply.id)]
    if reply.parameters:
        parts += (b',"parameters":', json(reply.parameters))
    parts.append(b',"outputs":[')
    binary: list[bytes] = []
    for name, as_binary in _wanted(reply, request):
        array = reply.outputs[name]
        parts.append(_tensor_opening(name, array.shape, array.dtype.char, array.__class__))
        if as_binary:
            raw = to_binary(datatype_of_array(array.dtype, array.__class__), array)
            parts += (b'"parameters":{"binary_data_size":', json(len(raw)), b"}},")
            binary.append(raw)
        else:
            parts += (b'"data":', json((array if array.ndim == 1 else array.ravel()).tolist()), b"},")
    parts[-1] = parts[-1].removesuffix(b",")
    parts.append(b"]}")
    body = b"".join(parts)
    if not binary:
        return body, None
    return body + b"".join(binary), len(body)


@lru_cache(maxsize=1024)
def _opening(model_name: str, model_version: str) -> bytes:
    """A response up to the value of its id."""
    head = _encoder.encode({"model_name": model_name, "model_version": model_version})
    return head[:-1] + b',"id":'


@lru_cache(maxsize=4096)
def _tensor_opening(name: str, shape: tuple[int, ...], kind: str, of: type) -> bytes:
    """An output up to its values; ``kind`` is numpy's letter of their type, ``of`` the class of the array."""
    import numpy as np

    head = _encoder.encode({"name": name, "shape": shape, "datatype": datatype_of_array(np.dtype(kind), of).name})
    return head[:-1] + b","


@lru_cache(maxsize=4096)
def _values_opening(separator: bytes, name: str, shape: tuple[int, ...], kind: str, of: type) -> bytes:
    """The same with what stands before it, and up to its first value."""
    return separator + _tensor_opening(name, shape, kind, of) + b'"data":'


def _wanted(reply: Reply, request: Request) -> list[tuple[str, bool]]:
    if not request.outputs:
        return [(name, request.binary) for name in reply.outputs]
    wanted = []
    for output in request.outputs:
        if output.name not in reply.outputs:
            raise Invalid(f"there is no output {output.name!r}", hint=f"outputs: {', '.join(reply.outputs)}")
        parameters = output.parameters or {}
        if parameters.get("classification"):
            raise Invalid(f"output {output.name!r}: the classification extension is not supported")
        wanted.append((output.name, parameters.get("binary_data", request.binary) is True))
    return wanted


def to_json(value: Any) -> bytes:
    """Any plain value as JSON; NaN becomes null."""
    return _encoder.encode(value)


__all__ = ["DATATYPES", "HEADER", "Reply", "Request", "WireOutput", "decode", "encode", "to_json"]
