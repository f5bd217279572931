"""VERIFY finds what differs between the stores, and says why; its door on the command line has an exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from feature_house import FeatureHouse, entity, minute, timestamp

from mlbox.base.errors import Conflict
from mlbox.base.names import Ref
from mlbox.engine.features.commands import VerifyFeatures
from mlbox.engine.features.stores.online.base import Row
from mlbox.engine.features.stores.online.codec import Layout
from mlbox.engine.features.stores.online.rows import put_many

TYPES = """
SELECT range::INTEGER AS k, TIMESTAMPTZ '2026-01-01' AS ts, range * 1.25 AS x, range / 3 AS third, 'w ' || range AS w,
    range % 2 = 0 AS even, DATE '2026-01-01' + range::INTEGER AS day, [range, NULL] AS list, {'a': range} AS struct,
    range::HUGEINT * 10000000000 AS huge, CASE WHEN range % 3 = 0 THEN 'nan'::DOUBLE END AS odd,
    TIMESTAMP '2026-01-01' + to_hours(range) AS clock
FROM range(50)
"""


def verified(sets: FeatureHouse, name: str = "f", sample: int = 1_000) -> tuple[int, list[dict[str, Any]]]:
    result = sets.do(VerifyFeatures(kind="feature set", ref=Ref("default", name), sample=sample))
    assert result.table is not None
    rows = result.table.to_pylist()
    assert result.facts["differences"] == len(rows)
    return int(result.facts["compared"]), rows


def test_values_of_every_type_are_the_same(sets: FeatureHouse) -> None:
    sets.create("f", TYPES, entity("k"), timestamp("ts"), store="both")
    assert verified(sets) == (50, [])
    assert verified(sets, sample=7) == (7, [])
    sets.vector("v", "f.x")
    result = sets.do(VerifyFeatures(kind="feature vector", ref=Ref("default", "v")))
    assert result.message == "50 entities compared: the online store says what the offline one says"


def test_each_difference_has_its_reason(sets: FeatureHouse) -> None:
    rows = [(key, minute(0), float(key), "a") for key in range(4)]
    sets.table("raw", "k INTEGER, ts TIMESTAMPTZ, x DOUBLE, s VARCHAR", rows)
    sets.create("f", "FROM raw", entity("k"), timestamp("ts"), store="both")
    schema = sets.features._directory.set(Ref("default", "f")).online_schema
    store = sets.features._store
    (order,) = sets.run("SELECT epoch_us(ts) FROM f LIMIT 1")[0]
    sequences = dict(sets.run('SELECT k, _ingested FROM data._sets."default.f@1"'))
    key = Layout(schema).keys.pack((0,))
    assert key is not None
    store.delete([key])  # lost
    for number, value in ((1, 100.0), (2, 2.0)):
        found = Layout(schema).keys.pack((number,))
        assert found is not None
        store.delete([found])
        sequence = sequences[number] if number == 1 else 0
        put_many(store, schema, [Row((number,), order, order, sequence, (value, "a" if number == 1 else "b"))])
    compared, rows_found = verified(sets)
    assert compared == 4
    told = {(row["entity"], row["feature"]): (row["offline"], row["online"], row["reason"]) for row in rows_found}
    assert told == {
        ("k = 0", "*"): ("a row", None, "the online store has no row"),
        ("k = 1", "x"): ("1.0", "100.0", "the same row has another value"),
        ("k = 2", "s"): ("a", "b", "the online row is older: it is not moved yet"),
    }


def test_a_set_by_hand_is_compared_as_far_as_it_is_online(sets: FeatureHouse) -> None:
    sets.table("raw", "k INTEGER, ts TIMESTAMPTZ, x DOUBLE", [(1, minute(0), 1.0), (1, minute(9), 9.0)])
    sets.create("f", "FROM raw", entity("k"), timestamp("ts"), store="both", options={"online": "manual"})
    sets.refresh("f", online=True, end=minute(5))
    assert verified(sets) == (1, [])
    sets.insert("f", "SELECT 2, TIMESTAMPTZ '2026-01-01', 2.0")
    assert verified(sets) == (1, [])
    sets.refresh("f", online=True)
    assert verified(sets) == (2, [])
    sets.create("offline", "SELECT 1 AS k, now() AS ts, 1 AS x", entity("k"), timestamp("ts"))
    with pytest.raises(Conflict, match="nothing of feature set default.offline is kept online"):
        verified(sets, "offline")


def test_the_command_line_says_it_by_its_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from mlbox.cli.main import main

    place = tmp_path / "home"
    home = ["--home", str(place)]
    made = (
        "CREATE FEATURE SET f (ENTITY k, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS SELECT 1 AS k, now() AS ts, 2 AS x"
    )
    assert main([*home, "sql", "-c", f"{made}; CREATE FEATURE VECTOR v AS FEATURES (f.*)"]) == 0
    capsys.readouterr()
    assert main([*home, "features", "verify", "v", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["differences"] == []
    with duckdb.connect(str(place / "features.duckdb")) as connection:  # behind our back, so that nothing follows it
        connection.execute('UPDATE _sets."default.f@1" SET x = 3')
    assert main([*home, "features", "verify", "f", "--set"]) == 1
    out = capsys.readouterr().out
    assert "f.x of k = 1: offline 3, online 2; the same row has another value" in out
    assert main([*home, "features", "verify", "w"]) == 1
