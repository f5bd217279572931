"""Whatever a client sends, it is answered or the connection is closed: nothing hangs, crashes or stays open."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlbox.base.errors import Invalid
from mlbox.sql.wire.bound import bind
from mlbox.sql.wire.catalog.pg_catalog import PgCatalog
from mlbox.sql.wire.context import Introduction, WireContext
from mlbox.sql.wire.conversation import MOST_PORTALS, Conversation
from mlbox.sql.wire.messages import KINDS, ProtocolError, message

TEXTS = (
    *(
        "SELECT 1",
        "SELECT $1",
        "SELECT $1::INTEGER + $2",
        "",
        ";",
        "SELECT 1; SELECT 2",
        "SELEC",
        "SELECT 'ü",
        "(",
        "$1",
    ),
    *("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "SET TimeZone = 'UTC'", "SHOW ALL"),
    *("SELECT * FROM range(30)", "SHOW PROJECTS", "COPY (SELECT 1) TO STDOUT", "COPY t FROM STDIN", "DISCARD ALL"),
    *(
        "SELECT version()",
        "SELECT 'pg_class'::regclass",
        "SET statement_timeout = 'x'",
        "DEALLOCATE a",
        "EXPLAIN SELECT 1",
    ),
    *("SELECT [1, NULL], {'a': 1}, INTERVAL 1 DAY", "USE PROJECT nowhere", "SELECT 1 WHERE false", "FETCH 1 FROM a"),
)
TYPES = (0, 16, 17, 20, 21, 23, 25, 26, 114, 700, 701, 705, 1007, 1009, 1043, 1082, 1083, 1114, 1184, 1186, 1700, 2950)
NAMES = ("", "", "", "a", "b")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """COPY .. TO STDOUT, with a letter changed, writes a file where it is."""
    monkeypatch.chdir(tmp_path)


class Sink:
    """Takes what is answered."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        self.data += data

    def flush(self) -> None:
        return

    def urgent(self, data: bytes) -> None:
        self.data += data


def talk(house: Any, sink: Sink) -> Conversation:
    context = WireContext(
        catalog=house.catalog,
        dispatcher=house.dispatcher,
        bus=house.bus,
        ongoing=house.ongoing,
        settings=house.settings,
        logs=house.home.logs,
        version="0",
        members=house.members,
        pg_catalog=house_catalog(house),
    )
    return Conversation(context, Introduction("mlbox", "mlbox", {}), "local", sink)


def house_catalog(house: Any) -> PgCatalog:
    if not hasattr(house, "wire_catalog"):
        house.wire_catalog = PgCatalog(house.catalog)
    found: PgCatalog = house.wire_catalog
    return found


def cut(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The answers; each must have the length that it says."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("!i", data, at + 1)
        assert length >= 4
        assert at + 1 + length <= len(data)
        yield data[at : at + 1], data[at + 5 : at + 1 + length]
        at += 1 + length


class Inputs:
    """Messages, most of them nearly right."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self) -> tuple[int, bytes]:
        kind = self._random.choice(b"QPPBBDDEECSSHFdcfp" if self._random.random() < 0.97 else bytes(sorted(KINDS)))
        body = self._body(kind)
        if self._random.random() < 0.25:
            body = self._broken(body)
        return kind, body

    def _body(self, kind: int) -> bytes:
        pick = self._random.choice
        name = pick(NAMES).encode() + b"\0"
        match chr(kind):
            case "Q":
                return pick(TEXTS).encode() + b"\0"
            case "P":
                oids = [pick(TYPES) for _ in range(pick((0, 0, 1, 2)))]
                return name + pick(TEXTS).encode() + b"\0" + struct.pack(f"!h{len(oids)}i", len(oids), *oids)
            case "B":
                values = [self._value() for _ in range(pick((0, 0, 1, 2)))]
                codes = [pick((0, 1))] if self._random.random() < 0.5 else []
                results = [pick((0, 1))] if self._random.random() < 0.5 else []
                head = name + pick(NAMES).encode() + b"\0" + struct.pack(f"!h{len(codes)}h", len(codes), *codes)
                tail = struct.pack(f"!h{len(results)}h", len(results), *results)
                return head + struct.pack("!h", len(values)) + b"".join(values) + tail
            case "D" | "C":
                return pick((b"S", b"P", b"P", b"x")) + name
            case "E":
                return name + struct.pack("!i", pick((0, 0, 1, 7, -1)))
            case _:
                return b""

    def _value(self) -> bytes:
        if self._random.random() < 0.1:
            return struct.pack("!i", -1)
        pick = self._random.choice
        raw = pick((b"1", b"x", b"{1,NULL}", b"2026-01-02", self._random.randbytes(pick((0, 1, 2, 4, 8, 12, 16, 33)))))
        return struct.pack("!i", len(raw)) + raw

    def _broken(self, body: bytes) -> bytes:
        place = self._random.randrange(len(body) + 1)
        match self._random.randrange(4):
            case 0:
                return body[:place]
            case 1:
                return body[:place] + self._random.randbytes(3) + body[place:]
            case 2:
                return body + b"\0"
            case _:
                return bytes(self._random.randrange(256) if self._random.random() < 0.1 else byte for byte in body)


def fuzz(house: Any, seed: int, count: int) -> None:
    inputs, sink = Inputs(seed), Sink()
    conversation = talk(house, sink)
    for number in range(count):
        kind, body = inputs.one()
        try:
            conversation.handle(kind, body)
        except ProtocolError:
            conversation.close()
            conversation = talk(house, sink)
        if number % 50 == 49:
            conversation.handle(ord("S"), b"")
            answers = list(cut(bytes(sink.data)))
            assert answers[-1][0] == b"Z"
            assert not any(kind == b"E" and b"CXX000" in body for kind, body in answers), answers
            sink.data.clear()
    conversation.close()
    assert not list(house.ongoing)
    sink.data.clear()
    last = talk(house, sink)
    last.handle(ord("Q"), b"SELECT 42\0")
    assert b"42" in sink.data
    last.close()
    house.catalog.write_data(lambda cursor: cursor.execute('CREATE OR REPLACE TABLE data."default".free (a INTEGER)'))


def test_fuzz(house: Any) -> None:
    fuzz(house, 7, 20_000)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10))
def test_fuzz_a_million(house: Any, seed: int) -> None:
    fuzz(house, 1000 + seed, 100_000)


def test_messages_say_their_length() -> None:
    assert list(cut(message(b"Z", b"I") + message(b"1"))) == [(b"Z", b"I"), (b"1", b"")]


@pytest.mark.parametrize(
    ("oid", "raw"),
    [
        (1700, struct.pack("!hhHh", 0, 0, 0x2D30, 0)),  # a sign that there is not
        (1700, struct.pack("!hhHhh", 1, 32767, 0, 16383, 1)),  # more digits than a decimal holds
        (1700, struct.pack("!hhHh", -1, 0, 0, 0)),
        (1007, struct.pack("!iiiii", 1, 0, 1007, 1, 1) + struct.pack("!i", 20) + bytes(20)),  # an array in an array
    ],
)
def test_binary_values_that_say_nonsense_are_refused(oid: int, raw: bytes) -> None:
    with pytest.raises(Invalid):
        bind(raw, oid, True)


def test_portals_are_bounded(house: Any) -> None:
    """Each that has begun holds a cursor; ten thousand of them would hold gigabytes."""
    sink = Sink()
    conversation = talk(house, sink)
    conversation.handle(ord("P"), b"s\0SELECT * FROM range(100000)\0\0\0")
    for number in range(MOST_PORTALS + 1):
        assert b"CXX000" not in sink.data
        name = f"p{number}".encode()
        conversation.handle(ord("B"), name + b"\0s\0" + struct.pack("!hhh", 0, 0, 0))
        conversation.handle(ord("E"), name + b"\0" + struct.pack("!i", 1))
    assert f"more than {MOST_PORTALS} portals are open".encode() in sink.data
    conversation.handle(ord("S"), b"")
    sink.data.clear()
    conversation.handle(ord("Q"), b"SELECT 42\0")
    assert b"42" in sink.data
    conversation.close()
