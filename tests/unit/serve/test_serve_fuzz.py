"""Bodies of every form, changed at random: a request whose columns hold what they say, or an error that says what is
wrong. The same changes each time."""

from __future__ import annotations

import gzip
import json
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlbox.base.errors import Invalid
from mlbox.serve import codec, media
from mlbox.serve.simple import columns_of_arrow
from mlbox.serve.tensors import DATATYPES


def _valid(chance: random.Random) -> tuple[bytes, int]:
    """A binary request of random tensors."""
    tensors, raws = [], []
    rows = chance.choice((1, 2, 3))
    for index in range(chance.randint(1, 3)):
        datatype, shape = chance.choice([*DATATYPES]), chance.choice(([rows], [rows, 1]))
        if datatype == "BYTES":
            texts = [chance.choice(("", "a", "ü" * 5)).encode() for _ in range(rows)]
            raw = b"".join(struct.pack("<I", len(text)) + text for text in texts)
        else:
            width = chance.choice((1, 1, 3))
            shape = [rows, width] if width > 1 else shape
            raw = bytes(chance.randrange(2) for _ in range(DATATYPES[datatype].size * rows * width))
        tensors.append(
            {"name": f"t{index}", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
        )
        raws.append(raw)
    head = json.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}}).encode()
    return head + b"".join(raws), len(head)


def _mutate(chance: random.Random, body: bytes, length: int) -> tuple[bytes, int]:
    """One to three lies: bytes changed, cut, added, doubled; a header length that is wrong."""
    content = bytearray(body)
    for _ in range(chance.randint(1, 3)):
        where = chance.randrange(len(content) + 1) if content else 0
        match chance.randrange(7):
            case 0 if content:
                content[min(where, len(content) - 1)] = chance.randrange(256)
            case 1:
                del content[where:]
            case 2:
                content[where:where] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 9)))
            case 3:
                del content[where : where + chance.randint(1, 9)]
            case 4:
                length = chance.choice((0, 1, length - 1, length + 1, len(content), len(content) + 7, 2**40))
            case 5:
                swaps = (
                    (b'pe": [', b'pe": [-'),
                    (b"[1]", b"[4294967296]"),
                    (b"[2]", b"[1, 2]"),
                    (b"BO", b"FP"),
                )
                old, new = chance.choice(swaps)
                content = bytearray(bytes(content).replace(old, new, 1))
            case _:
                digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
                if digits:
                    content[chance.choice(digits)] = ord(chance.choice("0123456789"))
    return bytes(content), length


def _right(request: codec.Request) -> None:
    """The columns hold what they say."""
    for column in request.columns.values():
        assert len(column.values) == column.rows * column.width and column.rows == request.rows


def _told(error: Invalid) -> None:
    assert error.message and len(error.message) < 2000 and error.http_status in (400, 413, 415)


def _binary(times: int, seed: int) -> None:
    """Requests with binary tensors; now and then packed."""
    chance = random.Random(seed)
    good = 0
    for _ in range(times):
        body, length = _valid(chance)
        _right(codec.decode(body, length))
        if chance.random() < 0.05:
            body = media.inflate(gzip.compress(body, 1), "gzip", 1 << 20)
        body, length = _mutate(chance, body, length)
        try:
            _right(codec.decode(body, length))
            good += 1
        except Invalid as error:
            _told(error)
    assert 0 < good < times


def _packed(times: int, seed: int) -> None:
    """Packed bodies that were changed on their way."""
    chance = random.Random(seed)
    good = 0
    for _ in range(times):
        body, _ = _valid(chance)
        packed, _ = _mutate(chance, gzip.compress(body, 1), 0)
        try:
            good += media.inflate(packed, "gzip", 1 << 20) == body
        except Invalid as error:
            _told(error)
    assert 0 < good < times


_CELLS: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1.5,
    2**63,
    10**400,
    1e308,
    "",
    "a",
    "1",
    "\0",
    [],
    [1],
    {},
    {"a": 1},
)


def _rows(times: int, seed: int) -> None:
    """Rows of all that JSON has, then changed as bytes."""
    chance = random.Random(seed)
    good = 0
    for _ in range(times):
        names = chance.sample(["x", "y", "X", "", "é", "z" * 50], chance.randint(1, 3))
        cells = chance.choice((_CELLS, _CELLS[2:6], _CELLS[9:12]))
        rows: Any = [{name: chance.choice(cells) for name in names} for _ in range(chance.randint(0, 3))]
        body = json.dumps({"rows": chance.choice((rows, rows, rows, {}, [rows], None)), "id": "r"}).encode()
        if chance.random() < 0.3:
            body, _ = _mutate(chance, body, 0)
        try:
            _right(codec.decode(body))
            good += 1
        except Invalid as error:
            _told(error)
    assert 0 < good < times


def _tables() -> list[bytes]:
    """Streams with every kind of buffer that there is: offsets, indexes of dictionaries, bitmaps, views, packed."""
    texts = ["x", "", None, "ü" * 20]
    table = pa.table(
        {
            "f": pa.array([1.5, None, 2.0, float("nan")]),
            "h": pa.array(np.array([1, 2, 3, 4], np.float16)),
            "i": pa.array([1, 2, 3, 2**62]),
            "n": pa.array([1, None, 3, 2**62]),
            "b": pa.array([True, None, False, True]),
            "t": pa.array(texts),
            "l": pa.array(texts, pa.large_string()),
            "v": pa.array(texts, pa.string_view()),
            "d": pa.array(texts).dictionary_encode(),
            "c": pa.array(["1.5", None, "2.5", "3"]).cast(pa.decimal128(9, 2)),
            "m": pa.FixedSizeListArray.from_arrays(pa.array(range(8)), 2),
        }
    )
    made = []
    for names, packing in ((["f", "t"], None), (table.column_names, None), (table.column_names, "zstd")):
        sink = pa.BufferOutputStream()
        part = table.select(names)
        with pa.ipc.new_stream(sink, part.schema, options=pa.ipc.IpcWriteOptions(compression=packing)) as writer:
            writer.write_table(part, max_chunksize=3)
        made.append(sink.getvalue().to_pybytes())
    return made


def _arrow(times: int, seed: int) -> None:
    chance = random.Random(seed)
    whole = _tables()
    for body in whole:
        columns = columns_of_arrow(body, 1 << 26)
        assert all(len(column.values) == column.rows * column.width for column in columns.values())
    for _ in range(times):
        content = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            content[chance.randrange(len(content))] = chance.choice((0, 1, 127, 255, chance.randrange(256)))
        end = chance.choice((len(content), len(content), chance.randrange(len(content))))
        try:
            columns = columns_of_arrow(bytes(content[:end]), 1 << 26)
        except Invalid as error:
            _told(error)
            continue
        assert all(len(column.values) == column.rows * column.width for column in columns.values())


FORMS = pytest.mark.parametrize(
    ("fuzz", "times"), [(_binary, 20_000), (_packed, 3_000), (_rows, 5_000), (_arrow, 2_000)],
    ids=["binary", "packed", "rows", "arrow"],
)  # fmt: skip


@FORMS
def test_nonsense_is_told_or_right(fuzz: Callable[[int, int], None], times: int) -> None:
    fuzz(times, 6)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@FORMS
def test_much_nonsense_is_told_or_right(fuzz: Callable[[int, int], None], times: int) -> None:
    fuzz(times * 50, 7)
