"""Rows of endpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ShareRow:
    """A model with its percent of the traffic, or its weight; ``version`` is a number or an alias."""

    project: str
    name: str
    version: str
    weight: float = 1.0

    def __str__(self) -> str:
        return f"{self.project}.{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRow:
    """What an endpoint is. ``serving`` is model, traffic, ensemble, function or graph; ``state`` is ready or
    suspended."""

    id: str
    project: str
    name: str
    state: str = "ready"
    serving: str = "model"
    shares: tuple[ShareRow, ...]
    ensemble: str | None = None
    shadow: ShareRow | None = None
    vector: tuple[str, str] | None = None
    """Project and name of the feature vector that enriches requests."""
    impute: Mapping[str, Any] = field(default_factory=dict)
    log_percent: float = 100.0
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None
    function: tuple[str, str, int] | None = None
    """Project, name and version of the function that answers."""
    graph: Mapping[str, Any] | None = None
    """The graph that answers, as its file says it."""
    meta: ShareRow | None = None
    """The model that a stacked ensemble ends in."""
    preprocess: str | None = None
    postprocess: str | None = None
    path: str | None = None
    created_at: datetime
    changed_at: datetime

    @property
    def models(self) -> tuple[ShareRow, ...]:
        """Every model that it uses, the shadow last."""
        return (*self.shares, *(share for share in (self.meta, self.shadow) if share))


_COLUMNS = (
    "id, project, name, state, serving, shares, ensemble, shadow, vector_project, vector_name, impute, log_percent, "
    "options, comment, created_at, changed_at, parts"
)


def load(cursor: DuckDBPyConnection) -> list[EndpointRow]:
    """All endpoints, by project and name."""
    rows = cursor.execute(f"SELECT {_COLUMNS} FROM catalog.main.endpoints ORDER BY project, name").fetchall()
    return [_row(row) for row in rows]


def names(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Endpoints of a project, by name."""
    rows = cursor.execute(
        "SELECT name FROM catalog.main.endpoints WHERE project = ? ORDER BY name", [project]
    ).fetchall()
    return [row[0] for row in rows]


def get(cursor: DuckDBPyConnection, project: str, name: str) -> EndpointRow | None:
    """The endpoint of that name, case aside."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM catalog.main.endpoints WHERE project = ? AND lower(name) = lower(?)", [project, name]
    ).fetchall()
    return _row(rows[0]) if rows else None


def insert(cursor: DuckDBPyConnection, row: EndpointRow) -> None:
    """Add an endpoint that does not exist."""
    vector_project, vector_name = row.vector or (None, None)
    cursor.execute(
        f"INSERT INTO catalog.main.endpoints ({_COLUMNS}) VALUES ({', '.join('?' * 17)})",
        [
            *(row.id, row.project, row.name, row.state, row.serving, [_share(share) for share in row.shares]),
            *(row.ensemble, _share(row.shadow) if row.shadow else None, vector_project, vector_name),
            *(json.dumps(dict(row.impute)), row.log_percent, json.dumps(dict(row.options), default=str)),
            *(row.comment, row.created_at, row.changed_at, json.dumps(_parts(row))),
        ],
    )


def delete(cursor: DuckDBPyConnection, identifier: str) -> None:
    """Delete by id."""
    cursor.execute("DELETE FROM catalog.main.endpoints WHERE id = ?", [identifier])


def replace(cursor: DuckDBPyConnection, old: str, row: EndpointRow) -> None:
    """Put ``row``, which has an id of its own, in the place of the endpoint with id ``old``."""
    delete(cursor, old)
    insert(cursor, row)


def using(cursor: DuckDBPyConnection, project: str, model: str) -> list[EndpointRow]:
    """Endpoints of all projects that serve any version of a model."""
    return [
        row
        for row in load(cursor)
        if any(share.project == project and share.name.lower() == model.lower() for share in row.models)
    ]


def calling(cursor: DuckDBPyConnection, project: str, function: str) -> list[EndpointRow]:
    """Endpoints of all projects that any version of a function answers for, alone or in a graph."""
    wanted = (project.lower(), function.lower())

    def calls(row: EndpointRow) -> bool:
        if row.function is not None and (row.function[0].lower(), row.function[1].lower()) == wanted:
            return True
        for text in (row.graph or {}).get("pins", {}).get("functions", {}):
            owner, _, name = text.partition("@")[0].rpartition(".")
            if ((owner or row.project).lower(), name.lower()) == wanted:
                return True
        return False

    return [row for row in load(cursor) if calls(row)]


def enriched(cursor: DuckDBPyConnection, project: str, vector: str) -> list[EndpointRow]:
    """Endpoints of all projects that enrich requests with a feature vector."""
    return [
        row
        for row in load(cursor)
        if row.vector is not None and (row.vector[0], row.vector[1].lower()) == (project, vector.lower())
    ]


def _share(share: ShareRow) -> dict[str, Any]:
    return {"project": share.project, "name": share.name, "version": share.version, "weight": share.weight}


def _parts(row: EndpointRow) -> dict[str, Any]:
    """What few endpoints have, and nobody filters on."""
    parts = {
        "function": row.function,
        "graph": dict(row.graph) if row.graph is not None else None,
        "meta": _share(row.meta) if row.meta else None,
        "preprocess": row.preprocess,
        "postprocess": row.postprocess,
        "path": row.path,
    }
    return {name: value for name, value in parts.items() if value is not None}


def _row(row: tuple[Any, ...]) -> EndpointRow:
    parts = json.loads(row[16] or "{}")
    function = parts.get("function")
    return EndpointRow(
        id=row[0],
        project=row[1],
        name=row[2],
        state=row[3],
        serving=row[4],
        shares=tuple(ShareRow(**share) for share in row[5]),
        ensemble=row[6],
        shadow=ShareRow(**row[7]) if row[7] else None,
        vector=(row[8], row[9]) if row[9] else None,
        impute=json.loads(row[10]),
        log_percent=row[11],
        options=json.loads(row[12]),
        comment=row[13],
        created_at=row[14],
        changed_at=row[15],
        function=(function[0], function[1], function[2]) if function else None,
        graph=parts.get("graph"),
        meta=ShareRow(**parts["meta"]) if parts.get("meta") else None,
        preprocess=parts.get("preprocess"),
        postprocess=parts.get("postprocess"),
        path=parts.get("path"),
    )
