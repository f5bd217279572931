"""Rows of artifacts. A name has versions: the number grows when the bytes differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.engine.catalog.tables import artifact_marks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KINDS = ("file", "folder", "dataset", "table", "plot", "model", "document")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRow:
    """Bytes of the artifact store (``digest``) with a name; a folder is a zip. ``size`` in bytes."""

    id: str
    project: str
    run_id: str | None
    name: str
    kind: str
    digest: str
    size: int
    created_at: datetime
    version: int = 0
    media_type: str | None = None
    file_name: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


_COLUMNS = tuple(entry.name for entry in fields(ArtifactRow))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM catalog.main.artifacts"


def _row(values: tuple[Any, ...]) -> ArtifactRow:
    return ArtifactRow(**dict(zip(_COLUMNS, values, strict=True)))


def insert(cursor: DuckDBPyConnection, row: ArtifactRow) -> ArtifactRow:
    """Add an artifact; its version is given here: the latest one's when the bytes are the same, else the next."""
    latest = cursor.execute(
        "SELECT version, digest FROM (SELECT version, digest FROM catalog.main.artifacts "
        "WHERE project = $1 AND lower(name) = lower($2) UNION ALL "
        # those that RESTORE may bring back keep their numbers
        "SELECT variant_extract(body, 'version')::INTEGER, variant_extract(body, 'digest')::VARCHAR "
        "FROM catalog.main.dropped_rows WHERE of_table = 'artifacts' AND drop_id IN (SELECT id FROM "
        "catalog.main.dropped WHERE project = $1 AND kind = 'artifact' AND lower(name) = lower($2))) "
        "ORDER BY version DESC LIMIT 1",
        [row.project, row.name],
    ).fetchall()
    version = 1 if not latest else latest[0][0] + (latest[0][1] != row.digest)
    row = replace(row, version=version)
    marks = ", ".join("?::JSON::VARIANT" if name == "metadata" else "?" for name in _COLUMNS)
    values = [getattr(row, name) for name in _COLUMNS]
    values[_COLUMNS.index("metadata")] = json.dumps(dict(row.metadata), default=str)
    cursor.execute(f"INSERT INTO catalog.main.artifacts ({', '.join(_COLUMNS)}) VALUES ({marks})", values)
    return row


def get(cursor: DuckDBPyConnection, artifact_id: str) -> ArtifactRow | None:
    """The artifact with exactly this id."""
    rows = cursor.execute(f"{_SELECT} WHERE id = ?", [artifact_id]).fetchall()
    return _row(rows[0]) if rows else None


def of_run(
    cursor: DuckDBPyConnection, run_id: str, *, name: str | None = None, kind: str | None = None
) -> list[ArtifactRow]:
    """Artifacts that a run logged, the latest first; of one name and kind when these are given."""
    rows = cursor.execute(
        f"{_SELECT} WHERE run_id = ? AND (?::VARCHAR IS NULL OR lower(name) = lower(?)) "
        "AND (?::VARCHAR IS NULL OR kind = ?) ORDER BY id DESC",
        [run_id, name, name, kind, kind],
    ).fetchall()
    return [_row(values) for values in rows]


def model_of(cursor: DuckDBPyConnection, project: str, run_id: str | None, logged_model: str) -> str | None:
    """Id of the artifact of kind model that a logged model was kept as; the latest."""
    rows = cursor.execute(
        "SELECT id FROM catalog.main.artifacts WHERE project = ? AND run_id IS NOT DISTINCT FROM ? AND kind = 'model' "
        "AND variant_extract(metadata, 'mlflow_model')::VARCHAR = ? ORDER BY id DESC LIMIT 1",
        [project, run_id, logged_model],
    ).fetchall()
    return str(rows[0][0]) if rows else None


def tree(cursor: DuckDBPyConnection, project: str, run_id: str | None, path: str) -> list[ArtifactRow]:
    """Rows whose names are ``path`` or lie below it (``/`` parts names), the latest first."""
    rows = cursor.execute(
        f"{_SELECT} WHERE project = ? AND run_id IS NOT DISTINCT FROM ? "
        "AND (? = '' OR name = ? OR starts_with(name, ? || '/')) ORDER BY id DESC",
        [project, run_id, path, path, path],
    ).fetchall()
    return [_row(values) for values in rows]


def delete(cursor: DuckDBPyConnection, ids: Sequence[str]) -> None:
    """Forget artifacts, and what marks versions of which nothing is left; their bytes stay."""
    gone = cursor.execute(
        "DELETE FROM catalog.main.artifacts WHERE list_contains(?::VARCHAR[], id) RETURNING project", [list(ids)]
    ).fetchall()
    artifact_marks.forget(cursor, [row[0] for row in gone])


def named(
    cursor: DuckDBPyConnection, project: str, name: str, version: int | None, run_id: str | None
) -> list[ArtifactRow]:
    """All rows of a name; of one version, or one run, when it is given. Not of dropped runs."""
    rows = cursor.execute(
        f"{_SELECT} a WHERE project = ? AND lower(name) = lower(?) AND (?::INTEGER IS NULL OR version = ?) "
        "AND (?::VARCHAR IS NULL OR run_id = ?) "
        "AND NOT EXISTS (SELECT 1 FROM catalog.main.runs r WHERE r.id = a.run_id AND r.deleted_at IS NOT NULL) "
        "ORDER BY id DESC",
        [project, name, version, version, run_id, run_id],
    ).fetchall()
    return [_row(values) for values in rows]


def names(cursor: DuckDBPyConnection, project: str, run_id: str | None) -> list[str]:
    """Names of a project's artifacts, or of a run's."""
    rows = cursor.execute(
        "SELECT DISTINCT name FROM catalog.main.artifacts WHERE project = ? AND (?::VARCHAR IS NULL OR run_id = ?)",
        [project, run_id, run_id],
    ).fetchall()
    return [row[0] for row in rows]


def find(cursor: DuckDBPyConnection, project: str, name: str, version: int | None = None) -> ArtifactRow | None:
    """The latest row of a name, or of one version of it."""
    rows = cursor.execute(
        f"{_SELECT} WHERE project = ? AND lower(name) = lower(?) AND (?::INTEGER IS NULL OR version = ?) "
        "ORDER BY id DESC LIMIT 1",
        [project, name, version, version],
    ).fetchall()
    return _row(rows[0]) if rows else None
