"""CREATE DATASET keeps rows, query and lineage; the same rows are the same version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from fresh_home import fresh_home

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import MlboxError
from mlbox.base.settings import Settings
from mlbox.sql.session import Session

SETS = """
CREATE TABLE raw AS SELECT range % 5 AS k, TIMESTAMPTZ '2026-01-01' + to_hours(range) AS ts, range AS x FROM range(50);
CREATE FEATURE SET f (ENTITY k, TIMESTAMP ts) AS SELECT * FROM raw;
CREATE FEATURE VECTOR v AS FEATURES (f.x);
CREATE TABLE asked AS SELECT range AS k, TIMESTAMPTZ '2026-01-02' AS event_time FROM range(5)
"""
TRAINING = "FROM ml.features('v', 'asked') ORDER BY k"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = House.open(fresh_home(tmp_path / "home"), Settings())
    yield opened
    opened.close()


def run(house: House, text: str) -> Any:
    *_, outcome = Session(house.catalog, house.dispatcher, Caller()).run(text)
    return outcome.result


def test_rows_query_and_lineage(house: House) -> None:
    run(house, SETS)
    plan = run(house, f"EXPLAIN CREATE DATASET training AS {TRAINING}").table.to_pylist()
    assert [(row["action"], row["object"]) for row in plan] == [
        ("read", "feature vector default.v"), ("read", "table default.asked"), ("write", "dataset default.training"),
    ]  # fmt: skip
    first = run(house, f"CREATE DATASET training COMMENT 'for the tutorial' AS {TRAINING}")
    assert dict(first.facts) == {"rows": 5, "version": 1}
    assert run(house, f"CREATE DATASET training AS {TRAINING}").facts["version"] == 1  # the same bytes
    run(house, "INSERT INTO f VALUES (1, '2026-01-01 23:30', 999)")
    assert run(house, f"CREATE DATASET training AS {TRAINING}").facts["version"] == 2
    rows = run(
        house, "SELECT digest, kind, version, metadata FROM ml.artifacts WHERE name = 'training' ORDER BY version"
    )
    found = rows.table.to_pylist()
    assert {row["kind"] for row in found} == {"dataset"}
    kept = pyarrow.parquet.read_table(house.artifacts.path(found[0]["digest"]))
    assert kept.column_names == ["k", "event_time", "x"] and kept["x"].to_pylist() == [20, 21, 22, 23, 24]
    told = run(
        house, "SELECT metadata.query::VARCHAR AS q, metadata.rows::INT AS n FROM ml.artifacts WHERE version = 2"
    )
    assert told.table.to_pylist() == [{"q": TRAINING, "n": 5}]
    edges = run(house, "SELECT from_kind, from_ref FROM ml.lineage WHERE to_ref = 'default.training@2' ORDER BY ALL")
    assert edges.table.to_pylist() == [
        {"from_kind": "feature vector", "from_ref": "default.v"}, {"from_kind": "table", "from_ref": "default.asked"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CREATE DATASET d AS SELECT * FROM nowhere", "nowhere"),
        ("CREATE DATASET d AS SELECT error('on the way') FROM range(3)", "on the way"),
        ("CREATE DATASET nowhere.d AS SELECT 1 AS x", "there is no project"),
        ("CREATE DATASET d", "needs its query"),
    ],
)
def test_what_is_wrong_leaves_nothing(house: House, text: str, message: str) -> None:
    with pytest.raises(MlboxError, match=message):
        run(house, text)
    assert run(house, "FROM ml.artifacts").table.num_rows == 0
    assert list((house.home.path / "cache").glob("dataset-*")) == []


def test_rows_of_a_dataset_are_read_in_sql(house: House) -> None:
    run(house, SETS)
    run(house, "CREATE DATASET d AS SELECT 1 AS a; CREATE DATASET d AS SELECT 2 AS a, 'x' AS b")
    assert run(house, "FROM ml.dataset('d')").table.to_pylist() == [{"a": 2, "b": "x"}]
    assert run(house, "FROM ml.dataset('default.d@1')").table.to_pylist() == [{"a": 1}]
    assert run(house, "CREATE TABLE t AS FROM ml.dataset('d'); SELECT b FROM t").table.to_pylist() == [{"b": "x"}]
    run(house, "ALTER ARTIFACT 'd' SET ALIAS stable = 1")
    for version in ("stable", "STABLE", "1"):
        assert run(house, f"FROM ml.dataset('d@{version}')").table.to_pylist() == [{"a": 1}]
    assert run(house, "FROM ml.dataset('d@latest')").table.to_pylist() == [{"a": 2, "b": "x"}]
    missing = "has no version or alias 'new'"
    for name, message in (("e", "there is no dataset"), ("d@7", "there is no dataset"), ("d@new", missing)):
        with pytest.raises(MlboxError, match=message):
            run(house, f"FROM ml.dataset('{name}')")


LOGGED = """
def keep(ctx):
    rows = [{"x": 1, "w": "007"}, {"x": 2, "w": None}]
    for form in ("parquet", "csv", "json", "feather"):
        ctx.log_dataset(f"as_{form}", rows, form)
"""


def test_rows_that_a_run_has_logged_are_read_in_sql(house: House, tmp_path: Path) -> None:
    (tmp_path / "keep.py").write_text(LOGGED)
    run(house, f"CREATE FUNCTION keep FROM '{tmp_path}/keep.py'; RUN keep")
    for form in ("parquet", "json"):
        assert run(house, f"FROM ml.dataset('as_{form}')").table.to_pylist() == [
            {"x": 1, "w": "007"}, {"x": 2, "w": None}
        ]  # fmt: skip
    assert run(house, "SELECT sum(x) AS x FROM ml.dataset('as_csv')").table.to_pylist() == [{"x": 3}]
    with pytest.raises(MlboxError, match=r"arrow\.file, which is not read in SQL") as refused:
        run(house, "FROM ml.dataset('as_feather')")
    assert "Parquet, CSV and JSON are" in str(refused.value.hint)


def test_members_read_datasets_of_their_projects(tmp_path: Path) -> None:
    first = House.open(fresh_home(tmp_path / "home"), Settings())
    run(first, "CREATE PROJECT shown; CREATE PROJECT hidden; GRANT viewer ON PROJECT shown TO 'vera'")
    run(first, "CREATE DATASET shown.d AS SELECT 1 AS a; CREATE DATASET hidden.d AS SELECT 2 AS a")
    first.close()
    house = House.open(first.home, Settings())
    try:
        assert house.catalog.fenced
        session = Session(house.catalog, house.dispatcher, Caller(user="vera", project="shown"))
        (outcome,) = session.run("FROM ml.dataset('d')")
        assert outcome.result.table.to_pylist() == [{"a": 1}]
        with pytest.raises(MlboxError, match="there is no project 'hidden' that you may see"):
            list(session.run("FROM ml.dataset('hidden.d')"))
    finally:
        house.close()
