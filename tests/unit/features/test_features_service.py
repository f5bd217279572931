"""Feature sets and vectors through their commands."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import Any

import pytest
from feature_house import FeatureHouse, entity, known_at, minute, timestamp

from mlbox.base.command import Query
from mlbox.base.errors import AlreadyExists, Conflict, Invalid, MlboxError, NotFound
from mlbox.base.names import Ref
from mlbox.engine.catalog.commands import CreateProject, DropProject
from mlbox.engine.features.commands import (
    Aggregate,
    Column,
    CreateFeatureSet,
    DropFeatureSet,
    DropFeatureVector,
    InsertFeatures,
    RefreshFeatureVector,
)

EVENTS = "k INTEGER, ts TIMESTAMPTZ, x DOUBLE, city VARCHAR"


def visits(sets: FeatureHouse, *rows: tuple[Any, ...]) -> None:
    sets.table("visits", EVENTS, rows)


def simple(sets: FeatureHouse, name: str = "f", **more: Any) -> None:
    if not sets.run("SELECT 1 FROM duckdb_tables() WHERE table_name = 'visits'"):
        visits(sets, (1, minute(0), 1.0, "Rome"), (1, minute(5), 2.0, "Oslo"), (2, minute(3), 3.0, None))
    sets.create(name, "SELECT * FROM visits", entity("k"), timestamp("ts"), **more)


# -- definition -------------------------------------------------------------------------------------------------------


def test_a_set_is_a_view_without_hidden_columns(sets: FeatureHouse) -> None:
    simple(sets)
    assert sets.rows("FROM f ORDER BY ts LIMIT 1") == [{"k": 1, "ts": minute(0), "x": 1.0, "city": "Rome"}]
    (row,) = sets.rows("FROM ml.feature_sets")
    assert (row["entities"], row["timestamp"], row["rows"], row["version"]) == (["k"], "ts", 3, 1)
    assert (row["first_event"], row["last_event"]) == (minute(0), minute(5))
    roles = {row["name"]: (row["type"], row["role"]) for row in sets.rows("FROM ml.features")}
    assert roles == {
        "k": ("INTEGER", "entity"),
        "ts": ("TIMESTAMP WITH TIME ZONE", "timestamp"),
        "x": ("DOUBLE", "feature"),
        "city": ("VARCHAR", "feature"),
    }
    (ingest,) = sets.rows("FROM ml.ingests")
    assert (ingest["rows"], ingest["from_time"], ingest["to_time"]) == (3, minute(0), minute(5))


def test_declared_columns_are_cast_and_nothing_else_is_kept(sets: FeatureHouse) -> None:
    visits(sets, (1, minute(0), 1.5, "Rome"), (1, minute(1), None, "Oslo"))
    sets.create(
        "f",
        "SELECT * FROM visits",
        entity("k"),
        timestamp("ts"),
        Column("x", type="INTEGER", default=7, has_default=True),
    )
    assert sets.rows("FROM f ORDER BY ts") == [
        {"k": 1, "ts": minute(0), "x": 2},
        {"k": 1, "ts": minute(1), "x": 7},
    ]


def test_times_without_zone_are_utc(sets: FeatureHouse) -> None:
    sets.create("f", "SELECT 1 AS k, TIMESTAMP '2026-01-01 00:02:00' AS ts, 1 AS x", entity("k"), timestamp("ts"))
    (row,) = sets.rows("FROM f")
    assert row["ts"].astimezone(UTC) == minute(2)


@pytest.mark.parametrize(
    ("query", "columns", "more", "said"),
    [
        ("SELECT 1 AS k, now() AS tss, 2 AS x", (), {}, "gives no column 'ts'.*did you mean tss"),
        ("SELECT 1 AS k, now() AS ts", (), {}, "has no feature"),
        ("SELECT 1 AS k, 5 AS ts, 2 AS x", (), {}, "is a INTEGER, not a time"),
        ("SELECT 1 AS k, now() AS ts, 2 AS y", (Column("x"),), {}, "gives no column 'x'"),
        ("SELECT 1 AS k, now() AS ts, 2 AS x", (Column("x", check=Query("z > 1")),), {}, "z"),
        ("SELECT 1 AS k, now() AS ts, 2 AS x", (Column("x", type="NUMBERY"),), {}, "NUMBERY"),
        ("SELECT 1 AS k, now() AS ts, 2 AS x", (), {"options": {"onlin": "manual"}}, "did you mean online"),
        ("SELECT 1 AS k, now() AS ts, 2 AS x", (), {"options": {"on_error": "shrug"}}, "allowed: fail, skip"),
        ("SELECT 1 AS k, now() AS ts, 2 AS _ingested", (), {}, "may not be called"),
        ("SELECT 1 AS k, now() AS ts, 2 AS x FROM nowhere", (), {}, "nowhere"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(
    sets: FeatureHouse, query: str, columns: tuple[Column, ...], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(MlboxError) as caught:
        sets.create("f", query, entity("k"), timestamp("ts"), *columns, **more)
    assert re.search(said, f"{caught.value.message} {caught.value.hint}")
    assert sets.rows("FROM ml.feature_sets") == []
    assert sets.run("SELECT count(*) FROM duckdb_tables() WHERE schema_name = '_sets'") == [(0,)]


def test_a_check_that_does_not_bind_points_into_the_statement(sets: FeatureHouse) -> None:
    text = "CREATE FEATURE SET f (ENTITY k, TIMESTAMP ts, x CHECK (x > zz)) AS ..."
    check = Query("x > zz", text.index("x > zz"), text)
    with pytest.raises(MlboxError) as caught:
        sets.create("f", "SELECT 1 AS k, now() AS ts, 2 AS x", entity("k"), timestamp("ts"), Column("x", check=check))
    assert caught.value.where is not None
    assert caught.value.where.offset == text.index("zz")


def test_names_are_taken_once(sets: FeatureHouse) -> None:
    simple(sets)
    with pytest.raises(AlreadyExists):
        simple(sets, "F")
    with pytest.raises(AlreadyExists):
        simple(sets, "visits")
    sets.create("f", "SELECT 1", if_not_exists=True)
    assert sets.rows("SELECT version FROM ml.feature_sets") == [{"version": 1}]


def test_replacing_makes_a_version_and_keeps_the_name(sets: FeatureHouse) -> None:
    simple(sets, store="both")
    sets.vector("v", "f.x")
    sets.create("F", "SELECT 1 AS k, now() AS ts, 9.0 AS x", entity("k"), timestamp("ts"), replace=True, store="both")
    assert sets.rows("SELECT name, version, rows FROM ml.feature_sets") == [{"name": "f", "version": 2, "rows": 1}]
    assert sets.online("v", k=1) == {"x": 9.0}
    assert sets.run('SELECT count(*) FROM data._sets."default.f@1"') == [(3,)]  # the old version stays readable
    with pytest.raises(Conflict, match=r"reads f\.x"):
        sets.create("f", "SELECT 1 AS k, now() AS ts, 9.0 AS y", entity("k"), timestamp("ts"), replace=True)


# -- validation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((None, minute(1), 1.0, "a"), "entity k is missing"),
        ((1, None, 1.0, "a"), "time ts is missing"),
        ((1, minute(1), -1.0, "a"), r"CHECK \(x >= 0\) is false"),
        ((1, minute(1), 1.0, None), "city is NOT NULL"),
    ],
)
def test_wrong_rows_are_counted_and_shown_or_skipped(sets: FeatureHouse, row: tuple[Any, ...], said: str) -> None:
    visits(sets, (1, minute(0), 1.0, "Rome"), row, row)
    columns = [entity("k"), timestamp("ts"), Column("x", check=Query("x >= 0")), Column("city", not_null=True)]
    with pytest.raises(Invalid, match=f"{said}.* in 2 rows") as caught:
        sets.create("f", "FROM visits", *columns)
    assert caught.value.details["count"] == 2
    assert sets.rows("FROM ml.feature_sets") == []
    done = sets.create("g", "FROM visits", *columns, options={"on_error": "skip"})
    assert "2 wrong ones left out" in done.message
    assert sets.run("SELECT count(*) FROM g") == [(1,)]


def test_a_check_of_nothing_is_not_false(sets: FeatureHouse) -> None:
    visits(sets, (1, minute(0), None, "Rome"))
    sets.create("f", "FROM visits", entity("k"), timestamp("ts"), Column("x", check=Query("x >= 0")))
    assert sets.run("SELECT x FROM f") == [(None,)]


def test_a_wrong_row_of_a_refresh_leaves_everything_as_it_was(sets: FeatureHouse) -> None:
    simple(sets)
    sets.append("visits", [(1, minute(9), 4.0, "Bern"), (1, None, 5.0, "Bern")])
    with pytest.raises(Invalid, match="time ts is missing in 1 row"):
        sets.refresh("f")
    assert sets.run("SELECT count(*) FROM f") == [(3,)]
    assert len(sets.rows("FROM ml.ingests")) == 1


# -- refresh ----------------------------------------------------------------------------------------------------------


def test_refresh_takes_what_is_newer_once(sets: FeatureHouse) -> None:
    simple(sets)
    sets.append("visits", [(1, minute(9), 4.0, "Bern"), (1, minute(20), 5.0, "Bern")])
    assert sets.refresh("f", end=minute(20)).facts == {"rows": 1}
    assert sets.refresh("f", end=minute(20)).facts == {"rows": 0}
    assert sets.refresh("f").facts == {"rows": 1}
    assert sets.refresh("f").facts == {"rows": 0}
    assert sets.run("SELECT count(*) FROM f") == [(5,)]
    assert len(sets.rows("FROM ml.ingests")) == 3


def test_a_range_is_replaced_and_full_takes_all(sets: FeatureHouse) -> None:
    simple(sets)
    sets.run("UPDATE visits SET x = x * 10")
    sets.append("visits", [(3, minute(4), 70.0, None)])
    sets.refresh("f", start=minute(3), end=minute(5))
    assert sets.run("SELECT k, x FROM f ORDER BY ts, k") == [(1, 1.0), (2, 30.0), (3, 70.0), (1, 2.0)]
    sets.refresh("f", full=True)
    assert sets.run("SELECT k, x FROM f ORDER BY ts, k") == [(1, 10.0), (2, 30.0), (3, 70.0), (1, 20.0)]


def test_after_rows_went_the_watermark_goes_back(sets: FeatureHouse) -> None:
    simple(sets)
    sets.run("DELETE FROM visits WHERE ts >= ?", [minute(3)])
    sets.refresh("f", full=True)
    sets.append("visits", [(1, minute(2), 8.0, None)])
    assert sets.refresh("f").facts == {"rows": 1}


def test_only_a_query_can_be_refreshed(sets: FeatureHouse) -> None:
    sets.create("f", None, entity("k", "INTEGER"), timestamp("ts"), Column("x", type="DOUBLE"))
    with pytest.raises(Conflict, match="no query"):
        sets.refresh("f")
    with pytest.raises(Conflict, match="offline only"):
        sets.refresh("f", online=True)
    with pytest.raises(NotFound, match=r"default\.g") as caught:
        sets.refresh("g")
    assert caught.value.hint is not None and "f" in caught.value.hint


# -- insert -----------------------------------------------------------------------------------------------------------


def test_inserted_rows_are_validated_and_go_online(sets: FeatureHouse) -> None:
    sets.create(
        "f",
        None,
        entity("k", "INTEGER"),
        timestamp("ts"),
        Column("x", type="DOUBLE", check=Query("x > 0")),
        Column("n", type="INTEGER", default=3, has_default=True),
        store="both",
    )
    sets.vector("v", "f.*")
    assert sets.insert("f", "VALUES (1, TIMESTAMP '2026-01-01', 2.5, 8)").facts == {"rows": 1}
    assert sets.online("v", k=1) == {"x": 2.5, "n": 8}
    sets.insert("f", "SELECT 4.5, 1, TIMESTAMP '2026-01-02'", "x", "k", "ts")
    assert sets.online("v", k=1) == {"x": 4.5, "n": 3}
    with pytest.raises(Invalid, match="CHECK"):
        sets.insert("f", "VALUES (1, TIMESTAMP '2026-01-03', -1, 1)")
    with pytest.raises(Invalid, match="4 columns are expected"):
        sets.insert("f", "VALUES (1, 2)")
    with pytest.raises(Invalid, match="no column 'y'"):
        sets.insert("f", "VALUES (1, TIMESTAMP '2026-01-03', 1)", "k", "ts", "y")
    with pytest.raises(Invalid, match="no 'ts'"):
        sets.insert("f", "VALUES (1, 1)", "k", "x")
    assert sets.run("SELECT count(*) FROM f") == [(2,)]


def test_insert_reads_names_of_the_callers_project(sets: FeatureHouse) -> None:
    sets.create("f", None, entity("k", "INTEGER"), timestamp("ts"), Column("x", type="DOUBLE"))
    sets.do(CreateProject(name="other"))
    sets.run("CREATE TABLE data.other.fresh AS SELECT 1 AS k, now() AS ts, 2.0 AS x")
    command = InsertFeatures(ref=Ref("default", "f"), query=Query("FROM fresh"))
    assert sets.do(command, "other").facts == {"rows": 1}


# -- vectors ----------------------------------------------------------------------------------------------------------


def test_vector_wildcards_aliases_and_collisions(sets: FeatureHouse) -> None:
    simple(sets)
    simple(sets, "g")
    sets.vector("v", "f.*", "g.x AS gx", label="g.city")
    (row,) = sets.rows("FROM ml.feature_vectors")
    assert (row["features"], row["label"]) == (["f.x", "f.city", "g.x AS gx"], "g.city")
    with pytest.raises(Invalid, match="two features are called 'x'"):
        sets.vector("w", "f.x", "g.x")
    with pytest.raises(NotFound, match="no feature 'y'"):
        sets.vector("w", "f.y")
    with pytest.raises(NotFound, match=r"no feature set default\.h"):
        sets.vector("w", "h.y")


def test_a_set_goes_with_its_vectors_or_not_at_all(sets: FeatureHouse) -> None:
    simple(sets, store="both")
    sets.vector("v", "f.x")
    reader = sets.features.reader(Ref("default", "v"))
    with pytest.raises(Conflict, match="read by feature vector v"):
        sets.do(DropFeatureSet(ref=Ref("default", "f")))
    sets.do(DropFeatureSet(ref=Ref("default", "f"), cascade=True))
    assert sets.rows("FROM ml.feature_sets") == sets.rows("FROM ml.feature_vectors") == []
    assert sets.rows("FROM ml.ingests") == sets.rows("FROM ml.feature_stats") == []
    kept = "SELECT count(*) FROM duckdb_tables() WHERE schema_name = '_sets' AND table_name = 'default.f@1'"
    assert sets.run(kept) == [(0,)]  # its rows have another name, for RESTORE
    with pytest.raises(NotFound, match="no feature vector"):
        reader.read({"k": [1]})
    assert "there is no" in sets.do(DropFeatureSet(ref=Ref("default", "f"), if_exists=True)).message
    simple(sets, store="both")
    sets.vector("v", "f.x")
    assert reader.read({"k": [1]}) == {"x": [2.0]}


def test_a_project_goes_with_its_sets(sets: FeatureHouse) -> None:
    sets.do(CreateProject(name="other"))
    columns = (entity("k"), timestamp("ts"))
    query = Query("SELECT 1 AS k, now() AS ts, 2.0 AS x")
    sets.do(CreateFeatureSet(ref=Ref("other", "f"), columns=columns, query=query, store="both"))
    simple(sets)
    sets.do(DropProject(name="other", cascade=True, purge=True))
    assert sets.rows("SELECT project, name FROM ml.feature_sets") == [{"project": "default", "name": "f"}]
    assert sets.run("SELECT table_name FROM duckdb_tables() WHERE schema_name = '_sets'") == [("default.f@1",)]
    with pytest.raises(NotFound):
        sets.do(DropFeatureSet(ref=Ref("other", "f")))
    sets.reopen()
    assert len(sets.rows("FROM ml.feature_sets")) == 1


def test_a_dropped_vector_leaves_its_sets(sets: FeatureHouse) -> None:
    simple(sets)
    sets.vector("v", "f.x")
    sets.do(DropFeatureVector(ref=Ref("default", "v")))
    assert sets.rows("FROM ml.feature_vectors") == []
    assert sets.run("SELECT count(*) FROM f") == [(3,)]


def test_refresh_of_a_vector_refreshes_its_sets(sets: FeatureHouse) -> None:
    simple(sets, store="both", options={"online": "manual"})
    simple(sets, "g")
    sets.vector("v", "f.x", "g.x AS y")
    sets.append("visits", [(1, minute(9), 4.0, "Bern")])
    assert sets.do(RefreshFeatureVector(ref=Ref("default", "v"))).facts == {"rows": 2}
    assert sets.do(RefreshFeatureVector(ref=Ref("default", "v"), online=True)).facts == {"rows": 2}


# -- retrieval --------------------------------------------------------------------------------------------------------


def test_the_label_set_is_the_spine_of_training(sets: FeatureHouse) -> None:
    simple(sets)
    sets.table("labels_raw", "k INTEGER, ts TIMESTAMPTZ, late BOOLEAN", [(1, minute(4), True), (2, minute(1), False)])
    sets.create("labels", "FROM labels_raw", entity("k"), timestamp("ts"))
    sets.vector("v", "f.x", label="labels.late")
    assert sets.features.training_query(Ref("default", "v")).text.startswith("FROM ml.features(")
    assert sets.as_of("v", '"default"."labels"') == [
        {"k": 1, "ts": minute(4), "late": True, "x": 1.0},
        {"k": 2, "ts": minute(1), "late": False, "x": None},
    ]
    sets.vector("w", "f.x")
    with pytest.raises(Invalid, match="has no label"):
        sets.features.training_query(Ref("default", "w"))
    assert sets.features.training_query(Ref("default", "visits")).text == 'FROM "default"."visits"'


def test_a_label_is_joined_to_another_spine_by_entity(sets: FeatureHouse) -> None:
    simple(sets)
    sets.create("labels", "SELECT 1 AS k, now() AS at_, 0.5 AS y", entity("k"), timestamp("at_"))
    sets.vector("v", "f.x", label="labels.y")
    sets.table("spine", "k INTEGER, event_time TIMESTAMP", [(1, minute(6).replace(tzinfo=None)), (2, None)])
    found = sets.as_of("v", "spine", "k")
    assert [(row["k"], row["x"], float(row["y"]) if row["y"] else None) for row in found] == [
        (1, 2.0, 0.5),
        (2, None, None),
    ]


def test_a_cte_is_a_spine(sets: FeatureHouse) -> None:
    simple(sets)
    sets.vector("v", "f.x")
    sql = sets.features.features_sql("default", "v", "mine")
    rows = sets.run(f"WITH mine AS (SELECT 1 AS k, TIMESTAMPTZ '2026-01-01 00:04:00Z' AS event_time) FROM ({sql})")
    assert [row[-1] for row in rows] == [1.0]


def test_own_features_of_a_set_known_later_do_not_leak(sets: FeatureHouse) -> None:
    sets.table(
        "trips",
        "k INTEGER, start_at TIMESTAMPTZ, end_at TIMESTAMPTZ, minutes INTEGER",
        [(1, minute(0), minute(10), 10), (1, minute(5), minute(30), 25), (1, minute(12), minute(14), 2)],
    )
    sets.create("trips_f", "FROM trips", entity("k"), timestamp("start_at"), known_at("end_at"))
    sets.vector("v", "trips_f.minutes AS last_minutes", label="trips_f.minutes")
    found = sets.as_of("v", "trips_f", "start_at")
    assert [(row["minutes"], row["last_minutes"]) for row in found] == [(10, None), (25, None), (2, 10)]
    sets.vector("w", "trips_f.minutes", label="trips_f.minutes")
    with pytest.raises(Invalid, match="only rows known before"):
        sets.as_of("w", "trips_f")


def test_own_features_of_a_set_known_at_once_are_its_columns(sets: FeatureHouse) -> None:
    simple(sets)
    sets.vector("v", "f.x", "f.city AS town", label="f.x")
    found = sets.as_of("v", "f", "ts, k")
    assert [(row["x"], row["city"], row["town"]) for row in found] == [
        (1.0, "Rome", "Rome"),
        (3.0, None, None),
        (2.0, "Oslo", "Oslo"),
    ]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("key INTEGER, event_time TIMESTAMPTZ", "no column 'k'"),
        ("k INTEGER", "which column of the spine"),
        ("k INTEGER, a TIMESTAMPTZ, b TIMESTAMPTZ", "it has 2: a, b"),
        ("k INTEGER, ts TIMESTAMPTZ, X DOUBLE", "has a column 'x'"),
    ],
)
def test_spines_that_do_not_fit(sets: FeatureHouse, columns: str, said: str) -> None:
    simple(sets)
    sets.vector("v", "f.x")
    sets.run(f"CREATE TABLE spine ({columns})")
    with pytest.raises(Invalid, match=said):
        sets.as_of("v", "spine")
    with pytest.raises(Invalid, match="is not a name"):
        sets.as_of("v", "(SELECT 1)")
    with pytest.raises(NotFound, match="vector"):
        sets.as_of("vv", "spine")


def test_all_entities_as_of_an_instant(sets: FeatureHouse) -> None:
    simple(sets, ttl=timedelta(minutes=3))
    sets.vector("v", "f.x")
    sql = sets.features.features_at_sql("default", "v", minute(4).isoformat())
    assert sets.run(f"SELECT k, x FROM ({sql}) ORDER BY k") == [(1, None), (2, 3.0)]


# -- lineage, events --------------------------------------------------------------------------------------------------


def test_lineage_leads_from_table_to_vector(sets: FeatureHouse) -> None:
    simple(sets)
    sets.create("g", "SELECT k, ts, x AS y FROM f", entity("k"), timestamp("ts"))
    sets.vector("v", "g.y")
    edges = {(row["from_ref"], row["to_ref"]) for row in sets.rows("FROM ml.lineage")}
    assert edges == {
        ("default.visits", "default.f@1"),
        ("default.f@1", "default.g@1"),
        ("default.g@1", "default.v"),
    }
    assert [event.kind for event in sets.events] == ["feature_set.created"] * 2 + ["feature_vector.created"]


def test_aggregates_over_a_query_refuse_inserts_and_others_need_types(sets: FeatureHouse) -> None:
    counted = Aggregate("count", "*", (timedelta(minutes=5),))
    with pytest.raises(Invalid, match="no query or source that tells the columns of feature set f"):
        sets.create("f", None, entity("k"), timestamp("ts"), aggregates=(counted,))
    sets.create("g", None, entity("k", "INTEGER"), timestamp("ts"), aggregates=(counted,))
    sets.insert("g", "SELECT 1, now()")
    visits(sets, (1, minute(0), 1.0, "Rome"))
    sets.create("f", "FROM visits", entity("k"), timestamp("ts"), aggregates=(counted,))
    with pytest.raises(Conflict, match="takes no rows by INSERT"):
        sets.insert("f", "VALUES (1, now(), 1)")
