"""The codec alone: every datatype in both forms, and bytes that lie."""

from __future__ import annotations

import gzip
import json
import math
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from examples_of import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbox.base.errors import Invalid, MlboxError, TooLarge
from mlbox.serve import codec, media
from mlbox.serve.codec import Reply, Request, WireOutput
from mlbox.serve.tensors import DATATYPES, from_binary, to_binary

NUMBERS = [name for name in DATATYPES if name not in ("BYTES", "BF16")]


def _body(tensors: list[dict[str, Any]], raw: bytes = b"", **more: Any) -> tuple[bytes, int]:
    head = json.dumps({"inputs": tensors, **more}).encode()
    return head + raw, len(head)


@pytest.mark.parametrize("name", NUMBERS)
def test_each_datatype_means_the_same_in_json_and_binary(name: str) -> None:
    datatype = DATATYPES[name]
    values = np.array([0, 1, 1], dtype=datatype.numpy)
    plain, _ = _body([{"name": "x", "shape": [3], "datatype": name, "data": values.tolist()}])
    raw = to_binary(datatype, values)
    binary, length = _body(
        [{"name": "x", "shape": [3, 1], "datatype": name, "parameters": {"binary_data_size": len(raw)}}], raw
    )
    one, other = codec.decode(plain).columns["x"], codec.decode(binary, length).columns["x"]
    assert list(one.values) == other.values.tolist() == values.tolist()
    assert other.values.dtype == np.dtype(datatype.numpy)


def test_bf16_keeps_its_values_and_strings_their_letters() -> None:
    raw = struct.pack("<3H", 0x3F80, 0xC000, 0x7FC0)  # 1, -2, NaN
    values = from_binary("x", [3], DATATYPES["BF16"], memoryview(raw)).values.tolist()
    assert values[:2] == [1.0, -2.0] and math.isnan(values[2])
    words = ["", "Köln", "a\0b"]
    column = from_binary("s", [3], DATATYPES["BYTES"], memoryview(to_binary(DATATYPES["BYTES"], words)))
    assert column.values == words


@given(st.lists(st.text(max_size=20), min_size=1, max_size=20))
def test_strings_survive_the_binary_form(words: list[str]) -> None:
    raw = memoryview(to_binary(DATATYPES["BYTES"], words))
    assert from_binary("s", [len(words)], DATATYPES["BYTES"], raw).values == words


@pytest.mark.parametrize(
    ("shape", "datatype", "size", "raw", "says"),
    [
        ([2], "FP32", 8, b"1234", "4 bytes are left"),
        ([2], "FP32", 4, b"1234", "needs 8"),
        ([1], "FP32", -4, b"1234", "bytes are left"),
        ([1], "FP32", True, b"1", "bytes are left"),
        ([1], "FP32", "4", b"1234", "bytes are left"),
        ([1], "FP32", 4, b"12345678", "4 bytes of the body belong to no input"),
        ([1], "BOOL", 1, b"\x07", "0 or 1"),
        ([1], "BYTES", 4, b"\xff\xff\xff\xff", "says 4294967295 bytes"),
        ([1], "BYTES", 5, b"\x01\0\0\0\xff", "not UTF-8"),
        ([2], "BYTES", 5, b"\x01\0\0\0a", "exactly 2 elements"),
        ([1], "BYTES", 7, b"\x01\0\0\0a\0\0", "exactly 1 elements"),
        ([2**40], "FP32", 4, b"1234", "rows"),
    ],
)
def test_binary_sizes_that_lie(shape: list[int], datatype: str, size: Any, raw: bytes, says: str) -> None:
    tensor = {"name": "x", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}}
    body, length = _body([tensor], raw)
    with pytest.raises(Invalid, match=says):
        codec.decode(body, length)


@pytest.mark.parametrize("length", [0, -1, 10_000])
def test_a_header_length_that_lies(length: int) -> None:
    with pytest.raises(Invalid):
        codec.decode(_body([{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}])[0], length)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_tensor = st.fixed_dictionaries(
    {
        "name": st.text(max_size=3),
        "shape": st.lists(st.integers(-2, 3), max_size=3),
        "datatype": st.sampled_from([*DATATYPES, "FP128"]),
    },
    optional={"data": _json, "parameters": st.dictionaries(st.just("binary_data_size"), st.integers(-1, 9) | _json)},
)


@settings(max_examples=examples(400))
@given(
    tensors=st.lists(_tensor, max_size=3),
    raw=st.binary(max_size=24),
    parameters=st.none() | st.dictionaries(st.sampled_from(["event_time", "row_ids", "binary_data_output"]), _json),
    shift=st.integers(-3, 3),
)
def test_no_request_makes_anything_but_an_error_with_a_message(
    tensors: list[dict[str, Any]], raw: bytes, parameters: Any, shift: int
) -> None:
    body, length = _body(tensors, raw, parameters=parameters)
    try:
        request = codec.decode(body, length + shift)
    except MlboxError as error:
        assert error.message and error.http_status == 400
    else:
        assert all(column.rows == request.rows for column in request.columns.values())


@settings(max_examples=examples(300))
@given(st.binary(max_size=60))
def test_no_bytes_make_anything_but_an_error(body: bytes) -> None:
    with pytest.raises(MlboxError):
        codec.decode(body)


def test_outputs_in_both_forms() -> None:
    outputs = {"prediction": np.array([0.5, np.nan]), "label": np.array([1, 0]), "name": np.array(["a", "é"], object)}
    reply = Reply("m", "3", "id", outputs, {"features_missing": ["x"]})
    body, length = codec.encode(reply, Request({}, 2, None, None, False))
    told = json.loads(body)
    assert length is None and told["parameters"] == {"features_missing": ["x"]}
    assert [(o["datatype"], o["data"]) for o in told["outputs"]] == [
        ("FP64", [0.5, None]),
        ("INT64", [1, 0]),
        ("BYTES", ["a", "é"]),
    ]
    wanted = [WireOutput("label", {"binary_data": True}), WireOutput("name")]
    body, length = codec.encode(reply, Request({}, 2, None, wanted, False))
    assert length is not None and body[length:] == struct.pack("<2q", 1, 0)
    with pytest.raises(Invalid, match="classification"):
        codec.encode(reply, Request({}, 2, None, [WireOutput("label", {"classification": 2})], False))


def test_inflate_is_bounded() -> None:
    bomb = zlib.compress(b"0" * 10_000_000)
    with pytest.raises(TooLarge, match="larger than"):
        media.inflate(bomb, "deflate", 1000)
    with pytest.raises(Invalid, match="ends too early"):
        media.inflate(zlib.compress(b"abc")[:-5], "deflate", 1000)
    with pytest.raises(Invalid, match="not valid gzip"):
        media.inflate(b"abc", "gzip", 1000)
    with pytest.raises(Invalid, match="2 bytes follow"):
        media.inflate(zlib.compress(b"abc") + b"xy", "deflate", 1000)
    with pytest.raises(Invalid, match="not valid gzip"):
        media.inflate(gzip.compress(b"abc") + b"xy", "gzip", 1000)
    two = gzip.compress(b"abc") + gzip.compress(b"de")
    assert media.inflate(two, "gzip", 5) == b"abcde"
    with pytest.raises(TooLarge):
        media.inflate(two, "gzip", 4)
    with pytest.raises(media.UnsupportedMediaType, match="'br'"):
        media.inflate(b"abc", "br", 1000)


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        (b"", b""),
        (b"gzip", b"gzip"),
        (b"deflate", b"deflate"),
        (b"GZIP, deflate, br", b"gzip"),
        (b"gzip;q=0.1, deflate;q=0.5", b"deflate"),
        (b"gzip;q=0", b""),
        (b"gzip;q=0, *", b"deflate"),
        (b"*;q=0", b""),
        (b"br, identity", b""),
        (b"gzip;q=much", b""),
    ],
)
def test_an_answer_is_packed_as_its_receiver_prefers(accepted: bytes, encoding: bytes) -> None:
    assert media.answer_encoding(accepted) == encoding
