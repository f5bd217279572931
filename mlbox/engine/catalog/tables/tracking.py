"""Rows of experiments, of data sets that runs read, and of logged models: what MLflow's clients know besides runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from mlbox.base.clock import now
from mlbox.engine.catalog.tables import run_memory

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
_JSON = frozenset({"tags", "params", "metrics", "dataset"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRow:
    """A group of runs; ``runs.experiment`` is its name."""

    id: str
    project: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRow:
    """A data set that a run has read. ``dataset`` is what the client says of it: source, schema, profile."""

    project: str
    run_id: str
    name: str
    digest: str
    dataset: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModelRow:
    """A model that a run has logged and that need not be registered. ``metrics`` is a list of points."""

    id: str
    project: str
    experiment: str | None
    run_id: str | None
    name: str
    kind: str | None = None
    status: str = "PENDING"
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Mapping[str, Any], ...] = ()
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    deleted_at: datetime | None = None


_TABLES: dict[type[Any], str] = {
    ExperimentRow: "experiments",
    InputRow: "run_inputs",
    LoggedModelRow: "logged_models",
}


def put(cursor: DuckDBPyConnection, row: ExperimentRow | InputRow | LoggedModelRow) -> None:
    """Add a row, or replace the one of the same key."""
    names = [entry.name for entry in fields(row)]
    values = [json.dumps(getattr(row, name), default=str) if name in _JSON else getattr(row, name) for name in names]
    cursor.execute(
        f"INSERT OR REPLACE INTO catalog.main.{_TABLES[type(row)]} ({', '.join(names)}) "
        f"VALUES ({', '.join('?' for _ in names)})",
        values,
    )


def _select(cursor: DuckDBPyConnection, kind: type[T], condition: str, parameters: Iterable[Any]) -> list[T]:
    names = list(get_type_hints(kind))
    rows = cursor.execute(
        f"SELECT {', '.join(names)} FROM catalog.main.{_TABLES[kind]} WHERE {condition}", list(parameters)
    ).fetchall()
    found = []
    for values in rows:
        known = dict(zip(names, values, strict=True))
        for name in _JSON & known.keys():
            known[name] = json.loads(known[name])
        if "metrics" in known:
            known["metrics"] = tuple(known["metrics"])
        found.append(kind(**known))
    return found


def experiments(cursor: DuckDBPyConnection, project: str) -> list[ExperimentRow]:
    """All of a project, deleted ones too, oldest first."""
    return _select(cursor, ExperimentRow, "project = ? ORDER BY created_at, id", [project])


def rename_experiment(cursor: DuckDBPyConnection, row: ExperimentRow, name: str) -> None:
    """Give the experiment, and its runs, another name."""
    parameters = [name, row.project, row.name]
    run_memory.changed()
    cursor.execute("UPDATE catalog.main.runs SET experiment = ? WHERE project = ? AND experiment = ?", parameters)
    cursor.execute(
        "UPDATE catalog.main.logged_models SET experiment = ? WHERE project = ? AND experiment = ?", parameters
    )
    cursor.execute("UPDATE catalog.main.experiments SET name = ?, updated_at = ? WHERE id = ?", [name, now(), row.id])


def inputs_of(cursor: DuckDBPyConnection, run_ids: Iterable[str]) -> dict[str, list[InputRow]]:
    """Data sets that runs have read, by run."""
    found: dict[str, list[InputRow]] = {}
    for row in _select(cursor, InputRow, "run_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY name", [list(run_ids)]):
        found.setdefault(row.run_id, []).append(row)
    return found


def logged_models(cursor: DuckDBPyConnection, project: str, ids: Iterable[str] | None = None) -> list[LoggedModelRow]:
    """Logged models of a project, or those with these ids; the newest first, without deleted ones."""
    wanted = None if ids is None else list(ids)
    condition = (
        "project = ? AND deleted_at IS NULL AND (?::VARCHAR[] IS NULL OR list_contains(?::VARCHAR[], id)) "
        "ORDER BY created_at DESC, id DESC"
    )
    return _select(cursor, LoggedModelRow, condition, [project, wanted, wanted])


def logged_models_of(cursor: DuckDBPyConnection, run_ids: Iterable[str]) -> dict[str, list[LoggedModelRow]]:
    """Logged models by run, in order."""
    found: dict[str, list[LoggedModelRow]] = {}
    condition = "run_id IN (SELECT unnest(?::VARCHAR[])) AND deleted_at IS NULL ORDER BY created_at, id"
    for row in _select(cursor, LoggedModelRow, condition, [list(run_ids)]):
        found.setdefault(str(row.run_id), []).append(row)
    return found


def set_model_tag(cursor: DuckDBPyConnection, project: str, key: tuple[str, int], name: str, value: str | None) -> None:
    """Set a tag of a version (``key``: id of the model and version; 0 is the model itself), or take it away."""
    if value is None:
        cursor.execute(
            "DELETE FROM catalog.main.model_tags WHERE model_id = ? AND version = ? AND name = ?", [*key, name]
        )
        return
    cursor.execute(
        "INSERT OR REPLACE INTO catalog.main.model_tags VALUES (?, ?, ?, ?, ?)", [project, *key, name, value]
    )


def model_tags(cursor: DuckDBPyConnection, model_id: str) -> dict[int, dict[str, str]]:
    """Tags of a model by version; 0 is the model itself."""
    rows = cursor.execute(
        "SELECT version, name, value FROM catalog.main.model_tags WHERE model_id = ? ORDER BY name", [model_id]
    ).fetchall()
    found: dict[int, dict[str, str]] = {}
    for version, name, value in rows:
        found.setdefault(version, {})[name] = value
    return found
