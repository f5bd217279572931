"""What the commands on feature sets say before and after."""

from __future__ import annotations

from mlbox.base.command import Step
from mlbox.base.counted import counted
from mlbox.engine.features.commands import CreateFeatureSet
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.ingest import Ingested


def steps_of_create(command: CreateFeatureSet, built: FeatureSet, present: FeatureSet | None) -> tuple[Step, ...]:
    """What CREATE is about to do."""
    rows = "rows of the query" if built.body else f"rows of source {command.source}" if built.source else "empty"
    steps = [
        Step("replace" if present else "create", f"feature set {built.ref}", counted(len(built.features), "feature")),
        Step("write", f"{built.project}.{built.name}", f"offline: {rows}"),
    ]
    if built.location is not None:
        apart = f" by {', '.join(built.partition_by)}" if built.partition_by else ""
        steps.append(Step("write", built.location, f"{built.location_format}{apart}"))
    if built.store != "offline":
        steps.append(Step("write", "online store", "by REFRESH … ONLINE" if built.online_by_hand else "newest rows"))
    return tuple(steps)


def count_of(done: Ingested, found: FeatureSet) -> str:
    """Rows of an ingest: ``7 rows in place of 5, 1 late``."""
    told = counted(done.added, "row")
    if done.removed:
        told += f" in place of {done.removed:,}"
    if done.late:
        told += f", {done.late:,} late"
    if done.watched:
        told += f", {counted(done.watched, 'breach', 'breaches')} of checks"
    if done.skipped:
        told += f", {counted(done.skipped, 'wrong one')} {'put aside' if found.quarantine else 'left out'}"
    return told
