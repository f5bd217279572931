"""``sqlite:///path/mlflow.db``: the database of a tracking server or of a client that has none. Read, never written."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlbox.base.errors import Invalid, NotFound, Unavailable
from mlbox.engine.runs.mlflow_stores.base import (
    MODEL_STATUS,
    STORES,
    Experiment,
    Input,
    LoggedModel,
    Model,
    Opener,
    Point,
    Run,
    Version,
    files_below,
    local_path,
)

_BIGGEST = 1.7976931348623157e308
"""What MLflow writes for an infinity, which its columns cannot hold."""

Pairs = Mapping[Any, Mapping[str, str]]


class SqliteStore:
    """The tables of MLflow 2 and 3; those that an older one does not have are empty."""

    def __init__(self, address: str) -> None:
        text = address.removeprefix("sqlite:").removeprefix("///")
        self._path = next((path for path in (Path(text), Path("/", text)) if path.is_file()), None) or Path(text)
        if not self._path.is_file():
            raise NotFound(f"there is no file {text!r}", hint="mlflow+sqlite:////home/me/mlflow.db")
        self._database = sqlite3.connect(
            f"file:{quote(str(self._path.resolve()))}?mode=ro", uri=True, check_same_thread=False
        )
        self._database.row_factory = sqlite3.Row
        try:
            found = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        except sqlite3.DatabaseError as error:
            raise Invalid(f"{self._path} is no SQLite database: {error}") from None
        self._tables = {row["name"] for row in found}
        if not {"experiments", "runs", "metrics"} <= self._tables:
            raise Invalid(f"{self._path} holds no tables of MLflow")
        self._folder = self._path.resolve().parent

    def experiments(self) -> Sequence[Experiment]:
        """All, deleted ones too."""
        tags = self._pairs("experiment_tags", "experiment_id", "key", "value")
        return [
            Experiment(
                id=str(row["experiment_id"]),
                name=row["name"],
                tags=tags.get(row["experiment_id"], {}),
                created=row["creation_time"],
                deleted=row["lifecycle_stage"] == "deleted",
            )
            for row in self._rows("SELECT * FROM experiments ORDER BY experiment_id")
        ]

    def runs(self) -> Iterator[Run]:
        """All, oldest first."""
        params = self._pairs("params", "run_uuid", "key", "value")
        tags = self._pairs("tags", "run_uuid", "key", "value")
        inputs = self._inputs()
        for row in self._rows("SELECT * FROM runs ORDER BY start_time, run_uuid"):
            id = row["run_uuid"]
            yield Run(
                id=id,
                experiment=str(row["experiment_id"]),
                name=tags.get(id, {}).get("mlflow.runName") or row["name"],
                status=row["status"],
                started=row["start_time"],
                ended=row["end_time"],
                user=row["user_id"],
                deleted=row["lifecycle_stage"] == "deleted",
                artifacts=row["artifact_uri"] or "",
                params=params.get(id, {}),
                tags=tags.get(id, {}),
                inputs=inputs.get(id, ()),
            )

    def points(self, run: Run) -> list[Point]:
        """In order of time."""
        rows = self._rows(
            "SELECT key, step, value, is_nan, timestamp FROM metrics WHERE run_uuid = ? ORDER BY timestamp, step",
            run.id,
        )
        return [
            Point(row["key"], row["step"], _number(row["value"], bool(row["is_nan"])), row["timestamp"]) for row in rows
        ]

    def logged_models(self) -> list[LoggedModel]:
        """Those that are not deleted."""
        if "logged_models" not in self._tables:
            return []
        params = self._pairs("logged_model_params", "model_id", "param_key", "param_value")
        tags = self._pairs("logged_model_tags", "model_id", "tag_key", "tag_value")
        points: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self._rows("SELECT * FROM logged_model_metrics ORDER BY metric_timestamp_ms, metric_step"):
            points[row["model_id"]].append({
                "key": row["metric_name"],
                "value": row["metric_value"],
                "timestamp": row["metric_timestamp_ms"],
                "step": row["metric_step"],
                "run_id": row["run_id"],
            })  # fmt: skip
        return [
            LoggedModel(
                id=row["model_id"],
                experiment=str(row["experiment_id"]),
                name=row["name"],
                run=row["source_run_id"],
                kind=row["model_type"],
                status=MODEL_STATUS.get(row["status"], "READY"),
                location=row["artifact_location"],
                params=params.get(row["model_id"], {}),
                tags=tags.get(row["model_id"], {}),
                metrics=points.get(row["model_id"], ()),
                created=row["creation_timestamp_ms"],
                updated=row["last_updated_timestamp_ms"],
            )
            for row in self._rows("SELECT * FROM logged_models ORDER BY creation_timestamp_ms, model_id")
            if row["lifecycle_stage"] != "deleted"
        ]

    def models(self) -> list[Model]:
        """With their versions in order."""
        tags = self._pairs("registered_model_tags", "name", "key", "value")
        of_versions: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)
        for row in self._all("model_version_tags"):
            of_versions[row["name"], row["version"]][row["key"]] = row["value"] or ""
        aliases: dict[str, dict[str, int]] = defaultdict(dict)
        for row in self._all("registered_model_aliases"):
            aliases[row["name"]][row["alias"]] = row["version"]
        versions: dict[str, list[Version]] = defaultdict(list)
        for row in self._rows("SELECT * FROM model_versions ORDER BY name, version"):
            if row["current_stage"] != "Deleted_Internal":
                keys = row.keys()
                versions[row["name"]].append(
                    Version(
                        number=row["version"],
                        run=row["run_id"],
                        source=row["source"] or "",
                        location=(row["storage_location"] if "storage_location" in keys else None) or "",
                        description=row["description"],
                        created=row["creation_time"],
                        tags=of_versions.get((row["name"], row["version"]), {}),
                    )
                )
        return [
            Model(
                name=row["name"],
                description=row["description"],
                created=row["creation_time"],
                tags=tags.get(row["name"], {}),
                aliases=aliases.get(row["name"], {}),
                versions=versions.get(row["name"], ()),
            )
            for row in self._rows("SELECT * FROM registered_models ORDER BY name")
        ]

    def files(self, location: str) -> Iterator[tuple[str, Opener]]:
        """Of this machine; what a server kept for its clients is looked for beside the database."""
        path = local_path(location, self._folder / "mlartifacts")
        return files_below(path if path.is_absolute() else self._folder / path)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _rows(self, query: str, *parameters: Any) -> list[sqlite3.Row]:
        try:
            return self._database.execute(query, parameters).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"{self._path} cannot be read: {error}") from None

    def _all(self, table: str) -> list[sqlite3.Row]:
        return self._rows(f"SELECT * FROM {table}") if table in self._tables else []

    def _pairs(self, table: str, owner: str, key: str, value: str) -> Pairs:
        found: dict[Any, dict[str, str]] = defaultdict(dict)
        for row in self._all(table):
            found[row[owner]][row[key]] = "" if row[value] is None else str(row[value])
        return found

    def _inputs(self) -> Mapping[str, Sequence[Input]]:
        if not {"inputs", "datasets"} <= self._tables:
            return {}
        tags = self._pairs("input_tags", "input_uuid", "name", "value")
        found: dict[str, list[Input]] = defaultdict(list)
        for row in self._rows(
            "SELECT i.input_uuid, i.destination_id, d.* FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
            "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN'"
        ):
            known = {
                "source_type": row["dataset_source_type"],
                "source": row["dataset_source"],
                "schema": row["dataset_schema"],
                "profile": row["dataset_profile"],
            }
            dataset = {name: value for name, value in known.items() if value is not None}
            entry = Input(name=row["name"], digest=row["digest"], dataset=dataset, tags=tags.get(row["input_uuid"], {}))
            found[row["destination_id"]].append(entry)
        return found


def _number(value: float, missing: bool) -> float:
    if missing:
        return float("nan")
    return float("inf") if value >= _BIGGEST else float("-inf") if value <= -_BIGGEST else float(value)


STORES.add("sqlite", SqliteStore)
