"""Rows of models, their versions and aliases."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.ids import new_id

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A model; ``last_version`` is the highest number ever given, so that numbers are not used twice."""

    id: str
    project: str
    name: str
    last_version: int
    comment: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """An immutable version of a model."""

    model_id: str
    project: str
    name: str
    version: int
    run_id: str | None = None
    artifact_id: str | None = None
    digest: str
    size: int
    framework: str = "onnx"
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    features: tuple[str, ...]
    feature_vector: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    feature_stats: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime
    comment: str | None = None

    def __str__(self) -> str:
        return f"{self.project}.{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class AliasMove:
    """An alias moved from a version (``None``: it is new) to another (``None``: it is dropped)."""

    model: ModelRow
    alias: str
    from_version: int | None
    to_version: int | None
    moved_at: datetime
    moved_by: str


def names(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Models of a project, by name."""
    rows = cursor.execute("SELECT name FROM catalog.main.models WHERE project = ? ORDER BY name", [project]).fetchall()
    return [row[0] for row in rows]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> ModelRow | None:
    """The model of that name, case aside."""
    rows = cursor.execute(
        "SELECT id, project, name, last_version, comment, created_at FROM catalog.main.models "
        "WHERE project = ? AND lower(name) = lower(?)",
        [project, name],
    ).fetchall()
    return ModelRow(*rows[0]) if rows else None


def insert(cursor: DuckDBPyConnection, row: ModelRow) -> None:
    """Add a model that does not exist."""
    cursor.execute(
        "INSERT INTO catalog.main.models VALUES (?, ?, ?, ?, ?, ?)",
        [row.id, row.project, row.name, row.last_version, row.comment, row.created_at],
    )


def insert_version(cursor: DuckDBPyConnection, row: ModelVersion) -> None:
    """Add a version and count it; a comment of the version becomes the model's when it has none."""
    cursor.execute(
        "INSERT INTO catalog.main.model_versions "
        "SELECT ?, ?, ?, ?, ?, ?, ?, ?, "
        "list_transform(list_zip(?::VARCHAR[], ?::VARCHAR[]), lambda pair: {'name': pair[1], 'type': pair[2]}), "
        "list_transform(list_zip(?::VARCHAR[], ?::VARCHAR[]), lambda pair: {'name': pair[1], 'type': pair[2]}), "
        "?::VARCHAR[], ?, map(?::VARCHAR[], ?::DOUBLE[]), ?::JSON::VARIANT, ?, ?",
        [
            *(row.model_id, row.project, row.version, row.run_id, row.artifact_id, row.digest, row.size),
            row.framework,
            *([name for name, _ in row.inputs], [kind for _, kind in row.inputs]),
            *([name for name, _ in row.outputs], [kind for _, kind in row.outputs]),
            *(list(row.features), row.feature_vector, list(row.metrics), list(row.metrics.values())),
            json.dumps(row.feature_stats, default=str) if row.feature_stats else None,
            *(row.created_at, row.comment),
        ],
    )
    cursor.execute(
        "UPDATE catalog.main.models SET last_version = ?, comment = coalesce(comment, ?) WHERE id = ?",
        [row.version, row.comment, row.model_id],
    )


def versions(cursor: DuckDBPyConnection, model: ModelRow) -> list[int]:
    """Numbers of the versions, ascending."""
    rows = cursor.execute(
        "SELECT version FROM catalog.main.model_versions WHERE model_id = ? ORDER BY version", [model.id]
    ).fetchall()
    return [row[0] for row in rows]


def made_from(cursor: DuckDBPyConnection, run_ids: Sequence[str]) -> list[str]:
    """``project.model@version`` of the versions that one of these runs is behind."""
    rows = cursor.execute(
        "SELECT m.project || '.' || m.name || '@' || v.version FROM catalog.main.model_versions v "
        "JOIN catalog.main.models m ON m.id = v.model_id WHERE list_contains(?::VARCHAR[], v.run_id) "
        "ORDER BY m.project, m.name, v.version",
        [list(run_ids)],
    ).fetchall()
    return [row[0] for row in rows]


def made_of(cursor: DuckDBPyConnection, artifact_ids: Sequence[str]) -> list[str]:
    """``project.model@version`` of the versions that are one of these artifacts."""
    rows = cursor.execute(
        "SELECT m.project || '.' || m.name || '@' || v.version FROM catalog.main.model_versions v "
        "JOIN catalog.main.models m ON m.id = v.model_id WHERE list_contains(?::VARCHAR[], v.artifact_id) ORDER BY ALL",
        [list(artifact_ids)],
    ).fetchall()
    return [row[0] for row in rows]


def get_version(cursor: DuckDBPyConnection, model: ModelRow, version: int | None = None) -> ModelVersion | None:
    """A version by number; the latest without one."""
    rows = cursor.execute(
        "SELECT version, run_id, artifact_id, digest, size, framework, inputs, outputs, features, feature_vector, "
        "metrics, feature_stats::JSON::VARCHAR, created_at, comment FROM catalog.main.model_versions "
        "WHERE model_id = ? AND (?::INTEGER IS NULL OR version = ?) ORDER BY version DESC LIMIT 1",
        [model.id, version, version],
    ).fetchall()
    if not rows:
        return None
    row = rows[0]
    return ModelVersion(
        model_id=model.id,
        project=model.project,
        name=model.name,
        version=row[0],
        run_id=row[1],
        artifact_id=row[2],
        digest=row[3],
        size=row[4],
        framework=row[5],
        inputs=tuple((entry["name"], entry["type"]) for entry in row[6]),
        outputs=tuple((entry["name"], entry["type"]) for entry in row[7]),
        features=tuple(row[8]),
        feature_vector=row[9],
        metrics=row[10] or {},
        feature_stats=json.loads(row[11]) if row[11] else {},
        created_at=row[12],
        comment=row[13],
    )


def aliases(cursor: DuckDBPyConnection, model: ModelRow) -> dict[str, int]:
    """Aliases and the versions that they point at."""
    rows = cursor.execute(
        "SELECT alias, version FROM catalog.main.model_aliases WHERE model_id = ? ORDER BY alias", [model.id]
    ).fetchall()
    return dict(rows)


def move_alias(cursor: DuckDBPyConnection, move: AliasMove) -> None:
    """Point the alias at its new version, or take it away, and record the move."""
    if move.to_version is None:
        cursor.execute(
            "DELETE FROM catalog.main.model_aliases WHERE model_id = ? AND alias = ?", [move.model.id, move.alias]
        )
    else:
        cursor.execute(
            "INSERT INTO catalog.main.model_aliases VALUES (?, ?, ?, ?) "
            "ON CONFLICT (model_id, alias) DO UPDATE SET version = excluded.version",
            [move.model.id, move.model.project, move.alias, move.to_version],
        )
    cursor.execute(
        "INSERT INTO catalog.main.model_alias_moves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(new_id(), move.model.id, move.model.project, move.model.name, move.alias),
            *(move.from_version, move.to_version, move.moved_at, move.moved_by),
        ],
    )


def set_comment(cursor: DuckDBPyConnection, model: ModelRow, version: int | None, comment: str | None) -> None:
    """Describe a version, or the model itself."""
    if version is None:
        cursor.execute("UPDATE catalog.main.models SET comment = ? WHERE id = ?", [comment, model.id])
        return
    cursor.execute(
        "UPDATE catalog.main.model_versions SET comment = ? WHERE model_id = ? AND version = ?",
        [comment, model.id, version],
    )


def delete_version(cursor: DuckDBPyConnection, model: ModelRow, version: int) -> None:
    """Delete a version; its bytes stay with the run that made them."""
    cursor.execute("DELETE FROM catalog.main.model_versions WHERE model_id = ? AND version = ?", [model.id, version])


def delete(cursor: DuckDBPyConnection, model: ModelRow) -> None:
    """Delete the model, its versions and aliases; the record of alias moves stays."""
    for table in ("model_aliases", "model_versions", "model_tags"):
        cursor.execute(f"DELETE FROM catalog.main.{table} WHERE model_id = ?", [model.id])
    cursor.execute("DELETE FROM catalog.main.models WHERE id = ?", [model.id])
