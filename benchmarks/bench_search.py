"""What does a search over runs cost? Beside MLflow with the same runs, and alone over a million of them.

The peer needs ``mlflow-skinny``, ``sqlalchemy`` and ``alembic``, in an environment of their own that uv makes. Its
store is filled through its own table classes: by its API that takes minutes, and only the search is compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from report import Table, folder, from_tests, in_turn, open_house

from mlbox.engine.catalog.tables import runs

RUNS = 10_000
MANY = 1_000_000
ROUNDS = 7
FOUND = 100

MAKE_RUNS = """
INSERT INTO catalog.main.runs (id, project, name, "function", function_version, runtime, state, attempt, params,
    metrics, labels, created_at, started_at, finished_at, duration_ms, request)
SELECT printf('%012x', 1700000000000 + i * 1000) || '7' || substr(md5(i::VARCHAR), 1, 19), 'default', 'run ' || i,
    'train', 1, 'local', CASE WHEN i % 50 = 0 THEN 'error' ELSE 'completed' END, 1,
    {{'lr': round(0.001 + hash(i) % 1000 / 10000, 4), 'depth': i % 8 + 2, 'trees': i % 20 * 50,
      'kind': ['gbm', 'linear', 'forest', 'net'][i % 4 + 1], 'a': hash(i + 5) % 1000 / 7, 'b': i % 100,
      'c': 'text ' || i % 30, 'd': i % 2 = 0, 'e': i % 13 / 3, 'f': i % 17}}::JSON::VARIANT,
    {{'auc': hash(i + 11) % 100000 / 100000, 'loss': hash(i + 12) % 100000 / 50000, {metrics}}}::JSON::VARIANT,
    '{{}}'::JSON::VARIANT, made, made, made + INTERVAL 1 MINUTE, 60000, '{{}}'
FROM (SELECT i, TIMESTAMPTZ '2024-01-01 00:00:00+00' + INTERVAL 1 MINUTE * i AS made FROM range({count}) t(i))
"""
MAKE_PARAMS = """
INSERT INTO catalog.main.params
SELECT r.project, r.id, e.key, e.value ->> '$', TRY_CAST(e.value ->> '$' AS DOUBLE)
FROM (SELECT project, id, params FROM catalog.main.runs WHERE name IS NOT NULL ORDER BY id) r,
    json_each(r.params::JSON) e
"""
MAKE_METRICS = """
INSERT INTO catalog.main.metrics
SELECT r.project, r.id, 'batch', 0, e.key, NULL, (e.value ->> '$')::DOUBLE, r.finished_at
FROM (SELECT project, id, metrics, finished_at FROM catalog.main.runs WHERE name IS NOT NULL ORDER BY id) r,
    json_each(r.metrics::JSON) e
"""

SEARCH = (
    "SELECT * FROM ml.runs WHERE metrics.auc::DOUBLE > 0.8 AND params.lr::DOUBLE < 0.05 "
    f"ORDER BY metrics.auc::DOUBLE DESC LIMIT {FOUND}"
)

MLFLOW = """
import json, random, sys, time, warnings
warnings.simplefilter("ignore")
import mlflow
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun
mlflow.set_tracking_uri("sqlite:///" + sys.argv[1])
client = mlflow.MlflowClient()
experiment = client.create_experiment("e")
store = client._tracking_client.store
number = 0
for line in sys.stdin:
    rows = json.loads(line)
    if not rows:
        break
    runs, metrics, params = [], [], []
    for row in rows:
        number += 1
        run = "%032x" % number
        runs.append(dict(run_uuid=run, name="run", source_type="UNKNOWN", source_name="", entry_point_name="",
            user_id="u", status="FINISHED", start_time=row["start"], end_time=row["start"] + 60000, source_version="",
            lifecycle_stage="active", artifact_uri="/nowhere", experiment_id=int(experiment)))
        metrics += [dict(key=name, value=value, timestamp=row["start"], step=0, is_nan=False, run_uuid=run)
            for name, value in row["metrics"].items()]
        params += [dict(key=name, value=str(value), run_uuid=run) for name, value in row["params"].items()]
    with store.ManagedSessionMaker() as session:
        session.bulk_insert_mappings(SqlRun, runs)
        session.bulk_insert_mappings(SqlMetric, metrics)
        session.bulk_insert_mappings(SqlLatestMetric, metrics)
        session.bulk_insert_mappings(SqlParam, params)
print("ready", flush=True)
for line in sys.stdin:
    began = time.perf_counter()
    found = client.search_runs(
        [experiment], "metrics.auc > 0.8 and params.kind = 'gbm'", order_by=["metrics.auc DESC"], max_results=100
    )
    took = time.perf_counter() - began
    print(json.dumps([took * 1000, [run.data.metrics["auc"] for run in found]]), flush=True)
"""
SAME = (
    "SELECT * FROM ml.runs WHERE metrics.auc::DOUBLE > 0.8 AND params.kind::VARCHAR = 'gbm' "
    f"ORDER BY metrics.auc::DOUBLE DESC LIMIT {FOUND}"
)
"""MLflow keeps parameters as text, so it can only ask whether they are equal."""
ALIKE = SAME.replace("*", "id, name, experiment, state, started_at, finished_at, params, metrics, labels", 1)
"""What MLflow's answer tells of a run: of all that ``ml.runs`` has, the columns that it has too."""


def fill(catalog: Any, count: int) -> None:
    """Runs with ten parameters and ten metrics each, in the catalog's own tables."""
    metrics = ", ".join(f"'m{number}': random()" for number in range(8))
    catalog.write(lambda cursor: cursor.execute(MAKE_RUNS.format(metrics=metrics, count=count)) and None)
    catalog.write(runs.complete)
    catalog.write(lambda cursor: cursor.execute(MAKE_PARAMS) and None)
    catalog.write(lambda cursor: cursor.execute(MAKE_METRICS) and None)
    catalog.connection.execute("CHECKPOINT catalog")


@contextmanager
def mlflow(place: Path, rows: list[dict[str, Any]]) -> Iterator[Callable[[], tuple[float, list[float]]]]:
    """MLflow's client over SQLite in a process of its own, with the same runs; a call is one search."""
    environment = place / "mlflow"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    packages = ("mlflow-skinny>=3,<4", "sqlalchemy>=2,<3", "alembic<2")
    python = environment / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    with subprocess.Popen(
        [python, "-c", MLFLOW, place / "mlflow.db"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for start in range(0, len(rows), 500):
            child.stdin.write(json.dumps(rows[start : start + 500]) + "\n")
        child.stdin.write("[]\n")
        child.stdin.flush()
        if child.stdout.readline() != "ready\n":
            raise RuntimeError("MLflow could not take the runs")

        def search() -> tuple[float, list[float]]:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("\n")
            child.stdin.flush()
            took, values = json.loads(child.stdout.readline())
            return took, values

        yield search
        child.stdin.close()


def timed(call: Callable[[], Any]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def beside_mlflow(place: Path) -> None:
    home = place / "few"
    with open_house(home) as (house, run):
        fill(house.catalog, RUNS)
        rows = run("SELECT params, metrics, epoch_ms(started_at) AS start FROM ml.runs ORDER BY started_at").table
        given = [
            {"params": json.loads(row["params"]), "metrics": json.loads(row["metrics"]), "start": row["start"]}
            for row in rows.to_pylist()
        ]
    with mlflow(place, given) as search:
        with open_house(home) as (_, run):
            ours = run(SAME.replace("*", "metrics.auc::DOUBLE AS auc", 1)).table.column("auc").to_pylist()
            assert len(ours) == FOUND
            assert ours == search()[1], "both must find the same"
            inside = in_turn(
                {
                    "ours": lambda: timed(lambda: run(SAME)),
                    "alike": lambda: timed(lambda: run(ALIKE)),
                    "peer": lambda: search()[0],
                },
                ROUNDS,
            )
        server = from_tests("real_server").Server(home)
        try:
            outside = in_turn(
                {
                    "ours": lambda: timed(lambda: server.sql(SAME)),
                    "alike": lambda: timed(lambda: server.sql(ALIKE)),
                    "peer": lambda: search()[0],
                },
                ROUNDS,
            )
        finally:
            server.stop()
    table = Table(
        f"How long does a search over {RUNS:,} runs take (a metric, a parameter, by the metric, {FOUND} runs)?",
        "`search_runs` of MLflow 3 on SQLite, called in its own process",
    )
    for where, samples in (("in process", inside), ("POST /sql", outside)):
        table.add(f"{where}, SELECT the columns that MLflow answers with", samples["alike"], "ms", samples["peer"])
        table.add(f"{where}, SELECT *", samples["ours"], "ms", samples["peer"])
    table.print()


def million(place: Path) -> None:
    from mlbox.base.clock import now
    from mlbox.base.ids import new_id

    with open_house(place / "many") as (house, run):

        def write() -> float:
            row = runs.RunRow(
                id=new_id(),
                project="default",
                name=None,
                function="train",
                function_version=1,
                handler=None,
                runtime="local",
                state="running",
                created_at=now(),
                params={f"p{number}": number / 7 for number in range(10)},
            )
            metrics = {f"m{number}": number / 7 for number in range(10)}
            began = time.perf_counter()
            house.catalog.write(lambda cursor: runs.insert(cursor, row))
            house.catalog.write(lambda cursor: runs.change(cursor, row.id, {"metrics": metrics}))
            return (time.perf_counter() - began) * 1000

        few = [write() for _ in range(100)]
        fill(house.catalog, MANY)
        one = run(f"SELECT id FROM ml.runs LIMIT 1 OFFSET {MANY // 2}").table.column(0)[0].as_py()
        cases = {
            "metric and parameter, by the metric, all columns": SEARCH,
            "the same, three columns": SEARCH.replace("*", "id, metrics.auc AS auc, params.lr AS lr", 1),
            "ml.metrics of a name above a value, by value": "SELECT run_id, value FROM ml.metrics "
            f"WHERE name = 'auc' AND value > 0.8 ORDER BY value DESC LIMIT {FOUND}",
            "ml.params of a name below a number, by number": "SELECT run_id, number FROM ml.params "
            f"WHERE name = 'lr' AND number < 0.05 ORDER BY number LIMIT {FOUND}",
            "mean of a metric by a parameter": "SELECT params.kind::VARCHAR AS kind, avg(metrics.auc::DOUBLE) "
            "FROM ml.runs GROUP BY kind",
            "runs with models and endpoints": "SELECT e.name, v.version, r.id FROM ml.endpoints e "
            "JOIN ml.model_versions v ON v.project = e.project AND v.version = e.model_version "
            "JOIN ml.runs r ON r.id = v.run_id",
            "the latest 100": f"SELECT * FROM ml.runs ORDER BY started_at DESC LIMIT {FOUND}",
            "SHOW RUNS LIMIT 100": f"SHOW RUNS LIMIT {FOUND}",
            "one run by id": f"SELECT * FROM ml.runs WHERE id = '{one}'",
            "its metrics": f"SELECT * FROM ml.metrics WHERE run_id = '{one}'",
            "its parameters": f"SELECT * FROM ml.params WHERE run_id = '{one}'",
        }
        calls: dict[str, Callable[[], float]] = {
            name: lambda text=text: timed(lambda: run(text)) for name, text in cases.items()
        }
        samples = in_turn(calls, ROUNDS)
        many = [write() for _ in range(100)]
    table = Table(f"What takes how long among {MANY:,} runs with 10 parameters and 10 metrics?", "an empty catalog")
    for name, values in samples.items():
        table.add(name, values, "ms")
    table.add("write a run and its metrics", many, "ms", few)
    table.print()


if __name__ == "__main__":
    with folder() as place:
        beside_mlflow(place)
        million(place)
