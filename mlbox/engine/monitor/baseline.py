"""What a window is compared with: for each feature a histogram and how much of it was missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Query
from mlbox.base.errors import Conflict, Invalid
from mlbox.base.names import Ref, quote
from mlbox.engine.catalog.tables import artifacts, runs

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

BINS = 20
_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN", "U")


@dataclass(frozen=True, slots=True)
class Feature:
    """``edges`` has one more element than ``counts``; the outer bins are open. ``missing`` is a share, 0 to 1."""

    name: str
    edges: list[float]
    counts: list[int]
    missing: float


@dataclass(frozen=True, slots=True)
class Profile:
    """The features of a baseline, and where they come from."""

    source: str
    features: tuple[Feature, ...] = ()

    @classmethod
    def from_stats(cls, source: str, stats: Mapping[str, Any]) -> Profile:
        """From feature statistics as a model or a feature set keeps them; features without a histogram are left out."""
        features = []
        for name, entry in stats.items():
            histogram = entry.get("histogram") if isinstance(entry, Mapping) else None
            edges = list((histogram or {}).get("edges") or [])
            counts = list((histogram or {}).get("counts") or [])
            if len(counts) < 1 or len(edges) != len(counts) + 1 or sum(counts) == 0:
                continue
            count, nulls = int(entry.get("count") or sum(counts)), int(entry.get("nulls") or 0)
            edges = [float(edge) for edge in edges]
            features.append(Feature(str(name), edges, [int(n) for n in counts], nulls / max(1, count + nulls)))
        return cls(source, tuple(features))

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """The inverse of :meth:`to_json`."""
        body = json.loads(text)
        return cls(body["source"], tuple(Feature(**entry) for entry in body["features"]))

    def to_json(self) -> str:
        """As text, for the catalog."""
        return json.dumps(asdict(self))


def of_query(catalog: Catalog, project: str, query: Query) -> Profile:
    """The profile of the numeric columns of a query's rows.

    The bins are those of a model's feature statistics: 20 of equal width between the 0.5 % and the 99.5 % quantile.
    """
    names = [name for name, kind in catalog.describe(project, query) if is_numeric(kind)]
    if not names:
        raise Invalid("the baseline has no numeric column", where=query.where(0))
    values = ", ".join(
        f"CASE WHEN isfinite({quote(n)}::DOUBLE) THEN {quote(n)}::DOUBLE END AS {quote(n)}" for n in names
    )
    parts = " UNION ALL ".join(
        f"SELECT {index} AS i, quantile_cont({quote(name)}, [0.005, 0.995]) AS q, min({quote(name)}) AS low, "
        f"max({quote(name)}) AS high, count({quote(name)}) AS n, count(*) AS total FROM _values"
        for index, name in enumerate(names)
    )
    cells = " UNION ALL ".join(
        f"SELECT {index} AS i, {quote(name)} AS v FROM _values" for index, name in enumerate(names)
    )
    sql = f"""
        WITH _values AS MATERIALIZED (SELECT {values} FROM ({query.text}
        )), _ranges AS (
            SELECT i, n, total,
                CASE WHEN q[1] < q[2] THEN q[1] WHEN low < high THEN low ELSE low - 0.5 END AS low,
                CASE WHEN q[1] < q[2] THEN q[2] WHEN low < high THEN high ELSE high + 0.5 END AS high
            FROM ({parts}) WHERE n > 0
        ), _counts AS (
            SELECT i, greatest(0, least({BINS - 1}, floor((v - low) / (high - low) * {BINS})::BIGINT)) AS bin,
                count(*) AS n
            FROM ({cells}) JOIN _ranges USING (i) WHERE v IS NOT NULL GROUP BY ALL
        )
        SELECT i, low, high, total - n AS nulls, n, (
            SELECT list(coalesce(c.n, 0) ORDER BY b.bin)
            FROM (SELECT unnest(range({BINS})) AS bin) b LEFT JOIN _counts c ON c.i = r.i AND c.bin = b.bin
        ) AS counts
        FROM _ranges r ORDER BY i
        """
    with catalog.session(project) as cursor:
        rows = cursor.execute(sql).fetchall()
    if not rows:
        raise Invalid("the baseline has no rows", hint="a baseline needs rows with values", where=query.where(0))
    features = []
    for index, low, high, nulls, count, counts in rows:
        edges = [low + (high - low) * step / BINS for step in range(BINS)] + [high]
        features.append(Feature(names[index], edges, counts, nulls / (count + nulls)))
    return Profile("the baseline query", tuple(features))


def of_run(catalog: Catalog, project: str, text: str) -> Profile:
    """The feature statistics of the model that a run logged."""
    with catalog.read() as cursor:
        run = runs.find(cursor, project, text)
        chosen = run.best_trial or run.id
        found = artifacts.of_run(cursor, chosen, kind="model")
    for artifact in found:
        profile = Profile.from_stats(f"run {text}", dict(artifact.metadata).get("feature_stats") or {})
        if profile.features:
            return profile
    raise Conflict(
        f"run {text!r} has no model with feature statistics",
        hint="log the model with its training set: ctx.log_model(name, model, training_set=frame)",
    )


def of_model(catalog: Catalog, ref: Ref) -> Profile:
    """The feature statistics of a version of a model; raises ``NotFound``. Without statistics it has no features."""
    from mlbox.engine.models import registry

    with catalog.read() as cursor:
        version = registry.resolve(cursor, ref)
    return Profile.from_stats(f"model {version}", version.feature_stats)


def of_feature_set(catalog: Catalog, ref: Ref) -> Profile:
    """The statistics of the latest ingest into a feature set."""
    rows = catalog.rows(
        "SELECT column_name, row_count, nulls, histogram_edges, histogram_counts FROM catalog.ml.feature_stats "
        "WHERE project = ? AND lower(feature_set) = lower(?) "
        "QUALIFY row_number() OVER (PARTITION BY column_name ORDER BY version DESC, computed_at DESC) = 1",
        [ref.project, ref.name],
    )
    stats = {
        row["column_name"]: {
            "count": row["row_count"] - row["nulls"],
            "nulls": row["nulls"],
            "histogram": {"edges": row["histogram_edges"], "counts": row["histogram_counts"]},
        }
        for row in rows
    }
    profile = Profile.from_stats(f"feature set {ref}", stats)
    if not profile.features:
        raise Conflict(
            f"feature set {ref} has no statistics of numeric features yet",
            hint=f"REFRESH FEATURE SET {ref.name} computes them, or give BASELINE (SELECT ..)",
        )
    return profile


def is_numeric(kind: str) -> bool:
    """Whether a DuckDB type holds numbers (booleans count as 0 and 1)."""
    return (
        kind.upper().startswith(_NUMERIC) and not kind.endswith("]") and not kind.upper().startswith(("UUID", "UNION"))
    )
