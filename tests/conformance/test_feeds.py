"""Feeds of every kind of stream on a real server: each event has its answer once, through kills of either side."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from onnx_models import scaled
from real_server import Server
from stream_rigs import WHY_NOT, RedisRig, params, rig
from waiting import wait_until

EVENTS = 4000


class Space:
    """The project of a server that may be killed."""

    project = "default"

    def __init__(self, server: Server) -> None:
        self.server = server

    def rows(self, text: str) -> list[Any]:
        found: list[Any] = self.server.sql(text)[-1].get("rows", [])
        return found


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Space]:
    (tmp_path / "m.onnx").write_bytes(scaled(2.0, width=1))
    server = Server(tmp_path / "home")
    server.sql(f"CREATE MODEL m FROM '{tmp_path}/m.onnx' INPUT (x DOUBLE); CREATE ENDPOINT e USING MODEL m")
    yield Space(server)
    server.stop()


@pytest.fixture(params=params("kafka"))
def stream(request: pytest.FixtureRequest, tmp_path: Path, own: Space) -> Iterator[Any]:
    if WHY_NOT[request.param]:
        pytest.skip(WHY_NOT[request.param])
    with rig(request.param, tmp_path / "stream") as made:
        made.space = own
        own.rows(f"CREATE SOURCE s {made.declared}")
        yield made


def events(first: int, count: int) -> list[dict[str, Any]]:
    return [{"n": n, "x": n % 100} for n in range(first, first + count)]


def told(own: Space) -> tuple[int, int, int, int]:
    """Answers, different events, different numbers, and wrong answers in the table."""
    if not own.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'scores'"):
        return 0, 0, 0, 0
    (found,) = own.rows(
        "SELECT count(*), count(DISTINCT event_id), count(DISTINCT n::INT), "
        "count(*) FILTER (prediction <> 2 * (n::INT % 100)) FROM scores"
    )
    return found[0], found[1], found[2], found[3]


def test_each_event_has_its_answer_once_in_a_table_though_the_server_is_killed(stream: Any, own: Space) -> None:
    own.rows("CREATE FEED f FROM SOURCE s TO ENDPOINT e INTO TABLE scores WITH (batch = 100)")
    done = threading.Event()

    def bring() -> None:
        for first in range(0, EVENTS, 200):
            stream.add(events(first, 200))
        done.set()

    threading.Thread(target=bring, daemon=True).start()
    for threshold in (300, 1500):
        wait_until(lambda threshold=threshold: told(own)[0] >= threshold)
        own.server.kill()
        own.server.start()
    wait_until(done.is_set, 120)
    stream.add([{"n": -1, "x": "no number"}])
    wait_until(lambda: own.rows("SELECT count(*) FROM ml.dead_letters") == [[1]])
    assert told(own) == (EVENTS, EVENTS, EVENTS, 0)
    ((feed, reason, row),) = own.rows("SELECT feed, reason, row FROM ml.dead_letters")
    assert feed == "f" and "takes a number" in reason and json.loads(row)["x"] == "no number"
    counts = "SELECT events, results, refused, lag, error FROM ml.feeds"
    wait_until(lambda: own.rows(counts) == [[EVENTS + 1, EVENTS, 1, 0, None]])
    assert own.rows("SELECT feeds, lag FROM ml.sources") == [[["default.f"], None]]


@pytest.mark.skipif(bool(WHY_NOT["redis"]), reason=WHY_NOT["redis"])
def test_each_event_has_its_answer_in_a_stream_with_its_name_though_both_sides_are_killed(
    tmp_path: Path, own: Space
) -> None:
    import redis

    made = RedisRig(tmp_path / "stream")
    try:
        own.rows(f"CREATE SOURCE s {made.declared}")
        own.rows(f"CREATE FEED f FROM SOURCE s TO ENDPOINT e INTO '{made.redis.url}' WITH (stream = 'out', batch = 50)")
        for first in range(0, 2000, 100):
            if first in (500, 1000):
                wait_until(lambda first=first: len(_answers(made)) >= first - 200)
                made.redis.kill()
                if first == 1000:
                    own.server.kill()
                    own.server.start()
                else:
                    wait_until(lambda: "Redis" in str(own.rows("SELECT error FROM ml.feeds")[0][0]))
                made.redis.start()
            while True:
                try:
                    made.add(events(first, 100))
                    break
                except redis.ConnectionError:
                    continue
        wait_until(lambda: len({row["n"] for row in _answers(made)}) >= 2000)
        wait_until(lambda: own.rows("SELECT lag, error FROM ml.feeds") == [[0, None]])
        answers = _answers(made)
        named = {(row["event_id"], row["n"], float(row["prediction"])) for row in answers}
        assert len(named) == len({name for name, _, _ in named})  # what comes twice has the same name
        sent = {entry.decode(): int(fields[b"n"]) for entry, fields in made.client.xrange("events")}
        assert {name: int(n) for name, n, _ in named} == sent
        assert all(prediction == 2 * (int(n) % 100) for _, n, prediction in named)
    finally:
        made.close()


def _answers(made: RedisRig) -> list[dict[str, str]]:
    found: list[Any] = made.client.xrange("out")
    return [{key.decode(): value.decode() for key, value in fields.items()} for _, fields in found]
