"""Fills a store of MLflow (the first argument) as its users do: nothing in it knows of mlbox. Prints ids as JSON."""

from __future__ import annotations

import json
import sys
from contextlib import suppress

import mlflow
from sklearn.linear_model import LogisticRegression

uri, folder = sys.argv[1:]
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)
client = mlflow.MlflowClient()
experiment = client.create_experiment("churn", artifact_location=folder or None, tags={"team": "risk"})
with mlflow.start_run(experiment_id=experiment, run_name="first") as first:
    for step in range(3):
        mlflow.log_metric("loss", 1 / (step + 1), step=step)
    mlflow.log_metric("odd", float("nan"))
    mlflow.log_params({"lr": 0.1, "kind": "linear"})
    mlflow.set_tag("owner", "ana")
    mlflow.log_text("hi", "notes/a.txt")
    with mlflow.start_run(nested=True, run_name="child", experiment_id=experiment):
        mlflow.log_metric("x", 1)
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    mlflow.sklearn.log_model(
        model, name="linear", registered_model_name="churn-model", pip_requirements=["scikit-learn"]
    )
with suppress(RuntimeError), mlflow.start_run(experiment_id=experiment, run_name="bad"):
    raise RuntimeError
gone = client.create_run(experiment, run_name="gone").info.run_id
client.delete_run(gone)
going = client.create_run(experiment, run_name="going").info.run_id
client.set_registered_model_alias("churn-model", "champion", "1")
client.set_model_version_tag("churn-model", "1", "checked", "yes")
print(json.dumps({"first": first.info.run_id, "gone": gone, "going": going}))
