"""What SHOW gives of a view, and which of its columns a person reads first where all of them are too many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from mlbox.engine.catalog.views.base import all_views

BRIEF: dict[str, tuple[str, ...]] = {
    "artifacts": ("name", "id", "kind", "version", "aliases", "run_id", "size", "created_at"),
    "collections": ("name", "documents", "rows", "embedder", "refreshed_at", "comment"),
    "deployments": ("endpoint", "engine", "state", "replicas", "models", "address", "predictions", "problem"),
    "drift": ("monitor", "metric", "feature", "value", "n", "window_end", "segment"),
    "endpoints": ("name", "state", "kind", "model", "model_version", "requests", "errors", "p99_ms", "url"),
    "erasures": ("feature_set", "entities", "offline_rows", "online_rows", "predictions", "completed_at"),
    "feature_sets": ("name", "version", "entities", "timestamp", "store", "rows", "last_event", "last_refresh"),
    "feature_stats": ("feature_set", "column_name", "row_count", "nulls", "min", "mean", "max", "stddev"),
    "feeds": ("name", "state", "kind", "source", "endpoint", "target", "lag", "events", "results", "refused", "error"),
    "functions": ("name", "version", "latest", "aliases", "file", "runtime", "created_at", "comment"),
    "ingests": ("feature_set", "rows", "late", "rejected", "started_at", "duration_ms", "source"),
    "model_versions": ("name", "version", "aliases", "framework", "metrics", "run_id", "created_at", "comment"),
    "monitors": ("name", "state", "target", "metrics", "window_seconds", "last_window_end"),
    "predictions": ("endpoint", "model_version", "predicted_at", "latency_ms", "inputs", "prediction", "error"),
    "runs": ("name", "state", "id", "function", "params", "metrics", "created_at", "duration_ms", "error"),
    "sources": ("name", "state", "type", "mode", "uri", "feature_sets", "lag", "error"),
    "steps": ("workflow", "step", "state", "message", "started_at", "finished_at", "error"),
    "task_history": ("kind", "object", "state", "attempt", "started_at", "duration_ms", "error"),
}
"""By view: columns of wide ones, in the order in which they are read."""


def shown_columns(names: Sequence[str]) -> tuple[str, ...]:
    """What one looks for first comes first; the project is the one that was asked for."""
    first = [name for name in ("name", "state") if name in names]
    rest = [name for name in names if name not in first and not (name == "project" and len(names) > 1)]
    return (*first, *rest)


def brief_of(names: Sequence[str]) -> tuple[str, tuple[str, ...]] | None:
    """View and columns for people, when ``names`` are those that SHOW gives of a wide view."""
    return _wide().get(tuple(names))


@cache
def _wide() -> dict[tuple[str, ...], tuple[str, tuple[str, ...]]]:
    views = {view.name: view for view in all_views() if view.name in BRIEF}
    return {
        shown_columns([column.name for column in view.columns]): (name, BRIEF[name]) for name, view in views.items()
    }
