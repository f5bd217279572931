"""Every kind of stream source on a real server: rows are taken once, through kills and restarts of either side."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from real_server import Server
from stream_rigs import TYPES, WHY_NOT, params, rig
from waiting import wait_until

from mlbox.engine.features.sources.base import SOURCES

KINDS = sorted(name for name, plugin in SOURCES if plugin.capabilities.stream)
SET = """CREATE FEATURE SET f (ENTITY k BIGINT, TIMESTAMP ts, n BIGINT, x DOUBLE CHECK (x >= 0))
    STORE OFFLINE AND ONLINE AGGREGATE (count(*) OVER (1 HOUR, 1 DAY), sum(x) OVER (1 HOUR), max(x) OVER (1 DAY))
    FROM s; CREATE FEATURE VECTOR v AS FEATURES (f.count_rows_1d, f.max_x_1d, f.n)"""
BATCH = """CREATE OR REPLACE FEATURE SET b (ENTITY k, TIMESTAMP ts, n, x)
    AGGREGATE (count(*) OVER (1 HOUR, 1 DAY), sum(x) OVER (1 HOUR), max(x) OVER (1 DAY))
    AS SELECT k, ts, n, x FROM f"""


def test_every_kind_has_a_rig() -> None:
    assert sorted(set(TYPES.values())) == KINDS


@pytest.fixture(params=params())
def kind(request: pytest.FixtureRequest) -> str:
    if WHY_NOT[request.param]:
        pytest.skip(WHY_NOT[request.param])
    return str(request.param)


class Space:
    """A project of a server."""

    def __init__(self, server: Server, project: str = "default") -> None:
        self.server = server
        self.project = project

    def sql(self, text: str) -> list[dict[str, Any]]:
        return self.server.sql(text, self.project)

    def error(self, text: str) -> dict[str, Any]:
        return self.server.error(text, self.project)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("shared") / "home")
    yield found
    found.stop()


PROJECTS = (f"p{number}" for number in itertools.count())


@pytest.fixture
def space(shared: Server) -> Space:
    """A project of a server that others use too."""
    name = next(PROJECTS)
    shared.sql(f"CREATE PROJECT {name}")
    return Space(shared, name)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Space]:
    """A server that may be killed."""
    server = Server(tmp_path / "home")
    yield Space(server)
    server.stop()


@pytest.fixture
def stream(kind: str, tmp_path: Path, space: Space) -> Iterator[Any]:
    with rig(kind, tmp_path / "stream") as made:
        made.space = space
        space.sql(f"CREATE SOURCE s {made.declared}")
        yield made


@pytest.fixture
def own_stream(kind: str, tmp_path: Path, own: Space) -> Iterator[Any]:
    with rig(kind, tmp_path / "stream") as made:
        made.space = own
        own.sql(f"CREATE SOURCE s {made.declared}")
        yield made


def events(first: int, count: int) -> list[dict[str, Any]]:
    """An event a minute for 40 entities in turn, some of them late."""
    minutes = [n - 30 if n % 10 == 0 else n for n in range(first, first + count)]
    return [
        {"k": n % 40, "ts": f"2026-01-{1 + m // 1440:02}T{m // 60 % 24:02}:{m % 60:02}:00Z", "n": n, "x": n % 7}
        for n, m in zip(range(first, first + count), (max(m, 0) for m in minutes), strict=True)
    ]


def rows(space: Space, text: str) -> list[Any]:
    found: list[Any] = space.sql(text)[-1]["rows"]
    return found


def counted(space: Space) -> tuple[int, int, int]:
    """Rows, different rows, the highest number."""
    ((all_, different, top),) = rows(space, "SELECT count(*), count(DISTINCT n), coalesce(max(n), -1) FROM f")
    return all_, different, top


def has(space: Space, count: int) -> bool:
    return counted(space)[0] >= count


def differences(space: Space) -> int:
    """Rows whose values are not those of the batch."""
    space.sql(BATCH)
    columns = "k, ts, n, count_rows_1h, count_rows_1d, sum_x_1h, max_x_1d"
    ((found,),) = rows(space, f"SELECT count(*) FROM (SELECT {columns} FROM f EXCEPT ALL SELECT {columns} FROM b)")
    return int(found)


def test_rows_come_with_their_windows_and_wrong_ones_go_aside(stream: Any, space: Space) -> None:
    space.sql(SET)
    stream.add(events(0, 300))
    stream.add([{"k": "odd", "ts": "2026-01-01", "n": 1}, {"k": 1, "ts": "2026-01-01", "x": -1}, 7])
    stream.add(events(300, 100))
    wait_until(lambda: has(space, 400))
    assert counted(space) == (400, 400, 399)
    assert differences(space) == 0
    reasons = [
        row[0]
        for row in rows(space, "SELECT reason FROM ml.dead_letters WHERE project = current_schema() ORDER BY ALL")
    ]
    assert reasons[0] == "CHECK (x >= 0) is false" and reasons[1] in (
        "entity k is missing",
        "k is not of type BIGINT: odd",
    )
    assert len(reasons) == 3
    wait_until(
        lambda: (
            rows(space, "SELECT lag, error FROM ml.sources WHERE project = current_schema()")
            in ([[0, None]], [[None, None]])
        )
    )
    assert rows(
        space, "SELECT late > 0, rejected FROM ml.ingests WHERE feature_set = 'f' AND project = current_schema()"
    ) == [[True, 3]]
    # All events are long ago: as of now the windows are empty, the latest event's own values stay.
    (found,) = rows(space, "SELECT count_rows_1d, max_x_1d, n FROM ml.online('v', {'k': 39})")
    assert found == [0, None, 399]


def test_nothing_is_lost_or_taken_twice_when_the_server_is_killed(own_stream: Any, own: Space) -> None:
    own.sql(SET)
    stopped = threading.Event()

    def feed() -> None:
        for start in range(0, 6000, 200):
            own_stream.add(events(start, 200))
        stopped.set()

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    for threshold in (600, 2400):
        wait_until(lambda threshold=threshold: has(own, threshold))
        own.server.kill()
        own.server.start()
    feeder.join(120)
    assert stopped.is_set()
    wait_until(lambda: has(own, 6000))
    assert counted(own) == (6000, 6000, 5999)
    assert differences(own) == 0


def test_a_suspended_source_is_not_read(stream: Any, kind: str, space: Space) -> None:
    space.sql(SET)
    space.sql("ALTER SOURCE s SUSPEND")
    if kind == "http":
        status, _, body = space.server.request("POST", f"/push/{space.project}.s", events(0, 10))
        assert status == 409 and "suspended" in json.loads(body)["error"]["message"]
        space.sql("ALTER SOURCE s RESUME")
        stream.add(events(0, 10))
    else:
        space.sql("ALTER SOURCE s RESUME")
        stream.add(events(0, 10))
        wait_until(lambda: has(space, 10))
        space.sql("ALTER SOURCE s SUSPEND")
        error = space.error("REFRESH FEATURE SET f")
        assert "suspended" in error["message"]
        stream.add(events(10, 10))
        assert counted(space) == (10, 10, 9)
        space.sql("ALTER SOURCE s RESUME")
        wait_until(lambda: has(space, 20))
    assert counted(space)[0] == counted(space)[1]


def test_a_set_that_is_refreshed_by_hand_reads_what_has_come(stream: Any, kind: str, space: Space) -> None:
    if kind == "http":
        pytest.skip("rows are brought, not read")
    space.sql("CREATE FEATURE SET f (ENTITY k BIGINT, TIMESTAMP ts, n BIGINT) REFRESH MANUAL FROM s")
    stream.add(events(0, 25))
    assert "25 rows" in space.sql("REFRESH FEATURE SET f")[0]["message"]
    assert "0 rows" in space.sql("REFRESH FEATURE SET f")[0]["message"]
    stream.add(events(25, 5))
    space.sql("REFRESH FEATURE SET f")
    assert counted(space) == (30, 30, 29)
    assert "reads a stream" in space.error("REFRESH FEATURE SET f FULL")["message"]


def test_what_cannot_be_reached_is_told_and_tried_again(space: Space) -> None:
    space.sql(f"CREATE SOURCE s FROM 'redis://127.0.0.1:1/events'; {SET}")
    (error,) = wait_until(
        lambda: (
            (found := rows(space, "SELECT error FROM ml.sources WHERE project = current_schema()")[0])
            and found[0]
            and found
        )
    )
    assert "127.0.0.1:1" in error
    wait_until(
        lambda: (
            rows(space, "SELECT count(*) FROM ml.events WHERE kind = 'source.failed' AND project = current_schema()")
            == [[1]]
        )
    )
    assert "127.0.0.1:1" in space.error("REFRESH FEATURE SET f")["message"]


@pytest.mark.skipif(bool(WHY_NOT["redis"]), reason=WHY_NOT["redis"])
def test_nothing_is_lost_or_taken_twice_when_redis_is_killed(tmp_path: Path, space: Space) -> None:
    import redis

    with rig("redis", tmp_path / "stream") as stream:
        space.sql(f"CREATE SOURCE s {stream.declared}; {SET}")
        for start in range(0, 3000, 100):
            if start in (900, 2000):
                wait_until(lambda start=start: has(space, start - 200))
                stream.redis.kill()
                stream.redis.start()
            while True:
                try:
                    stream.add(events(start, 100))
                    break
                except redis.ConnectionError:
                    continue
        wait_until(lambda: has(space, 3000))
        assert counted(space) == (3000, 3000, 2999)
        assert differences(space) == 0
        wait_until(
            lambda: rows(space, "SELECT lag, error FROM ml.sources WHERE project = current_schema()") == [[0, None]]
        )


@pytest.mark.skipif(bool(WHY_NOT["kafka"]), reason=WHY_NOT["kafka"])
def test_rows_are_late_within_their_partition_only(tmp_path: Path, own: Space) -> None:
    """However the broker hands out partitions, and after a restart."""
    with rig("kafka", tmp_path / "stream") as stream:
        own.sql(f"CREATE SOURCE s {stream.declared}")
        stream.add([{"k": 1, "ts": f"2026-01-01T{n // 60:02}:{n % 60:02}:00Z", "n": n} for n in range(1200)])
        own.sql(
            "CREATE FEATURE SET f (ENTITY k BIGINT, TIMESTAMP ts, n BIGINT) AGGREGATE (count(*) OVER (1 DAY) AS c) "
            "WITH (allowed_lateness = INTERVAL '5 minutes') FROM s"
        )
        wait_until(lambda: has(own, 1200))
        assert rows(own, "SELECT late, rejected FROM ml.ingests WHERE feature_set = 'f'") == [[0, 0]]
        assert rows(own, "SELECT c FROM f WHERE n = 1199") == [[1200]]
        own.server.kill()
        own.server.start()
        stream.add(
            [{"k": 1, "ts": "2026-01-01T19:00:00Z", "n": 1200}, {"k": 1, "ts": "2026-01-01T20:00:00Z", "n": 1201}]
        )
        wait_until(lambda: has(own, 1201))
        assert counted(own) == (1201, 1201, 1201)
        assert rows(own, "SELECT reason FROM ml.dead_letters") == [
            ["later than allowed: 3,360 s behind, 300 s are allowed"]
        ]
