"""Stores that MLflow's own client made become projects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fresh_home import fresh_home
from real_server import Server

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Invalid, NotFound, Unavailable
from mlbox.base.settings import Settings
from mlbox.sql.session import Session

pytestmark = pytest.mark.timeout(300)
SCRIPT = Path(__file__).with_name("mlflow_store.py")
Ask = Callable[[str], Any]


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Ask]:
    """A script is carried out in a house of its own: the last result, its rows where it has some."""
    house = House.open(fresh_home(tmp_path / "home"), Settings())
    session = Session(house.catalog, house.dispatcher, Caller())

    def carry(text: str) -> Any:
        result = list(session.run(text))[-1].result
        return result.message if result.table is None else [list(row.values()) for row in result.table.to_pylist()]

    yield carry
    house.close()


def filled(uri: str, folder: str = "") -> dict[str, str]:
    environment = {**os.environ, "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_ALLOW_FILE_STORE": "1"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), uri, folder], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(ask: Ask, source: str, ids: dict[str, str]) -> None:
    """All of the store is there, once, however often it is brought in."""
    statement = f"CREATE PROJECT IF NOT EXISTS risk FROM '{source}'"
    assert ["create", "runs", "5 of 5; the others are here already"] in ask(f"EXPLAIN {statement}")
    assert "brought in 5 runs of 1 new experiment," in ask(statement)
    assert "Left out" not in ask(statement)
    assert ["create", "runs", "1 of 5; the others are here already"] in ask(f"EXPLAIN {statement}")  # that is going on
    ask("USE PROJECT risk")
    assert ask("SELECT name, state, experiment FROM ml.runs ORDER BY name") == [
        ["bad", "error", "churn"], ["child", "completed", "churn"], ["first", "completed", "churn"],
        ["going", "running", "churn"],
    ]  # fmt: skip
    first = ids["first"]
    assert ask("SELECT parent_id FROM ml.runs WHERE name = 'child'") == [[first]]
    assert ask(
        f"SELECT params.kind::VARCHAR, params.lr::DOUBLE, labels.owner::VARCHAR FROM ml.runs WHERE id = '{first}'"
    ) == [["linear", 0.1, "ana"]]
    assert ask("SELECT step, value FROM ml.metrics WHERE name = 'loss' ORDER BY step") == [
        [0, 1.0],
        [1, 0.5],
        [2, 1 / 3],
    ]
    assert ask("SELECT isnan(value) FROM ml.metrics WHERE name = 'odd'") == [[True]]
    assert ask(f"SELECT kind, size FROM ml.artifacts WHERE run_id = '{first}' AND name = 'notes/a.txt'") == [
        ["file", 2]
    ]
    assert ask("SELECT name, version, aliases, framework, run_id FROM ml.model_versions") == [
        ["churn-model", 1, ["champion"], "sklearn", first]
    ]
    assert ask("SELECT count(*) FROM ml.artifacts WHERE kind = 'model'") == [[1]]


def test_a_folder(ask: Ask, tmp_path: Path) -> None:
    ids = filled(f"file://{tmp_path}/mlruns")
    (tmp_path / "mlruns").rename(tmp_path / "moved")  # what it says of itself is wrong now
    check(ask, f"mlflow+file://{tmp_path}/moved", ids)
    with pytest.raises(Conflict, match="is in project risk already"):
        ask(f"CREATE PROJECT other FROM 'mlflow+file://{tmp_path}/moved'")


@pytest.mark.nightly  # making the tables takes MLflow many seconds
def test_a_database(ask: Ask, tmp_path: Path) -> None:
    ids = filled(f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "files"))
    check(ask, f"mlflow+sqlite:///{tmp_path}/mlflow.db", ids)


def test_a_server(ask: Ask, server: Server) -> None:
    """That answers MLflow's API, as mlbox does."""
    server.sql("CREATE PROJECT tracked")
    ids = filled(f"{server.url}/mlflow/tracked")
    check(ask, f"mlflow+{server.url}/mlflow/tracked", ids)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("sqlite:///no/such.db", NotFound, "there is no file"),
        ("file:///no/such/folder", NotFound, "there is no folder"),
        ("http://127.0.0.1:1", Unavailable, "does not answer"),
        ("postgresql://host/db", Invalid, "no store of MLflow that can be read"),
    ],
)
def test_what_is_not_there_is_told_and_makes_nothing(
    ask: Ask, source: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(f"CREATE PROJECT lost FROM 'mlflow+{source}'")
    assert ask("SELECT count(*) FROM ml.projects WHERE name = 'lost'") == [[0]]
