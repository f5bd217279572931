"""Streams of Arrow that are small on the wire and huge once they are read: refused before they are."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import onnx_models
import pyarrow as pa
import pytest

from mlbox.base.errors import Invalid, TooLarge
from mlbox.base.settings import Settings
from mlbox.engine.storage.arrow_stream import table_of

LIMIT = 1 << 20
HUGE = 1 << 28
ARROW = {"content-type": "application/vnd.apache.arrow.stream"}


def _stream(table: pa.Table, compression: str | None = None, batch: int | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=batch)
    return bytes(sink.getvalue())


def _text(size: int) -> Any:
    return pa.array(["a" * size])


def _dictionary(rows: int) -> pa.Table:
    values = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), _text(1 << 16))
    return pa.table({"x": values})


def _views(rows: int) -> pa.Table:
    view = struct.pack("<i4sii", 1 << 16, b"aaaa", 0, 0)
    text = pa.py_buffer(b"a" * (1 << 16))
    return pa.table({"x": pa.Array.from_buffers(pa.string_view(), rows, [None, pa.py_buffer(view * rows), text])})


BOMBS = {
    "zstd": lambda: _stream(pa.table({"x": np.zeros(HUGE // 8)}), "zstd"),
    "lz4": lambda: _stream(pa.table({"x": np.zeros(HUGE // 16)}), "lz4"),
    "many columns": lambda: _stream(pa.table({f"x{n}": np.zeros(20_000) for n in range(400)}), "zstd"),
    "many batches": lambda: _stream(pa.table({"x": np.zeros(HUGE // 64)}), "zstd", 10_000),
    "a long text": lambda: _stream(pa.table({"x": _text(HUGE // 4)}), "zstd"),
    "a packed dictionary": lambda: _stream(pa.table({"x": _text(HUGE // 4).dictionary_encode()}), "zstd"),
    "a dictionary's text in each row": lambda: _stream(_dictionary(100_000)),
    "in lists": lambda: _stream(
        pa.table({"x": pa.ListArray.from_arrays([0, 100_000], _dictionary(100_000)["x"].chunk(0))})
    ),
    "views of one text": lambda: _stream(_views(10_000)),
    "nulls": lambda: _stream(pa.table({"x": pa.nulls(1 << 30)})),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_is_unpacked(name: str) -> None:
    body = BOMBS[name]()
    assert len(body) < LIMIT, len(body)
    pool = pa.system_memory_pool()
    before = pa.default_memory_pool()
    pa.set_memory_pool(pool)  # one that has not made the bomb
    try:
        kept = pool.max_memory() or 0
        with pytest.raises(TooLarge, match="larger than 1,048,576 bytes"):
            table_of(body, LIMIT)
        assert (pool.max_memory() or 0) - kept < 4 * LIMIT
    finally:
        pa.set_memory_pool(before)


@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_what_fits_is_read(compression: str | None) -> None:
    texts = pa.array(["a", None, "bc"] * 1000)
    columns = {
        "n": pa.array(range(3000)),
        "b": pa.array([True, None, False] * 1000),
        "t": texts,
        "v": texts.cast("string_view"),
        "d": texts.dictionary_encode(),
        "l": pa.array([[1.5], None, []] * 1000),
        "o": pa.nulls(3000),
        "s": pa.array([{"a": "x"}] * 3000),
        "f": pa.array([[1, 2]] * 3000, pa.list_(pa.int8(), 2)),
    }
    table = pa.table(columns)
    assert table_of(_stream(table, compression, 1000), LIMIT).equals(table)
    assert table_of(_stream(table[:0], compression), 0 if compression is None else LIMIT).num_rows == 0


def test_a_length_that_lies_is_no_stream() -> None:
    body = bytearray(_stream(pa.table({"x": np.zeros(1000)}), "zstd"))
    place = bytes(body).index(struct.pack("<q", 8000), len(body) // 2)
    body[place : place + 8] = struct.pack("<q", 7992)
    with pytest.raises(Invalid, match="no Arrow stream"):
        table_of(bytes(body), LIMIT)
    for cut in range(0, len(body), 7):
        with pytest.raises(Invalid):
            table_of(bytes(body[:cut]) + b"\xff" * 16, LIMIT)


def test_an_endpoint_answers_413_and_goes_on(tmp_path: Any, serve: Any) -> None:
    import httpx
    from serving_house import House

    house = House(tmp_path, Settings(log_flush_ms=20, max_request_mb=1))
    try:
        house.model("m", onnx_models.scaled(2.0), "x", "y")
        house.endpoint("e", "m")
        server = serve(house)
        bomb = _stream(pa.table({"x": np.zeros(HUGE // 8), "y": np.zeros(HUGE // 8)}), "zstd")
        with httpx.Client(base_url=server.url, timeout=60) as client:
            answer = client.post("/v2/models/e/infer", content=bomb, headers=ARROW)
            assert answer.status_code == 413 and answer.json()["code"] == "too_large", answer.text
            assert "max_request_mb" in answer.json()["hint"]
            good = _stream(pa.table({"x": [1.0], "y": [2.0]}), "zstd")
            found = pa.ipc.open_stream(
                client.post("/v2/models/e/infer", content=good, headers=ARROW).content
            ).read_all()
            assert found["prediction"].to_pylist() == [6.0]
    finally:
        house.close()
