"""What a monitor and an alert read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables.lineage import Edge
from mlbox.engine.features.lineage import sources_of
from mlbox.engine.monitor.commands import CreateAlert, CreateMonitor

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


def of_monitor(catalog: Catalog, command: CreateMonitor) -> list[Edge]:
    """From what it watches, its baseline and its labels."""
    to, moment = str(command.ref), now()
    return [
        Edge(command.ref.project, kind, ref, "monitor", to, moment, how)
        for kind, ref, how in dict.fromkeys(_sources(catalog, command))
    ]


def of_alert(command: CreateAlert) -> list[Edge]:
    """From what it is on."""
    if command.on is None or command.on_kind is None:
        return []
    return [Edge(command.ref.project, command.on_kind, str(command.on), "alert", str(command.ref), now(), "ON")]


def _sources(catalog: Catalog, command: CreateMonitor) -> Iterator[tuple[str, str, str]]:
    project = command.ref.project
    yield command.target_kind, _target(catalog, command.target_kind, command.target), "ON"
    if command.target_kind == "endpoint":
        yield "prediction log", str(command.target), "ON"
    if command.baseline_run is not None:
        run = catalog.row(
            "SELECT id FROM catalog.ml.runs WHERE project = ? AND (starts_with(id, ?) OR lower(name) = lower(?)) "
            "ORDER BY created_at DESC LIMIT 1",
            [project, command.baseline_run, command.baseline_run],
        )
        yield "run", str(run["id"]) if run else command.baseline_run, "BASELINE"
    for query, how in ((command.baseline, "BASELINE"), (command.labels, "LABELS FROM")):
        if query is not None:
            yield from ((kind, ref, how) for kind, ref in sorted(sources_of(catalog, project, query.text)))


def _target(catalog: Catalog, kind: str, ref: Ref) -> str:
    """With the version that it means now, where the kind has versions."""
    if kind == "model":
        row = catalog.row(
            "SELECT version FROM catalog.ml.model_versions WHERE project = ? AND lower(name) = lower(?) "
            "AND (?::VARCHAR IS NULL OR version::VARCHAR = ? OR list_contains(aliases, ?)) "
            "ORDER BY version DESC LIMIT 1",
            [ref.project, ref.name, ref.version, ref.version, ref.version],
        )
    elif kind == "feature set":
        row = catalog.row(
            "SELECT version FROM catalog.ml.feature_sets WHERE project = ? AND lower(name) = lower(?)",
            [ref.project, ref.name],
        )
    else:
        return str(ref)
    return str(ref.at(row["version"]) if row else ref)
