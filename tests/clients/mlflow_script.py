"""A script as MLflow's users have it: nothing in it knows of mlbox. Prints what it saw as JSON."""

from __future__ import annotations

import json

import lightgbm
import mlflow
import numpy
import pandas
import xgboost
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

values, labels = make_classification(n_samples=200, n_features=4, random_state=1)
frame = pandas.DataFrame(values, columns=["a", "b", "c", "d"])
seen: dict[str, object] = {}

mlflow.set_experiment("churn")
mlflow.autolog(log_datasets=True, silent=True)

with mlflow.start_run(run_name="forest") as forest:
    model = RandomForestClassifier(n_estimators=7, random_state=1).fit(frame, labels)
    mlflow.log_metric("score", 0.5, step=1)
    mlflow.log_metric("score", 0.75, step=2)
    mlflow.log_param("note", "by hand")
    mlflow.set_tag("team", "risk")
    mlflow.log_dict({"rows": 200}, "about/data.json")
    mlflow.log_text("ö", "about/note.txt")
seen["forest"] = forest.info.run_id

# Saving a model looks for its requirements in a process of its own, which takes seconds; once is enough here.
for flavor in (mlflow.xgboost, mlflow.lightgbm, mlflow.sklearn):
    flavor.autolog(log_models=False, silent=True)
with mlflow.start_run(run_name="boosted"):
    xgboost.train({"max_depth": 2, "eta": 0.5}, xgboost.DMatrix(frame, label=labels), num_boost_round=3)
with mlflow.start_run(run_name="light"):
    lightgbm.train({"num_leaves": 3, "verbose": -1}, lightgbm.Dataset(frame, label=labels), num_boost_round=3)
GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}).fit(frame, labels)

mlflow.autolog(disable=True)
with mlflow.start_run(run_name="registered") as run:
    model = LogisticRegression().fit(frame, labels)
    signature = mlflow.models.infer_signature(frame, model.predict(frame))
    logged = mlflow.sklearn.log_model(
        model, name="linear", signature=signature, registered_model_name="churn", pip_requirements=["scikit-learn"]
    )
client = mlflow.MlflowClient()
client.set_registered_model_alias("churn", "champion", "1")
client.set_model_version_tag("churn", "1", "checked", "yes")
loaded = mlflow.sklearn.load_model("models:/churn@champion")
seen["same"] = bool(numpy.array_equal(loaded.predict(frame), model.predict(frame)))
seen["by_run"] = bool(
    numpy.array_equal(mlflow.sklearn.load_model(logged.model_uri).predict(frame), model.predict(frame))
)
version = client.get_model_version_by_alias("churn", "champion")
seen["version"] = [version.version, version.run_id == run.info.run_id, version.tags]

found = mlflow.search_runs(
    experiment_names=["churn"],
    filter_string="metrics.score > 0.7 and params.n_estimators = '7' and tags.team = 'risk'",
    order_by=["metrics.score DESC"],
)
seen["found"] = found["run_id"].tolist()
seen["history"] = [(point.step, point.value) for point in client.get_metric_history(forest.info.run_id, "score")]
seen["files"] = sorted(item.path for item in client.list_artifacts(forest.info.run_id, "about"))
seen["text"] = mlflow.artifacts.load_text(f"runs:/{forest.info.run_id}/about/note.txt")
read = client.get_run(forest.info.run_id)
seen["run"] = [
    read.info.status,
    read.data.params["note"],
    read.data.params["n_estimators"],
    read.data.tags["mlflow.runName"],
]
seen["datasets"] = len(read.inputs.dataset_inputs)
try:
    client.log_param(forest.info.run_id, "note", "another")
except mlflow.MlflowException as error:
    seen["refused"] = error.error_code
client.delete_run(forest.info.run_id)
seen["without"] = len(mlflow.search_runs(experiment_names=["churn"], filter_string="attributes.run_name = 'forest'"))
client.restore_run(forest.info.run_id)
print(json.dumps(seen))
