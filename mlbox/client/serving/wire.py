"""Messages between the server and a process that answers for it: a JSON head and the raw bytes of its columns.

A message is two unsigned 32-bit lengths, little endian, the head (JSON), and the bytes. A column in the head is
``{name, dtype, shape}`` with ``at`` (first and last byte, little endian, row by row) or ``values`` (a JSON list). Where
both sides share memory the bytes may lie there: then ``shared`` in the head is their place, and ``got`` says which of
the other side's have been taken; see :mod:`mlbox.client.serving.arena`.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from mlbox.client.frames import importable
from mlbox.client.serving.arena import SHARED_FROM, Arena

_LENGTHS = struct.Struct("<II")
_CODES = {
    "float64": "d", "float32": "f", "float16": "e", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q", "bool": "B",
}  # fmt: skip
_DTYPES = {bool: "bool", int: "int64", float: "float64"}
_JOINED = 16 * 1024
"""Bytes of a body up to which it goes with its head: another call of the system costs more than to copy it."""
LARGEST = 1 << 30
"""Bytes of a message's head or body."""


class Closed(Exception):
    """The other side has gone."""


def send(
    connection: socket.socket, head: Mapping[str, Any], buffers: Iterable[Any] = (), arena: Optional[Arena] = None
) -> None:
    """One message; the caller sees to it that two are not sent at the same time. Waits until all of it is sent."""
    push(connection, encoded(head, buffers, arena))


def encoded(head: Mapping[str, Any], buffers: Iterable[Any] = (), arena: Optional[Arena] = None) -> List[Any]:
    """The bytes of a message, in parts. They are to be sent: what it says of the arena is not said again."""
    parts = [memoryview(part).cast("B") for part in buffers]
    size = sum(map(len, parts))
    if arena is not None and (got := arena.news()) is not None:
        head = {**head, "got": got}
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()  # what is no Unicode is refused
    if arena is not None and size >= SHARED_FROM and (place := arena.put(parts, size)) is not None:
        text, parts, size = text[:-1] + b',"shared":' + json.dumps(place).encode() + b"}", [], 0
    start = _LENGTHS.pack(len(text), size) + text
    return [start + b"".join(parts)] if size <= _JOINED else [start, *parts]


def begin(connection: socket.socket, parts: List[Any]) -> List[Any]:
    """Send what the other side has room for, without waiting; what is left."""
    for index, part in enumerate(parts):
        try:
            sent = connection.send(part, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            raise Closed from None
        if sent < len(part):
            return [memoryview(part)[sent:], *parts[index + 1 :]]
    return []


def push(connection: socket.socket, parts: List[Any]) -> None:
    """Send all of it, however long the other side does not read."""
    try:
        for part in parts:
            connection.sendall(part)
    except OSError:
        raise Closed from None


def receive(connection: socket.socket, arena: Optional[Arena] = None) -> Tuple[Dict[str, Any], memoryview]:
    """The next message. Raises ``Closed``."""
    text_size, body_size = _LENGTHS.unpack(_exactly(connection, _LENGTHS.size))
    if max(text_size, body_size) > LARGEST:
        raise Closed
    head = json.loads(bytes(_exactly(connection, text_size)))
    body = _exactly(connection, body_size)
    if arena is not None:
        try:
            if "got" in head:
                arena.heard(int(head["got"]))
            if "shared" in head:
                body = arena.take(head["shared"])
        except (TypeError, ValueError):
            raise Closed from None
    return head, body


def _exactly(connection: socket.socket, size: int) -> memoryview:
    data = bytearray(size)
    view, got = memoryview(data), 0
    while got < size:
        try:
            count = connection.recv_into(view[got:])
        except OSError:
            raise Closed from None
        if count == 0:
            raise Closed
        got += count
    return view


def pack(columns: Mapping[str, Any]) -> Tuple[List[Dict[str, Any]], List[Any]]:
    """Columns (arrays of any shape, or lists) as entries of a head, and the bytes that they speak of."""
    entries: List[Dict[str, Any]] = []
    buffers: List[Any] = []
    place = 0
    for name, values in columns.items():
        dtype = getattr(values, "dtype", None)
        if dtype is None:
            entries.append({"name": name, "dtype": _dtype(values), "shape": [len(values)], "values": list(values)})
            continue
        if dtype.kind not in "fiub":
            entries.append({"name": name, "dtype": "object", "shape": list(values.shape)})
            entries[-1]["values"] = [None if value is None else str(value) for value in values.ravel().tolist()]
            continue
        if str(dtype) not in _CODES or dtype.byteorder == ">":
            values = values.astype("float64")
        data = memoryview(values.ravel().view("uint8")) if values.size else memoryview(b"")  # a copy of views only
        entries.append({"name": name, "dtype": str(values.dtype), "shape": list(values.shape)})
        entries[-1]["at"] = [place, place + len(data)]
        buffers.append(data)
        place += len(data)
    return entries, buffers


def _dtype(values: Any) -> str:
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) == 1:
        found = _DTYPES.get(kinds.pop(), "object")
        return "float64" if found == "int64" and None in values else found
    return "float64" if kinds == {int, float} or not kinds else "object"


def unpack(entries: Iterable[Mapping[str, Any]], body: memoryview) -> Dict[str, Any]:
    """The columns: arrays where numpy can be imported, else lists, nested as the shape says."""
    numpy = importable("numpy")
    return {str(entry["name"]): _column(numpy, entry, body) for entry in entries}


def _column(numpy: Optional[Any], entry: Mapping[str, Any], body: memoryview) -> Any:
    shape, dtype = entry["shape"], entry["dtype"]
    if "at" in entry:
        data = body[entry["at"][0] : entry["at"][1]]
        if numpy is not None:
            return numpy.frombuffer(data, dtype=dtype).reshape(shape)
        flat = struct.unpack(f"<{len(data) // struct.calcsize(_CODES[dtype])}{_CODES[dtype]}", data)
        values: List[Any] = [bool(value) for value in flat] if dtype == "bool" else list(flat)
    else:
        values = entry["values"]
        if numpy is not None:
            known = [float("nan") if value is None else value for value in values] if dtype == "float64" else values
            return numpy.array(known, dtype=dtype).reshape(shape)
    if not shape:
        return values[0]
    for size in reversed(shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values
