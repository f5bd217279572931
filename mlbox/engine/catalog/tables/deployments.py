"""Rows of deployments, and how far the predictions of their replicas have come."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRow:
    """An endpoint that replicas on an engine answer for; ``state`` is starting, ready or failed."""

    project: str
    endpoint: str
    engine: str
    id: str
    name: str
    """Of the objects there."""
    place: str
    """The namespace, or the address of the Docker engine."""
    image: str
    replicas: int
    max_replicas: int
    address: str
    """Where callers reach it."""
    state: str
    deployed_at: datetime
    deployed_by: str
    bundle: str
    """What replicas are made of, as JSON."""
    version: str | None = None
    """Of the bundle."""
    previous: str | None = None
    """The bundle that answered before, while another one is on its way."""
    problem: str | None = None
    """Why the last version that was wanted does not answer."""


_COLUMNS = ", ".join(field.name for field in fields(DeploymentRow))
_NAMES = tuple(field.name for field in fields(DeploymentRow))
_SELECT = f"SELECT {_COLUMNS} FROM catalog.main.deployments"


def put(cursor: DuckDBPyConnection, row: DeploymentRow) -> None:
    """Add it, or put it in the place of the one of that endpoint and engine."""
    marks = ", ".join("?" for _ in _NAMES)
    cursor.execute(f"INSERT OR REPLACE INTO catalog.main.deployments ({_COLUMNS}) VALUES ({marks})", list(astuple(row)))


def of_endpoint(cursor: DuckDBPyConnection, project: str, endpoint: str) -> list[DeploymentRow]:
    """Deployments of an endpoint, by engine."""
    found = cursor.execute(
        f"{_SELECT} WHERE project = ? AND lower(endpoint) = lower(?) ORDER BY engine", [project, endpoint]
    )
    return [DeploymentRow(**dict(zip(_NAMES, row, strict=True))) for row in found.fetchall()]


def of_project(cursor: DuckDBPyConnection, project: str) -> list[DeploymentRow]:
    """Deployments of a project."""
    found = cursor.execute(f"{_SELECT} WHERE project = ? ORDER BY endpoint, engine", [project])
    return [DeploymentRow(**dict(zip(_NAMES, row, strict=True))) for row in found.fetchall()]


def load(cursor: DuckDBPyConnection) -> list[DeploymentRow]:
    """All."""
    found = cursor.execute(f"{_SELECT} ORDER BY project, endpoint, engine").fetchall()
    return [DeploymentRow(**dict(zip(_NAMES, row, strict=True))) for row in found]


def get(cursor: DuckDBPyConnection, identifier: str) -> DeploymentRow | None:
    """By id."""
    rows = cursor.execute(f"{_SELECT} WHERE id = ?", [identifier]).fetchall()
    return DeploymentRow(**dict(zip(_NAMES, rows[0], strict=True))) if rows else None


def delete(cursor: DuckDBPyConnection, identifier: str) -> None:
    """Delete by id; the predictions of its replicas stay."""
    cursor.execute("DELETE FROM catalog.main.deployments WHERE id = ?", [identifier])


def is_new(cursor: DuckDBPyConnection, deployment: str, replica: str, batch: int) -> bool:
    """Whether a batch of a replica has not been taken yet."""
    rows = cursor.execute(
        "SELECT last_batch FROM data._mlbox.replicas WHERE deployment = ? AND replica = ?", [deployment, replica]
    ).fetchall()
    return not rows or batch > int(rows[0][0])


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch of predictions that has come from a replica."""

    project: str
    deployment: str
    replica: str
    batch: int
    rows: int
    at: datetime


def note(cursor: DuckDBPyConnection, taken: Taken) -> None:
    """Remember that a batch is taken; in the transaction that writes its rows."""
    cursor.execute(
        "INSERT INTO data._mlbox.replicas VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (deployment, replica) DO UPDATE SET "
        "last_batch = excluded.last_batch, rows = replicas.rows + excluded.rows, reported_at = excluded.reported_at",
        [taken.project, taken.deployment, taken.replica, taken.batch, taken.rows, taken.at],
    )
