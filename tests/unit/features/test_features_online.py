"""Offline and online agree, after any history of inserts and refreshes, and after a crash."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from examples_of import examples
from feature_house import FeatureHouse, entity, known_at, minute, timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbox.base.errors import Conflict, Invalid
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import dropped_sets
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.features.commands import Column, DropFeatureSet

COLUMNS = "k INTEGER, ts TIMESTAMPTZ, known TIMESTAMPTZ, x DOUBLE"
NAMES = (f"s{number}" for number in itertools.count())


def made(sets: FeatureHouse, rows: list[tuple[Any, ...]], name: str = "f", **more: Any) -> None:
    sets.table(f"{name}_raw", COLUMNS, rows)
    more = {"store": "both", "options": {"online": "manual"}, **more}
    sets.create(name, f"FROM {name}_raw", entity("k"), timestamp("ts"), known_at("known"), **more)


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 10), st.integers(0, 4), st.none() | st.integers(0, 99)), max_size=12
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), ROWS),
        st.tuples(st.just("refresh"), st.integers(0, 16)),
        st.tuples(st.just("full"), st.just(0)),
        st.tuples(st.just("range"), st.integers(0, 12)),
        st.tuples(st.just("thin"), st.integers(0, 3)),
        st.tuples(st.just("online"), st.integers(0, 16)),
    ),
    max_size=8,
)


def plain(rows: list[tuple[int, int, int, int | None]]) -> list[tuple[Any, ...]]:
    return [(k, minute(event), minute(event + delay), x) for k, event, delay, x in rows]


@settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
@given(first=ROWS, steps=STEPS)
def test_online_is_the_newest_offline_row(shared: FeatureHouse, first: Any, steps: Any) -> None:
    name = next(NAMES)
    made(shared, plain(first), name)
    shared.vector(f"{name}_v", f"{name}.x")
    reader = shared.features.reader(Ref("default", f"{name}_v"))
    until: datetime | None = None
    for action, value in steps:
        if action == "append":
            shared.append(f"{name}_raw", plain(value))
        elif action == "thin":  # the source is corrected
            shared.run(f"DELETE FROM {name}_raw WHERE k = ?", [value])
        elif action == "refresh":
            shared.refresh(name, end=minute(value))
        elif action == "full":
            shared.refresh(name, full=True)
        elif action == "range":
            shared.refresh(name, start=minute(value), end=minute(value + 3))
        else:
            shared.refresh(name, online=True, end=minute(value))
            until = max(until or minute(value), minute(value))
            offline = dict(
                shared.run(
                    f'SELECT k, x FROM data._sets."default.{name}@1" WHERE known < ? '
                    "QUALIFY row_number() OVER (PARTITION BY k ORDER BY known DESC, ts DESC, _ingested DESC) = 1",
                    [until],
                )
            )
            assert reader.read({"k": [0, 1, 2, 3]}) == {"x": [offline.get(k) for k in range(4)]}


@settings(max_examples=examples(25), suppress_health_check=list(HealthCheck))
@given(rows=ROWS, cuts=st.lists(st.integers(0, 16), max_size=4))
def test_refresh_in_parts_is_refresh_at_once(shared: FeatureHouse, rows: Any, cuts: list[int]) -> None:
    parts, whole = next(NAMES), next(NAMES)
    made(shared, plain(rows), parts, options={"defer": True})
    made(shared, plain(rows), whole)
    for cut in sorted(cuts):
        shared.refresh(parts, end=minute(cut))
        shared.refresh(parts, end=minute(cut))
    shared.refresh(parts)
    assert shared.run(f"FROM {parts} ORDER BY ALL") == shared.run(f"FROM {whole} ORDER BY ALL")


def test_create_and_refresh_fill_the_online_store_unless_by_hand(sets: FeatureHouse) -> None:
    rows = [(1, minute(0), minute(1), 1.0)]
    made(sets, rows, "auto", options={})
    made(sets, rows, "hand")
    sets.vector("v", "auto.x AS a")
    sets.vector("w", "hand.x AS h")
    assert (sets.online("v", k=1), sets.online("w", k=1)) == ({"a": 1.0}, {"h": None})
    sets.append("auto_raw", [(1, minute(2), minute(3), 2.0)])
    sets.refresh("auto")
    sets.refresh("hand", online=True)
    assert (sets.online("v", k=1), sets.online("w", k=1)) == ({"a": 2.0}, {"h": 1.0})


def test_what_is_not_known_yet_is_not_online(sets: FeatureHouse) -> None:
    future = datetime.now(minute(0).tzinfo) + timedelta(days=1)
    made(sets, [(1, minute(0), minute(1), 1.0), (1, minute(2), future, 2.0)], options={})
    sets.vector("v", "f.x")
    assert sets.online("v", k=1) == {"x": 1.0}
    sets.refresh("f", online=True, end=future + timedelta(seconds=1))
    assert sets.online("v", k=1) == {"x": 2.0}


def test_an_online_refresh_that_has_nothing_to_do_writes_nothing(sets: FeatureHouse) -> None:
    made(sets, [(1, minute(0), minute(1), 1.0)])
    assert sets.refresh("f", online=True, end=minute(5)).facts == {"rows": 1}
    (before,) = sets.rows("SELECT online_until FROM ml.feature_sets")
    assert before == {"online_until": minute(5)}
    assert sets.refresh("f", online=True, end=minute(5)).facts == {"rows": 0}
    assert sets.refresh("f", online=True, end=minute(2)).facts == {"rows": 0}
    assert sets.rows("SELECT online_until FROM ml.feature_sets") == [before]


# -- reading ----------------------------------------------------------------------------------------------------------


def test_values_older_than_ttl_are_missing(sets: FeatureHouse) -> None:
    made(sets, [(1, minute(0), minute(10), 1.0)], ttl=timedelta(minutes=5))
    sets.refresh("f", online=True)
    sets.vector("v", "f.x")
    reader = sets.features.reader(Ref("default", "v"))
    instants = [minute(10), minute(15), minute(15) + timedelta(microseconds=1), None]
    assert reader.read({"k": [1] * 4}, instants) == {"x": [1.0, 1.0, None, None]}  # minute 10 is long ago
    naive = [minute(15).replace(tzinfo=None)]
    assert reader.read({"k": [1]}, naive) == {"x": [1.0]}


def test_several_sets_and_entities(sets: FeatureHouse) -> None:
    made(sets, [(1, minute(0), minute(1), 1.0), (2, minute(0), minute(1), None)], options={})
    sets.create(
        "pair",
        "SELECT 1 AS k, 'a' AS city, now() - INTERVAL 1 DAY AS ts, [1, 2] AS l, DATE '2026-01-05' AS d, true AS b",
        entity("k"),
        entity("city"),
        timestamp("ts"),
        store="both",
    )
    sets.vector("v", "pair.b", "f.x", "pair.l", "pair.d")
    reader = sets.features.reader(Ref("default", "v"))
    assert set(reader.entities) == {"k", "city"}
    assert reader.features == ["b", "x", "l", "d"]
    found = reader.read({"k": [1, 2, None, "1"], "city": ["a", "a", "a", "a"]})
    assert found["x"] == [1.0, None, None, 1.0]
    assert found["b"] == [True, None, None, True]
    assert found["l"][0] == [1, 2]
    assert str(found["d"][0]) == "2026-01-05"
    with pytest.raises(Invalid, match="entity city is missing"):
        reader.read({"k": [1]})
    with pytest.raises(Invalid, match="'x', 'a' is not of type INTEGER, VARCHAR"):
        reader.read({"k": ["x"], "city": ["a"]})
    (row,) = sets.features.online(Ref("default", "v"), {"k": 1, "city": "a"}).rows
    assert (row["k"], row["x"]) == (1, 1.0)
    with pytest.raises(Invalid, match="entity city is missing"):
        sets.features.online(Ref("default", "v"), {"k": 1})


def test_a_reader_follows_refreshes_and_new_definitions(sets: FeatureHouse) -> None:
    made(sets, [(1, minute(0), minute(1), 1.0)], options={})
    sets.vector("v", "f.x")
    reader = sets.features.reader(Ref("default", "v"))
    sets.append("f_raw", [(1, minute(2), minute(3), 2.0)])
    sets.refresh("f")
    assert reader.read({"k": [1]}) == {"x": [2.0]}
    sets.vector("v", "f.x AS y", replace=True)
    assert reader.read({"k": [1]}) == {"y": [2.0]}
    sets.create("offline", "SELECT 1 AS k, now() AS ts, 1 AS x", entity("k"), timestamp("ts"))
    sets.vector("w", "offline.x")
    with pytest.raises(Conflict, match="kept offline only"):
        sets.features.reader(Ref("default", "w"))


def test_another_process_reads_the_store(sets: FeatureHouse) -> None:
    import subprocess
    import sys

    made(sets, [(1, minute(0), minute(1), 1.5)], options={})
    (definition,) = sets.run("SELECT definition FROM catalog.main.feature_sets")
    code = """
import sys
from pathlib import Path
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.stores.online.lmdb import LmdbStore
from mlbox.engine.features.stores.online.rows import get_many
found = FeatureSet.from_text(sys.argv[2])
(row,) = get_many(LmdbStore(Path(sys.argv[1]), read_only=True), found.online_schema, [(1,)])
print(row.values)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(sets.home.online), definition[0]], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1.5,)"


# -- crashes ----------------------------------------------------------------------------------------------------------


def test_a_set_whose_rows_were_committed_and_whose_row_in_the_catalog_was_not(sets: FeatureHouse) -> None:
    """Between the two files a crash can fall: rows and definition are there, the catalog does not know them."""
    made(sets, [(1, minute(0), minute(1), 1.0)], options={})
    sets.catalog.write(lambda cursor: table.delete(cursor, "default", "f"))
    sets.reopen()
    assert sets.rows("SELECT name, version, rows FROM ml.feature_sets") == [{"name": "f", "version": 1, "rows": 1}]
    sets.vector("v", "f.x")
    assert sets.online("v", k=1) == {"x": 1.0}
    assert sets.refresh("f").facts == {"rows": 0}


def test_rows_that_were_committed_and_not_moved_online(sets: FeatureHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    made(sets, [(1, minute(0), minute(1), 1.0)], options={})
    sets.vector("v", "f.x")
    sets.append("f_raw", [(1, minute(2), minute(3), 2.0)])
    with monkeypatch.context() as patched:
        patched.setattr(type(sets.features._sets), "_follow", lambda self, found: None)  # it dies here
        sets.refresh("f")
    assert sets.online("v", k=1) == {"x": 1.0}
    sets.reopen()
    assert sets.online("v", k=1) == {"x": 2.0}


def test_rows_moved_online_before_the_catalog_knew(sets: FeatureHouse) -> None:
    made(sets, [(1, minute(0), minute(1), 1.0)])
    sets.vector("v", "f.x")
    sets.refresh("f", online=True, end=minute(5))
    forget = "UPDATE catalog.main.feature_sets SET online_until = NULL, online_sequence = NULL"
    sets.catalog.write(lambda cursor: cursor.execute(forget) and None)
    sets.reopen()
    assert sets.online("v", k=1) == {"x": 1.0}
    assert sets.refresh("f", online=True, end=minute(5)).facts == {"rows": 0}  # the repeat changes nothing


def test_a_drop_that_got_half_way(sets: FeatureHouse) -> None:
    """The data go first; the catalog follows at open."""
    made(sets, [(1, minute(0), minute(1), 1.0)])
    with sets.catalog.transaction_data() as cursor:
        cursor.execute('DROP VIEW data."default".f')
        ((_, key),) = table.versions(cursor, "default", "f")
        dropped_sets.bury(cursor, "default", "f", key)
    sets.reopen()
    assert sets.rows("FROM ml.feature_sets") == []
    made(sets, [(1, minute(0), minute(1), 1.0)])
    sets.do(DropFeatureSet(ref=Ref("default", "f")))


def test_everything_survives_a_restart(sets: FeatureHouse) -> None:
    made(sets, [(1, minute(0), minute(1), 1.0)], options={}, ttl=timedelta(days=9999))
    sets.create("g", None, entity("k", "INTEGER"), timestamp("ts"), Column("y", type="DOUBLE", comment="why"))
    sets.vector("v", "f.x", label="g.y")
    views = ("feature_sets", "features", "feature_vectors")
    before = [sets.rows(f"FROM ml.{view} ORDER BY ALL") for view in views]
    sets.reopen()
    assert before == [sets.rows(f"FROM ml.{view} ORDER BY ALL") for view in views]
    assert sets.online("v", k=1) == {"x": 1.0}
