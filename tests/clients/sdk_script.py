"""A script as users of the SDK have it; prints what it saw as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

import pandas
from sklearn.tree import DecisionTreeClassifier

import mlbox

SCALE = 3
NAMES = ["a", "b"]


def scaled(value: float) -> float:
    return value * SCALE


@mlbox.returns("model:model", "auc:metric", "rows:dataset")
def fit(ctx: Any, depth: int = 2, frame: pandas.DataFrame = None) -> Any:
    from sklearn.linear_model import LogisticRegression

    data = pandas.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "y": [0, 0, 1, 1]}) if frame is None else frame
    print(f"fitting {NAMES} with depth {depth}", flush=True)
    ctx.log_metric("scaled", scaled(depth))
    model = LogisticRegression().fit(data[["x"]], data["y"])
    return model, 0.75, data


def broken(ctx: Any) -> None:
    raise ValueError("no rows")


def add(ctx: Any, table: pandas.DataFrame, file: pandas.DataFrame) -> None:
    ctx.log_metric("sum", table["x"].sum() + file["x"].sum())


def misspelt(ctx: Any) -> None:
    raise AssertionError("it is not even made")


def main(project: str) -> None:
    seen: dict[str, Any] = {}
    connection = mlbox.connect(project=project)
    with mlbox.start_run(
        "by hand", {"lr": 0.1}, labels={"team": "risk"}, experiment="first", connection=connection
    ) as own:
        for step in range(3):
            mlbox.log_metric("loss", 1.0 / (step + 1), step=step)
        own.log_artifact("notes", {"rows": 4})
        frame = pandas.DataFrame({"x": [0.0, 1.0]})
        own.log_model("model", DecisionTreeClassifier().fit(frame, [0, 1]), training_set=frame)
    seen["own"] = own.run_id
    try:
        with mlbox.start_run("failing", connection=connection):
            raise RuntimeError("it went wrong")
    except RuntimeError:
        pass
    run = mlbox.run(fit, {"depth": 4}, name="first_fit", connection=connection)
    seen["run"] = [run.state, run.metrics, run.params, [entry["kind"] for entry in run.artifacts]]
    seen["log"] = run.log()
    seen["html"] = run._repr_html_()
    again = mlbox.run("fit", {"depth": 5}, wait=False, labels={"a": "b"}, connection=connection)
    again.wait(show=False)
    seen["again"] = again.metrics["scaled"]
    with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as file:
        file.write("x\n1\n2\n")
    inputs = {"table": "SELECT 5 AS x", "file": file.name}
    both = mlbox.run(add, inputs=inputs, handler="add", retry=1, timeout=60, labels={}, connection=connection)
    seen["sum"] = both.metrics["sum"]
    seen["refused"] = []
    for function, clauses in ((misspelt, {"lables": None}), (misspelt, {"depth": 4}), ("fit", {"requirements": ["a"]})):
        try:
            mlbox.run(function, connection=connection, **clauses)
        except mlbox.MlboxClientError as error:
            seen["refused"].append(str(error))
    seen["made"] = connection.sql("SELECT count(*) FROM ml.functions WHERE name = 'misspelt'").scalar()
    search = mlbox.run(
        "fit", sweep="(depth IN (1, 2, 3)) MAXIMIZE scaled", returns=["a", "b", "c"], connection=connection
    )
    seen["trials"] = [[row["depth"], row["scaled"], row["best"], row["state"]] for row in search.trials]
    seen["best"] = search.best.params["depth"]
    seen["no_sweep"] = [again.trials, again.best]
    seen["card"] = own._repr_html_()
    seen["own_metrics"] = own.run.metrics
    try:
        mlbox.run(broken, connection=connection)
    except mlbox.MlboxClientError as error:
        seen["error"] = str(error)
    print("\n" + json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1])
