"""A home whose online store is a real Redis server: switching to it, its restarts, its absence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import redis
from feature_house import FeatureHouse, entity, minute, timestamp

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.features.commands import DropFeatureSet
from mlbox.engine.features.stores.online.redis import shown

pytestmark = pytest.mark.skipif(bool(redis.why_not()), reason=redis.why_not())
PASSWORD = "open sesame"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[redis.RedisServer]:
    with redis.running(tmp_path / "redis", password=PASSWORD) as found:
        yield found


def settings(server: redis.RedisServer, password: str = PASSWORD) -> Settings:
    return Settings(online_store=server.url, online_store_password=password)


@pytest.fixture
def sets(tmp_path: Path, server: redis.RedisServer) -> Iterator[FeatureHouse]:
    house = FeatureHouse(tmp_path / "home", settings(server))
    yield house
    house.close()


def made(sets: FeatureHouse, *rows: tuple[Any, ...], **more: Any) -> None:
    sets.table("raw", "k INTEGER, ts TIMESTAMPTZ, x DOUBLE, s VARCHAR", rows)
    sets.create("f", "FROM raw", entity("k"), timestamp("ts"), store="both", **more)
    sets.vector("v", "f.x", "f.s")


def test_scenario_redis(sets: FeatureHouse, server: redis.RedisServer) -> None:
    """Rows go online and stay in order; a restart that loses everything is made up for at the next refresh."""
    made(sets, (1, minute(0), 1.5, "a"), (2, minute(0), None, "b"))
    reader = sets.features.reader(Ref("default", "v"))
    assert reader.read({"k": [2, 1, 3]}) == {"x": [None, 1.5, None], "s": ["b", "a", None]}
    sets.append("raw", [(1, minute(5), 2.5, "c")])
    sets.refresh("f")
    assert reader.row({"k": 1}) == {"x": 2.5, "s": "c"}
    sets.insert("f", "SELECT 1, TIMESTAMPTZ '2020-01-01', -1.0, 'late'")
    assert reader.row({"k": 1}) == {"x": 2.5, "s": "c"}  # older: it stays behind
    server.stop()
    with pytest.raises(Unavailable, match=r"unix://.* cannot be reached"):
        reader.row({"k": 1})
    told = sets.insert("f", "SELECT 3, TIMESTAMPTZ '2026-01-03', 3.0, 'd'")
    assert told.message is not None and "not online yet: the online store unix://" in told.message
    assert sets.run("SELECT count(*) FROM f WHERE k = 3") == [(1,)]  # offline has it
    assert [event.kind for event in sets.events if event.kind == "feature_set.behind"] == ["feature_set.behind"]
    server.start()  # without what it had
    assert reader.row({"k": 1}) == {"x": None, "s": None}
    sets.refresh("f", online=True)
    assert reader.read({"k": [1, 2, 3]})["s"] == ["c", "b", "d"]


def test_another_store_is_filled_at_open(tmp_path: Path, server: redis.RedisServer) -> None:
    house = FeatureHouse(tmp_path / "home")
    made(house, (1, minute(0), 1.0, "a"))
    house.table("more", "k INTEGER, ts TIMESTAMPTZ, y DOUBLE", [(1, minute(0), 1.0), (1, minute(9), 9.0)])
    house.create("hand", "FROM more", entity("k"), timestamp("ts"), store="both", options={"online": "manual"})
    house.refresh("hand", online=True, end=minute(5))
    house.vector("w", "hand.y")
    house.settings = settings(server)
    house.reopen()
    assert (house.online("v", k=1)["x"], house.online("w", k=1)["y"]) == (1.0, 1.0)  # by hand: as far as it was
    house.insert("f", "SELECT 1, TIMESTAMPTZ '2026-01-02', 2.0, 'b'")
    house.settings = Settings()
    house.reopen()  # back in the home, which was left behind
    assert house.online("v", k=1)["x"] == 2.0
    house.close()


def test_a_home_opens_without_its_store(tmp_path: Path, sets: FeatureHouse, server: redis.RedisServer) -> None:
    made(sets, (1, minute(0), 1.0, "a"))
    server.stop()
    sets.reopen()
    assert sets.run("SELECT x FROM f") == [(1.0,)]
    sets.table("other_raw", "k INTEGER, ts TIMESTAMPTZ, x DOUBLE", [(1, minute(0), 7.0)])
    sets.create("other", "FROM other_raw", entity("k"), timestamp("ts"), store="both")
    sets.do(DropFeatureSet(ref=Ref("default", "f"), cascade=True))
    server.start()
    sets.reopen()
    sets.vector("w", "other.x")
    assert sets.online("w", k=1) == {"x": 7.0}


def test_a_wrong_password_and_a_wrong_address_are_told(tmp_path: Path, server: redis.RedisServer) -> None:
    house = FeatureHouse(tmp_path / "home", settings(server, "wrong"))
    made(house, (1, minute(0), 1.0, "a"))
    with pytest.raises(Unavailable, match="refuses the password") as refused:
        house.online("v", k=1)
    assert "MLBOX_ONLINE_STORE_PASSWORD" in str(refused.value.hint)
    house.close()
    for url, why in (("redis://host:none/0", "is no address of Redis"), ("cassandra://host", "names no online store")):
        with pytest.raises(Invalid, match=why):
            FeatureHouse(tmp_path / url.partition(":")[0], Settings(online_store=url))


def test_a_full_store_is_told_and_nothing_is_half_written(tmp_path: Path) -> None:
    with redis.running(tmp_path / "redis", more=("--maxmemory", "3mb", "--maxmemory-policy", "noeviction")) as server:
        house = FeatureHouse(tmp_path / "home", settings(server, ""))
        made(house, (1, minute(0), 1.0, "a"))
        many = "SELECT range::INTEGER, TIMESTAMPTZ '2026-01-02', range::DOUBLE, 'text' FROM range(60000)"
        told = house.insert("f", many)
        assert told.message is not None and "is full" in told.message
        assert house.online("v", k=1) == {"x": 1.0, "s": "a"}
        assert house.online("v", k=2) == {"x": None, "s": None}
        house.close()


def test_addresses_are_shown_without_their_password() -> None:
    assert shown("redis://user:secret@host:6379/0?x=secret") == "redis://host:6379/0"
    assert shown("unix:///tmp/redis.sock?password=secret") == "unix:///tmp/redis.sock"
