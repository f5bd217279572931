"""STOP WHEN, MAX ERRORS and LIMIT of a search, as statements and from the client, on a real server."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from real_server import Server

import mlbox

FIT = """
def fit(ctx, x: float):
    if x < 0:
        raise ValueError(f"x is {x}")
    ctx.log_metric("score", x)
"""


@pytest.fixture(scope="module")
def sweeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sweeps")
    (folder / "fit.py").write_text(FIT)
    server = Server(folder / "home", environment={"MLBOX_PYTHON": sys.executable})
    server.sql(f"CREATE FUNCTION fit FROM '{folder / 'fit.py'}'")
    yield server
    server.stop()


def trials(server: Server, name: str) -> list[tuple[float, str]]:
    query = (
        "SELECT t.params.x::DOUBLE, t.state FROM ml.runs t JOIN ml.runs p ON t.parent_id = p.id "
        f"WHERE p.name = '{name}' ORDER BY t.created_at"
    )
    return [(row[0], row[1]) for row in server.sql(query)[0]["rows"]]


def test_stop_when_ends_it_early(sweeping: Server) -> None:
    listed = "x IN (1.0, 5.0, 2.0, 9.0)"
    result = sweeping.sql(f"RUN fit SWEEP ({listed}) MAXIMIZE score PARALLEL 1 STOP WHEN (score > 4) AS early")[0]
    assert trials(sweeping, "early") == [(1.0, "completed"), (5.0, "completed")]
    assert "best" in result["message"] or "5" in result["message"]
    reason = sweeping.sql("SELECT reason, metrics.score::DOUBLE FROM ml.runs WHERE name = 'early'")[0]["rows"][0]
    assert reason[0].endswith("ended because score > 4 is true") and reason[1] == 5.0
    plan = sweeping.sql(f"EXPLAIN RUN fit SWEEP ({listed}) MAXIMIZE score STOP WHEN (score > 4)")[0]
    assert plan["rows"]
    error = sweeping.error(f"RUN fit SWEEP ({listed}) MAXIMIZE score STOP WHEN (scor > 4) AS wrong")
    assert error["hint"] == "did you mean score?" and error["where"]["line"] == 1
    assert trials(sweeping, "wrong") == []


def test_from_the_client(sweeping: Server) -> None:
    connection = mlbox.connect(sweeping.url)
    words = "(x IN (3.0, 8.0, 1.0)) MAXIMIZE score PARALLEL 1 STOP WHEN (trials >= 1 AND score > 7)"
    run = mlbox.run("fit", sweep=words, name="sdk", connection=connection)
    assert run.state == "completed" and len(trials(sweeping, "sdk")) == 2


def test_errors_end_it(sweeping: Server) -> None:
    error = sweeping.error(
        "RUN fit SWEEP (x IN (-1.0, -2.0, -3.0, -4.0)) MAXIMIZE score PARALLEL 1 MAX ERRORS 2 AS failing"
    )
    assert "x is -" in str(error)
    assert [state for _, state in trials(sweeping, "failing")] == ["error", "error"]
