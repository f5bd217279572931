"""Every kind of sink: what it was given is there when it returns, and the source of its kind reads it back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from feature_house import FeatureHouse
from stream_rigs import TYPES, WHY_NOT, batches_of, params, rig
from waiting import wait_until

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.names import JSON_COLUMN
from mlbox.engine.features.sinks.base import SINKS, Target, open_sink
from mlbox.engine.features.sources.base import Source

TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROWS = [
    {"k": 1, "x": 2.5, "city": "Zürich", "ok": True, "at": TIME, "tags": ["a", "b"]},
    {"k": 2, "x": None, "city": 'it\'s "quoted"', "ok": False, "at": TIME, "tags": []},
]
KINDS = {
    "redis": ("redis", "rediss", "unix"),
    "kafka": ("kafka",),
    "http": ("http", "https"),
    "table": ("table",),
    "amqp": ("amqp", "amqps"),
}
DEAD = {"redis": "redis://127.0.0.1:1/events", "http": "http://127.0.0.1:1/x", "amqp": "amqp://127.0.0.1:1/shop/q"}


def test_every_scheme_is_tested() -> None:
    assert sorted(scheme for schemes in KINDS.values() for scheme in schemes) == SINKS.names()


class Hook:
    """A server that keeps what is posted to it, and answers with ``status``."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.rows += json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.uri = f"http://127.0.0.1:{self.server.server_port}/x"


class Place:
    """Where a kind writes to, and how it is read back."""

    def __init__(self, kind: str, uri: str, options: dict[str, Any], house: FeatureHouse, hook: Hook) -> None:
        self.kind = kind
        self.target = Target(uri, "default", house.catalog, options)
        self._house = house
        self._hook = hook

    def read(self) -> list[Any]:
        if self.kind == "http":
            return self._hook.rows
        if self.kind == "table":
            return self._house.rows("FROM events ORDER BY k")
        kind = TYPES[self.kind]
        source = Source("", "default", "s", kind, self.target.uri, options=self.target.options)
        found: list[Any] = []
        batches = batches_of(source)

        def all_there() -> bool:
            found.extend(json.loads(text) for text in next(batches).rows.column(JSON_COLUMN).to_pylist())
            return len(found) >= len(ROWS)

        wait_until(all_there)
        batches.close()
        return sorted(found, key=lambda row: int(row["k"]))


@pytest.fixture(params=[*params(), "table"])
def place(request: pytest.FixtureRequest, tmp_path: Path, sets: FeatureHouse) -> Iterator[Place]:
    kind = str(request.param)
    if WHY_NOT.get(kind):
        pytest.skip(WHY_NOT[kind])
    hook = Hook()
    if kind == "table":
        yield Place(kind, "table:events", {}, sets, hook)
    elif kind == "http":
        yield Place(kind, hook.uri, {}, sets, hook)
    else:
        with rig(kind, tmp_path / "stream") as made:
            uri, options = made.address
            yield Place(kind, uri, options, sets, hook)
    hook.server.shutdown()


@pytest.fixture
def sets(tmp_path: Path) -> Iterator[FeatureHouse]:
    house = FeatureHouse(tmp_path / "home")
    yield house
    house.close()


def test_rows_are_there_when_it_returns(place: Place) -> None:
    sink = open_sink(place.target)
    sink.write(ROWS[:1])
    sink.write(ROWS[1:])
    sink.close()
    first, second = place.read()
    assert (int(first["k"]), float(first["x"]), first["city"]) == (1, 2.5, "Zürich")
    assert (int(second["k"]), second.get("x"), second["city"]) == (2, None, 'it\'s "quoted"')
    times = [value if isinstance(value, datetime) else datetime.fromisoformat(value) for value in (first["at"],)]
    assert times == [TIME]
    tags = [row["tags"] if isinstance(row["tags"], list) else json.loads(row["tags"]) for row in (first, second)]
    assert tags == [["a", "b"], []]
    assert [str(row["ok"]).lower() for row in (first, second)] == ["true", "false"]


@pytest.mark.parametrize("kind", DEAD)
def test_what_cannot_be_reached_may_be_tried_again(kind: str) -> None:
    with pytest.raises(Unavailable):
        open_sink(Target(DEAD[kind], "default")).write(ROWS)


def test_a_refusal_is_told_apart_from_trouble() -> None:
    hook = Hook()
    sink = open_sink(Target(hook.uri, "default"))
    for status, kind in ((422, Invalid), (503, Unavailable), (429, Unavailable)):
        hook.status = status
        with pytest.raises(kind, match=str(status)):
            sink.write(ROWS)
    hook.server.shutdown()


def test_a_table_takes_what_fits(sets: FeatureHouse) -> None:
    sink = open_sink(Target("table:t", "default", sets.catalog))
    sink.write([{"k": 1, "x": 1.5}])
    sink.write([{"k": 2}])
    assert sets.rows("FROM t ORDER BY k") == [{"k": 1, "x": 1.5}, {"k": 2, "x": None}]
    for wrong in ([{"k": 3, "y": 1}], [{"k": "three"}], [{"k": 1}, {"k": [1]}]):
        with pytest.raises(Invalid, match="table t"):
            sink.write(wrong)
    assert sets.run("SELECT count(*) FROM t") == [(2,)]


@pytest.mark.parametrize(
    ("uri", "options", "said"),
    [
        ("events", {}, "no place that rows are written to"),
        ("kafak://h/t", {}, "no place that rows are written to"),
        ("kafka://h", {}, "does not name broker and topic"),
        ("kafka://h/t", {"keys": "k"}, "no option 'keys'"),
        ("amqp://h/shop", {}, "names neither queue nor exchange"),
        ("amqp://h/shop/q", {"exchange": "x"}, "and option exchange is given"),
        ("amqp://h/shop/q", {"routing_key": "x"}, "is for an exchange"),
        ("amqp://h/shop/q", {"prefetch": 1}, "no option 'prefetch'"),
        ("amqp://h/a/b/c", {}, "virtual host and queue alone"),
        ("redis://h:1", {}, "does not name the stream"),
        ("redis://h:1/s", {"field": "x"}, "no option 'field'"),
        ("table:", {}, "table name"),
        ("table:a", {"x": 1}, "no options"),
        ("http:///x", {}, "has no host"),
    ],
)
def test_addresses_that_cannot_work(uri: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        open_sink(Target(uri, "default", None, options))
