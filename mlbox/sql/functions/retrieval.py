"""``ml.features``, ``ml.features_at``, ``ml.online``: features of entities, offline and online."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.names import literal
from mlbox.engine.features.retrieval import ref_of
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, TableFunction


def features(asked: Asked, vector: str, spine: str, session: str) -> str:
    """See below."""
    asked.check(session, ref=vector, table=spine)
    return asked.features.features_sql(asked.project(session), vector, spine)


def features_at(asked: Asked, vector: str, moment: str, session: str) -> str:
    """See below."""
    asked.check(session, ref=vector)
    return asked.features.features_at_sql(asked.project(session), vector, moment)


def online(asked: Asked, vector: str, keys: str, impute: str, status: str, session: str) -> str:
    """See below."""
    asked.check(session, ref=vector)
    given = json.loads(keys)
    found = asked.features.online(ref_of(vector, asked.project(session)), given, json.loads(impute))
    rows, types = found.rows, dict(found.types)
    if not rows:
        raise Invalid("no key is given", hint=f"FROM ml.online({literal(vector)}, {{'entity': value}})")
    if status == "true":
        types |= {"_status": "MAP(VARCHAR, VARCHAR)", "_imputed": "VARCHAR[]"}
        for number, row in enumerate(rows):
            row["_status"] = {name: of_set[number] for name, of_set in found.status.items()}
            row["_imputed"] = found.imputed[number] if found.imputed else []
    structure = json.dumps([{name: types[name] for name in rows[0]}])
    text = json.dumps([{name: _jsonable(value) for name, value in row.items()} for row in rows], default=str)
    return f"SELECT unnest(_row) FROM (SELECT unnest(from_json({literal(text)}::JSON, {literal(structure)})) AS _row)"


def _jsonable(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not isfinite(value) else value


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
            Argument(
                "impute",
                "STRUCT or MAP",
                "What stands for missing values, by feature; '*' is all others",
                default="MAP {}",
                passed="to_json(impute)::VARCHAR",
            ),
            Argument("status", "BOOLEAN", "Whether to add how it stands", default="false", passed="status::VARCHAR"),
        ),
        (
            Column("…", "", "The entities"),
            Column("…", "", "The features of the vector"),
            Column("_status", "MAP(VARCHAR, VARCHAR)", "Of each set: present, missing or stale; with `status`"),
            Column("_imputed", "VARCHAR[]", "The features that got a substitute; with `status`"),
        ),
        "FROM ml.online('profile', {'customer': 7}, impute := {'*': '$median'}, status := true)",
        online,
        "A value older than the set's `TTL` is stale and not given. `impute` takes constants and `$mean`, `$median`, "
        "`$min`, `$max`, `$most_frequent` of what was ingested, and `$previous`, the stale value.",
    ),
)
