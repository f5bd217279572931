"""What MLflow's users log besides numbers; nothing in it knows of mlbox. Prints what it reads back as JSON."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import mlflow
import numpy
import pandas
from mlflow.entities import Metric, Param, RunTag
from sklearn.linear_model import LogisticRegression

matplotlib.use("Agg")
import matplotlib.pyplot as plt

folder = Path(sys.argv[1])
seen: dict[str, object] = {}
mlflow.set_experiment("things")
client = mlflow.MlflowClient()


def files(run_id: str, path: str | None = None) -> Iterator[str]:
    for entry in client.list_artifacts(run_id, path):
        if entry.is_dir:
            yield from files(run_id, entry.path)
        else:
            yield entry.path


with mlflow.start_run(run_name="things") as things:
    picture = numpy.arange(48, dtype=numpy.uint8).reshape(4, 4, 3)
    mlflow.log_image(picture, "images/small.png")
    for step in range(2):
        mlflow.log_image(picture, key="frames", step=step)
    mlflow.log_table({"a": [1, 2]}, "tables/t.json")
    mlflow.log_table(pandas.DataFrame({"a": [3]}), "tables/t.json")
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    mlflow.log_figure(figure, "figures/line.png")
    mlflow.log_dict({"x": [1, 2]}, "texts/x.json")
    mlflow.log_text("ä\n", "texts/t.txt")
    (folder / "many" / "deep").mkdir(parents=True)
    (folder / "many" / "a.bin").write_bytes(b"a")
    (folder / "many" / "deep" / "b.bin").write_bytes(b"b")
    mlflow.log_artifacts(str(folder / "many"), "many")
    seen["table"] = mlflow.load_table("tables/t.json")["a"].tolist()
run_id = things.info.run_id
seen["files"] = sorted(files(run_id))
seen["image"] = (
    numpy.array(mlflow.artifacts.load_image(f"runs:/{run_id}/images/small.png")).tolist() == picture.tolist()
)
seen["dict"] = mlflow.artifacts.load_dict(f"runs:/{run_id}/texts/x.json")
seen["text"] = mlflow.artifacts.load_text(f"runs:/{run_id}/texts/t.txt")

# Metrics that are logged before the model, after it, and for it, are points of the run once.
with mlflow.start_run(run_name="model") as modelled:
    mlflow.log_metric("early", 1.0)
    mlflow.log_param("depth", 3)
    fitted = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    logged = mlflow.sklearn.log_model(fitted, name="linear", pip_requirements=["scikit-learn"])
    mlflow.log_metric("late", 2.0)
    mlflow.log_metric("of_model", 3.0, model_id=logged.model_id)
names = ("early", "late", "of_model")
seen["points"] = {name: len(client.get_metric_history(modelled.info.run_id, name)) for name in names}
seen["of_model"] = sorted({metric.key for metric in mlflow.get_logged_model(logged.model_id).metrics})

# Several processes of a training job log to one run.
together = client.create_run(mlflow.get_experiment_by_name("things").experiment_id, run_name="together").info.run_id


def log(worker: int) -> None:
    own = mlflow.MlflowClient()
    for step in range(10):
        own.log_batch(
            together,
            metrics=[Metric("loss", worker + step / 10, 1, step), Metric(f"own-{worker}", step, 1, step)],
            params=[Param(f"p-{worker}-{step}", str(step)), Param("shared", "same")],
            tags=[RunTag(f"t-{worker}", str(step))],
        )


threads = [threading.Thread(target=log, args=(worker,)) for worker in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
read = client.get_run(together)
seen["together"] = [
    len(client.get_metric_history(together, "loss")),
    len(read.data.metrics),
    len(read.data.params),
    len([name for name in read.data.tags if name.startswith("t-")]),
]

# Of two values of one parameter, sent at once, one is refused.
refused = []


def contend(value: int) -> None:
    try:
        mlflow.MlflowClient().log_param(together, "contended", value)
    except mlflow.MlflowException:
        refused.append(value)


threads = [threading.Thread(target=contend, args=(value,)) for value in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
kept = int(client.get_run(together).data.params["contended"])
seen["contended"] = [len(refused), kept in refused]
client.set_terminated(together)
print(json.dumps(seen))
