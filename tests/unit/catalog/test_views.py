"""The public views keep their columns, and those that are more than a table say what happened."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.home import Home
from mlbox.base.ids import new_id
from mlbox.engine.catalog import migrations, public_views
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.catalog.tables import runs
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.catalog.views.base import all_views
from mlbox.sql.session import Session

CONTRACT = Path(__file__).parent / "views_contract.txt"


def test_the_views_keep_their_columns() -> None:
    """What others read: a column that is gone or has another type breaks them, one more asks for a line here."""
    promised = CONTRACT.read_text().splitlines()
    found = [f"{view.name}.{column.name} {column.type}" for view in all_views() for column in view.columns]
    assert sorted(set(promised) - set(found)) == [], "columns that people read are gone or have another type"
    assert sorted(set(found) - set(promised)) == [], f"add these lines to {CONTRACT.name}"
    assert promised == sorted(promised, key=lambda line: line.partition(".")[0]), "by view, then as shown"


def run(**values: Any) -> RunRow:
    """A completed run of the default project."""
    known: dict[str, Any] = {
        "id": new_id(),
        "project": "default",
        "name": None,
        "function": "f",
        "function_version": 1,
        "handler": None,
        "runtime": "local",
        "state": "completed",
        "created_at": now(),
    }
    return RunRow(**{**known, **values})


@pytest.fixture
def catalog(home: Home) -> Any:
    opened = Catalog.open(home)
    public_views.create(opened)
    yield opened
    opened.close()


def params_of(catalog: Catalog, run_id: str) -> dict[str, tuple[str | None, float | None]]:
    rows = catalog.rows("SELECT name, value, number FROM catalog.ml.params WHERE run_id = ?", [run_id])
    return {row["name"]: (row["value"], row["number"]) for row in rows}


def test_params_are_what_the_run_has(catalog: Catalog) -> None:
    """After its start, after it logged more, after it is gone."""
    first = run(params={"lr": 0.1, "depth": 3, "kind": "gbm", "fast": True, "sizes": [1, 2], "none": None})
    other = run(params={"lr": 0.2})
    for row in (first, other):
        catalog.write(lambda cursor, row=row: runs.insert(cursor, row))
    assert params_of(catalog, first.id) == {
        "lr": ("0.1", 0.1),
        "depth": ("3", 3.0),
        "kind": ("gbm", None),
        "fast": ("true", None),
        "sizes": ("[1,2]", None),
        "none": (None, None),
    }
    catalog.write(lambda cursor: runs.change(cursor, first.id, {"params": {"lr": 0.3, "big": 10**400}}))
    assert params_of(catalog, first.id) == {"lr": ("0.3", 0.3), "big": (str(10**400), None)}
    catalog.write(lambda cursor: runs.delete(cursor, [first.id]))
    assert params_of(catalog, first.id) == {}
    assert params_of(catalog, other.id) == {"lr": ("0.2", 0.2)}


def test_the_migration_of_params_reads_what_runs_have(catalog: Catalog) -> None:
    """A home that is older than the table: the same rows as for new runs."""
    row = run(params={"lr": 0.5, "depth": 3, "kind": "gbm", "fast": True, "none": None, "sizes": [1, {"a": "ä"}]})
    catalog.write(lambda cursor: runs.insert(cursor, row))
    written = params_of(catalog, row.id)
    sql = next(entry.sql for entry in migrations.load("catalog") if entry.name.endswith("_params"))

    def again(cursor: Any) -> None:
        cursor.execute("DROP VIEW catalog.ml.params")
        cursor.execute("DROP TABLE catalog.main.params")
        cursor.execute(sql)
        view = next(view for view in all_views() if view.name == "params")
        cursor.execute(view.create)

    catalog.write(again)
    assert params_of(catalog, row.id) == written
    assert written["sizes"] == ('[1,{"a":"ä"}]', None)


def test_a_run_is_found_by_id_name_and_prefix(catalog: Catalog) -> None:
    """The latest of a name; a name that looks like a prefix of an id is a name."""
    older, newer, named = run(name="Fit"), run(name="fit"), run(name="deadbeef")
    for row in (older, newer, named):
        catalog.write(lambda cursor, row=row: runs.insert(cursor, row))
    with catalog.read() as cursor:
        assert runs.find(cursor, "default", "fit").id == newer.id
        assert runs.find(cursor, "default", older.id.upper()).id == older.id
        assert runs.find(cursor, "default", newer.id[:31]).id == newer.id
        assert runs.find(cursor, "default", "deadbeef").id == named.id
        with pytest.raises(Exception, match="several runs begin with"):
            runs.find(cursor, "default", older.id[:8])
        with pytest.raises(Exception, match="there is no run"):
            runs.find(cursor, "default", "00000000")


def test_logs_are_lines_of_the_file(catalog: Catalog) -> None:
    """Numbered from 1; a run without a file has none, what is not UTF-8 does not stop the rest."""
    told, silent = run(), run()
    for row in (told, silent):
        catalog.write(lambda cursor, row=row: runs.insert(cursor, row))
    (catalog.home.logs / f"{told.id}.log").write_bytes("first\r\n\nä\n".encode() + b"\xff last")
    rows = catalog.rows("SELECT run_id, line, text FROM catalog.ml.logs ORDER BY line")
    assert {row["run_id"] for row in rows} == {told.id}
    assert [(row["line"], row["text"]) for row in rows] == [(1, "first"), (2, ""), (3, "ä"), (4, "\ufffd last")]
    assert catalog.rows("SELECT text FROM catalog.ml.logs WHERE run_id = ? AND line = 3", [told.id]) == [{"text": "ä"}]
    assert catalog.rows("SELECT text FROM catalog.ml.logs WHERE run_id = ?", [silent.id]) == []


def test_the_log_of_one_run_opens_one_file(catalog: Catalog) -> None:
    """The condition on the run stands below the reading of the file in the plan."""
    with catalog.session("default") as cursor:
        plan = cursor.execute(f"EXPLAIN SELECT text FROM ml.logs WHERE run_id = '{new_id()}'").fetchall()[0][1]
    assert "Filter" not in plan.split("Unnest")[0]


def test_tasks_of_all_kinds(house: Any) -> None:
    """Statements, whether they succeeded or not, and runs that are under way."""
    session = Session(house.catalog, house.dispatcher, Caller())
    list(session.run("CREATE PROJECT tried"))
    with pytest.raises(Exception, match="no project"):
        list(session.run("DROP PROJECT tired"))
    house.catalog.write(lambda cursor: runs.insert(cursor, run(name="fit", state="running", started_at=now())))
    rows = house.catalog.rows("SELECT * FROM catalog.ml.task_history ORDER BY started_at")
    shown = [(row["kind"], row["name"], row["object"], row["state"], row["finished_at"] is None) for row in rows]
    assert shown == [
        ("statement", "CREATE PROJECT", "tried", "completed", False),
        ("statement", "DROP PROJECT", "tired", "error", False),
        ("run", "f", "fit", "running", True),
    ]
    assert "no project" in rows[1]["error"]
    assert rows[0]["duration_ms"] >= 0


def test_show_stops_at_the_limit_of_the_session(house: Any) -> None:
    """And says that there is more."""
    for _ in range(5):
        house.catalog.write(lambda cursor: runs.insert(cursor, run()))
    session = Session(house.catalog, house.dispatcher, Caller(), row_limit=3)
    cut = list(session.run("SHOW RUNS"))[0].result
    assert (cut.table.num_rows, cut.facts["truncated"]) == (3, True)
    whole = list(session.run("SHOW RUNS LIMIT 2"))[0].result
    assert (whole.table.num_rows, whole.facts["truncated"]) == (2, False)


def test_single_metrics_are_read_through_the_view(catalog: Catalog) -> None:
    """A search among a million runs reads the fields that it names: DuckDB leaves the rest of the objects alone."""
    catalog.write(lambda cursor: runs.insert(cursor, run(params={"lr": 0.01}, metrics={"auc": 0.95})))
    text = "SELECT id FROM catalog.ml.runs WHERE metrics.auc::DOUBLE > 0.9 AND params.lr::DOUBLE < 0.05"
    (plan,) = catalog.rows(f"EXPLAIN {text}")
    assert "metrics.auc" in plan["explain_value"]
    assert "params.lr" in plan["explain_value"]
    assert "variant_extract" not in plan["explain_value"]


def test_durations_follow_the_times(catalog: Catalog) -> None:
    """Whichever of them is set, in whatever order; a run of no function has none."""
    began, ended = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 0, 1, 500_001, tzinfo=UTC)
    row = run(started_at=began, finished_at=ended, function="", function_version=0)
    catalog.write(lambda cursor: runs.insert(cursor, row))

    def shown() -> dict[str, Any]:
        found = catalog.row(
            "SELECT function, function_version, duration_ms FROM catalog.ml.runs WHERE id = ?", [row.id]
        )
        assert found is not None
        return found

    assert shown() == {"function": None, "function_version": None, "duration_ms": 1500.001}
    for changes, expected in (
        ({"finished_at": None}, None),
        ({"finished_at": began}, 0.0),
        ({"started_at": None, "finished_at": ended, "state": "error"}, None),
        ({"started_at": began}, 1500.001),
        ({"state": "completed"}, 1500.001),
    ):
        catalog.write(lambda cursor, changes=changes: runs.change(cursor, row.id, changes))
        assert shown()["duration_ms"] == expected
    with catalog.read() as cursor:
        kept = runs.get(cursor, row.id)
    assert kept is not None
    assert (kept.function, kept.function_version) == ("", 0)
