"""Sessions that read are used again, and nobody notices: not after an error, a drop, a change, or by another."""

from __future__ import annotations

from typing import Any

import pytest

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.tables import runs
from mlbox.sql.session import Session

SESSION = "SELECT getvariable('mlbox_session')"


def run(house: House, text: str, project: str = "default") -> list[dict[str, Any]]:
    result = list(Session(house.catalog, house.dispatcher, Caller(project=project)).run(text))[-1].result
    return [] if result.table is None else result.table.to_pylist()


def session(house: House, project: str = "default") -> str:
    return next(iter(run(house, SESSION, project)[0].values()))


def test_a_session_is_used_again_in_its_project_only(house: House) -> None:
    run(
        house,
        "CREATE PROJECT a; CREATE PROJECT b; CREATE TABLE a.t AS SELECT 'a' AS x; CREATE TABLE b.t AS SELECT 'b' AS x",
    )
    first = session(house, "a")
    assert session(house, "a") == first
    assert session(house, "b") != first
    assert [run(house, "FROM t", project)[0]["x"] for project in ("a", "b", "a")] == ["a", "b", "a"]


def test_a_dropped_project_is_not_found_and_a_new_one_is_new(house: House) -> None:
    run(house, "CREATE PROJECT a; CREATE TABLE a.t AS SELECT 1 AS x")
    assert run(house, "FROM t", "a") == [{"x": 1}]
    run(house, "DROP PROJECT a CASCADE")
    with pytest.raises(MlboxError, match="no project 'a'"):
        run(house, "SELECT 1", "a")
    run(house, "CREATE PROJECT a; CREATE TABLE a.t AS SELECT 2 AS x")
    assert run(house, "FROM t", "a") == [{"x": 2}]


def test_nothing_of_a_query_is_left_for_the_next(house: House) -> None:
    """Errors, cut results, seeds, sessions inside one another."""
    for _ in range(3):
        with pytest.raises(MlboxError, match="nope"):
            run(house, "SELECT nope")
        with pytest.raises(MlboxError):
            run(house, "SELECT error('x') FROM range(100000) t(i) WHERE i > 90000")
    cut = Session(house.catalog, house.dispatcher, Caller(), row_limit=5)
    for _ in range(3):
        (outcome,) = cut.run("SELECT * FROM range(1000000)")
        assert outcome.result.table is not None
        assert outcome.result.table.num_rows == 5
    seen = set()
    for _ in range(2):
        run(house, "SELECT setseed(0.5)")
        seen.add(run(house, "SELECT random() AS x")[0]["x"])
    assert len(seen) == 2
    with house.catalog.session("default", reading=True) as one, house.catalog.session("default", reading=True) as two:
        assert one.execute(SESSION).fetchall() != two.execute(SESSION).fetchall()


def test_what_is_remembered_of_a_text_is_not_its_rows_or_columns(house: House) -> None:
    """The columns of a table of the user may change under the same text, those of a view of ours do not."""
    for made, expected in (("{'a': 1}::JSON::VARIANT AS v", '{"a":1}'), ("1.5::DOUBLE AS v", 1.5), ("2 AS w", 2)):
        run(house, f"CREATE OR REPLACE TABLE t AS SELECT {made}")
        assert [list(row.values()) for row in run(house, "SELECT * FROM t")] == [[expected]]
    text = "SELECT name, options FROM ml.projects WHERE name = 'remembered' -- once more"
    assert run(house, text) == run(house, text) == []
    run(house, "CREATE PROJECT remembered WITH (owner = 'eve')")
    assert [row["name"] for row in run(house, text)] == ["remembered"] == [row["name"] for row in run(house, text)]
    run(house, "CREATE OR REPLACE VIEW v AS SELECT options AS x FROM ml.projects WHERE name = 'remembered'")
    text = "SELECT p.options, v.x FROM ml.projects p, v WHERE p.name = 'remembered'"
    assert run(house, text) == run(house, text)
    run(house, "CREATE OR REPLACE VIEW v AS SELECT 1 AS x")
    assert [row["x"] for row in run(house, text)] == [1]
    for _ in range(2):
        (row,) = run(house, "SELECT params, * FROM (SELECT 1 AS one) LEFT JOIN ml.runs ON true ORDER BY one")
        assert list(row)[:3] == ["params", "one", "project"]


RUNS = """
INSERT INTO catalog.main.runs (id, project, "function", function_version, runtime, state, attempt, params, metrics,
    labels, created_at, request)
SELECT printf('%032x', i), 'default', 'train', 1, 'local', 'completed', 1,
    {'lr': i / 10, 'kind': ['b', 'a'][i % 2 + 1]}::JSON::VARIANT, {'auc': i / 100}::JSON::VARIANT, '{}'::JSON::VARIANT,
    TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(i), '{}'
FROM range($start, $stop) t(i)
"""


def log(house: House, start: int, stop: int) -> None:
    house.catalog.write(lambda cursor: cursor.execute(RUNS, {"start": start, "stop": stop}) and None)
    house.catalog.write(runs.complete)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM ml.runs WHERE metrics.auc::DOUBLE > 0.1 ORDER BY metrics.auc::DOUBLE DESC LIMIT 3",
        "FROM ml.runs ORDER BY params.kind, params.lr::DOUBLE LIMIT 3",
        "SELECT * FROM ml.runs ORDER BY params, id LIMIT 3",
        "select * from ml.runs order by 12 desc, id limit 3 -- params",
        "SELECT * FROM ml.runs ORDER BY ALL LIMIT 3",
        'SELECT * FROM ml.runs WHERE params IS NOT NULL ORDER BY runs."metrics".auc::DOUBLE DESC LIMIT 3',
        "SELECT id, params AS p, metrics FROM ml.runs ORDER BY params.lr::DOUBLE DESC LIMIT 3",
        "SELECT id FROM ml.runs ORDER BY params.lr::DOUBLE DESC LIMIT 3",
        "SELECT id, metrics, labels, params FROM ml.runs WHERE runs.params.kind::VARCHAR = 'a' "
        "ORDER BY params.lr::DOUBLE DESC LIMIT 3",
        "SELECT id, metrics FROM catalog.ml.runs ORDER BY ml.runs.params.lr::DOUBLE DESC LIMIT 3",
        "SELECT metrics FROM ml.runs WHERE labels IS NOT NULL ORDER BY metrics.auc::DOUBLE DESC LIMIT 3",
    ],
)
def test_a_search_that_comes_again_finds_what_it_found_and_what_is_new(house: House, text: str) -> None:
    """The first time DuckDB is asked for the columns, the second time the casts are known, the third the relation."""
    log(house, 1, 40)
    first = run(house, text)
    assert len(first) == 3
    assert all(isinstance(row.get("metrics", ""), str) for row in first)
    assert run(house, text) == first
    assert run(house, text) == first
    log(house, 40, 80)
    new = run(house, text)
    assert new == run(house, text + " ")
    assert (new != first) == ("desc" in text.lower())


def test_a_search_that_comes_again_is_of_its_caller_and_its_limit(house: House) -> None:
    text = "SELECT * FROM ml.runs WHERE state = 'completed'"
    log(house, 1, 40)
    for _ in range(3):
        assert len(run(house, text)) == 39
        (outcome,) = Session(house.catalog, house.dispatcher, Caller(), row_limit=5).run(text)
        assert outcome.result.table is not None
        assert (outcome.result.table.num_rows, outcome.result.facts["truncated"]) == (5, True)
    for wanted in ("completed", "error", "completed"):
        session = Session(house.catalog, house.dispatcher, Caller())
        (outcome,) = session.run("SELECT * FROM ml.runs WHERE state = $state", {"state": wanted})
        assert outcome.result.table is not None
        assert outcome.result.table.num_rows == (39 if wanted == "completed" else 0)
    with pytest.raises(MlboxError, match="can't convert"):
        for _ in range(3):
            run(house, "SELECT * FROM ml.runs WHERE params.kind::INTEGER = 1")
    assert len(run(house, text)) == 39
