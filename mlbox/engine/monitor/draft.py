"""From CREATE MONITOR to a row: which metrics, which settings, what goes together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables.monitors import MonitorRow
from mlbox.engine.monitor import definitions, watch
from mlbox.engine.monitor.baseline import Profile
from mlbox.engine.monitor.commands import CreateMonitor
from mlbox.engine.monitor.metrics import base as metrics

Chosen = Mapping[str, Mapping[str, Any]]
"""Options of each metric, by its name."""


def choose_metrics(command: CreateMonitor) -> Chosen:
    """The metrics of a monitor: psi and ks, with labels auc too, unless others are named."""
    if not command.metrics:
        return {"psi": {}, "ks": {}, **({"auc": {}} if command.labels is not None else {})}
    chosen: dict[str, Mapping[str, Any]] = {}
    for spec in command.metrics:
        name = spec.name.lower()
        if name in chosen:
            raise Invalid(f"metric {name} is named twice")
        options = {key.lower(): value for key, value in spec.options.items()}
        metric = metrics.checked(name, options)
        if metric.capabilities.needs == "labels" and command.labels is None:
            raise Invalid(f"metric {name} needs labels", hint="LABELS FROM (SELECT id, label, known_at FROM ..)")
        chosen[name] = options
    return chosen


def check_settings(command: CreateMonitor, chosen: Chosen) -> None:
    """Raise ``Invalid`` for a setting that is wrong."""
    for span, clause in ((command.window, "WINDOW"), (command.every, "EVERY")):
        if span is not None and span < timedelta(seconds=1):
            raise Invalid(f"{clause} must be 1 second or longer")
    for name in command.options:
        if name.lower() not in watch.OPTIONS:
            raise Invalid(f"a monitor has no option {name!r}", hint=did_you_mean(name, watch.OPTIONS))
    options = {name.lower(): value for name, value in command.options.items()}
    metrics.whole_number(options, "min_labels", 1, 1_000_000_000)
    watch.origin(options)
    if command.target_kind in ("endpoint", "model"):
        return
    needs = {metrics.METRICS.get(name).capabilities.needs for name in chosen}
    if needs & {"rows", "labels"} and "prediction" not in options:
        raise Invalid(
            f"which column of {command.target_kind} {command.target} is the prediction?",
            hint="say it: WITH (prediction = 'column'), or leave metrics of predictions out",
        )
    if command.labels is not None and "id" not in options:
        raise Invalid(
            f"which column of {command.target_kind} {command.target} do the labels' ids mean?",
            hint="say it: WITH (id = 'column')",
        )


def row_of(command: CreateMonitor, chosen: Chosen, owner: str) -> MonitorRow:
    """The row, without a baseline."""
    moment = now()
    return MonitorRow(
        project=command.ref.project,
        name=command.ref.name,
        target_kind=command.target_kind,
        target_project=command.target.project,
        target=command.target.name,
        target_version=command.target.version,
        metrics=list(chosen),
        metric_options=json.dumps({name: dict(options) for name, options in chosen.items() if options}),
        window_seconds=command.window.total_seconds(),
        every_seconds=None if command.every is None else command.every.total_seconds(),
        segment_by=list(command.segment_by),
        labels=None if command.labels is None else command.labels.text,
        baseline=None,
        options=json.dumps({name.lower(): value for name, value in command.options.items()}, default=str),
        definition=definitions.of_monitor(command, list(chosen)),
        state="active",
        owner=owner,
        comment=command.comment,
        created_at=moment,
        next_run=None if command.every is None else moment + command.every,
    )


def with_baseline(row: MonitorRow, profile: Profile) -> MonitorRow:
    """The row with a baseline that does not change any more."""
    return replace(row, baseline=profile.to_json())
