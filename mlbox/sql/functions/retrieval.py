"""``ml.features``, ``ml.features_at``, ``ml.online``: features of entities, offline and online."""

from __future__ import annotations

import json
from typing import Any

from mlbox.base.errors import NotFound
from mlbox.base.names import literal
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, TableFunction


def features(asked: Asked, vector: str, spine: str, session: str) -> str:
    """See below."""
    asked.check(session, ref=vector, table=spine)
    return asked.features.features_sql(asked.project(session), vector, spine)


def features_at(asked: Asked, vector: str, moment: str, session: str) -> str:
    """See below."""
    asked.check(session, ref=vector)
    return asked.features.features_at_sql(asked.project(session), vector, moment)


def online(asked: Asked, vector: str, keys: str, session: str) -> str:
    """See below."""
    asked.check(session, ref=vector)
    found = asked.features.online_rows(asked.project(session), vector, json.loads(keys))
    if not found:
        raise NotFound(f"vector {vector} gave no row")
    text = literal(json.dumps(found, default=str))
    structure = json.dumps([{name: _duckdb_type(value) for name, value in found[0].items()}])
    return f"SELECT unnest(from_json({text}::JSON, {literal(structure)}), recursive := true)"


def _duckdb_type(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "BIGINT"
    if isinstance(value, float):
        return "DOUBLE"
    return "VARCHAR"


VECTOR = Argument("v", "VARCHAR", "Feature vector")

FUNCTIONS.add(
    "features",
    TableFunction(
        "features",
        "The rows of a spine with the features of a vector as of each row's own time.",
        (VECTOR, Argument("spine", "VARCHAR", "Table, view or CTE with the entity's columns and event_time")),
        (
            Column("…", "", "The columns of the spine"),
            Column("…", "", "The features of the vector; NULL where nothing was known at that time"),
        ),
        "WITH asked AS (SELECT 7 AS customer, TIMESTAMP '2026-01-03' AS event_time)\n"
        "FROM ml.features('profile', 'asked')",
        features,
        "A feature counts from its time on, that instant included; with `KNOWN AT`, from the time at which it was "
        "known. Older than the set's `TTL`, it is NULL.",
    ),
)
FUNCTIONS.add(
    "features_at",
    TableFunction(
        "features_at",
        "The features of a vector at one instant, one row an entity that is known by then.",
        (VECTOR, Argument("moment", "TIMESTAMP", "The instant", passed="moment::TIMESTAMPTZ::VARCHAR")),
        (Column("…", "", "The entity's columns"), Column("…", "", "The features of the vector")),
        "FROM ml.features_at('profile', TIMESTAMP '2026-01-03')",
        features_at,
    ),
)
FUNCTIONS.add(
    "online",
    TableFunction(
        "online",
        "The features that an endpoint would see now, from the online store.",
        (
            VECTOR,
            Argument("keys", "STRUCT or STRUCT[]", "One entity, or a list of them", passed="to_json(keys)::VARCHAR"),
        ),
        (Column("…", "", "The keys as given"), Column("…", "", "The features of the vector")),
        "FROM ml.online('profile', {'customer': 7})",
        online,
    ),
)
