"""Definitions of monitors and alerts as statements, and what their commands have in common."""

from __future__ import annotations

from datetime import timedelta

from mlbox.base.errors import NotExecuted
from mlbox.base.names import literal, quote
from mlbox.engine.monitor.commands import CreateAlert, CreateMonitor
from mlbox.engine.workflows.commands import AlterObject


def interval(span: timedelta) -> str:
    """``span`` as an INTERVAL literal, in the largest unit that fits."""
    microseconds = span // timedelta(microseconds=1)
    for unit, size in (("day", 86_400_000_000), ("hour", 3_600_000_000), ("minute", 60_000_000), ("second", 1_000_000)):
        if microseconds % size == 0 and microseconds:
            return f"INTERVAL '{microseconds // size} {unit}{'s' if microseconds != size else ''}'"
    return f"INTERVAL '{microseconds} microseconds'"


def of_monitor(command: CreateMonitor, metrics: list[str]) -> str:
    """The statement that makes the monitor."""
    options = {spec.name.lower(): spec.options for spec in command.metrics}
    listed = [
        name
        + (f" ({', '.join(f'{key} = {value}' for key, value in options[name].items())})" if options.get(name) else "")
        for name in metrics
    ]
    parts = [f"CREATE MONITOR {quote(command.ref.name)} ON {command.target_kind.upper()} {_target(command)}"]
    if command.baseline_run is not None:
        parts.append(f"BASELINE RUN {literal(command.baseline_run)}")
    elif command.baseline is not None:
        parts.append(f"BASELINE ({command.baseline.text})")
    parts += [f"METRICS ({', '.join(listed)})", f"WINDOW {interval(command.window)}"]
    if command.every is not None:
        parts.append(f"EVERY {interval(command.every)}")
    if command.segment_by:
        parts.append(f"SEGMENT BY ({', '.join(map(quote, command.segment_by))})")
    if command.labels is not None:
        parts.append(f"LABELS FROM ({command.labels.text})")
    return " ".join(parts)


def of_alert(command: CreateAlert) -> str:
    """The statement that makes the alert."""
    parts = [f"CREATE ALERT {quote(command.ref.name)}"]
    if command.on_kind is not None and command.on is not None:
        parts.append(f"ON {command.on_kind.upper()} {quote(command.on.project)}.{quote(command.on.name)}")
    parts.append(f"WHEN {command.when.text}")
    for clause, span in (("FOR", command.for_), ("EVERY", command.every), ("COOLDOWN", command.cooldown)):
        if span is not None:
            parts.append(f"{clause} {interval(span)}")
    parts.append(f"SEVERITY {command.severity}")
    for action in command.actions:
        if action.notify:
            parts.append("THEN NOTIFY " + ", ".join(map(literal, action.notify)))
        if action.statement is not None:
            parts.append(f"THEN {action.statement.text}")
    return " ".join(parts)


def only_suspend(command: AlterObject) -> None:
    """Raise ``NotExecuted`` for an ALTER that is neither SUSPEND nor RESUME."""
    if command.action.lower() not in ("suspend", "resume"):
        raise NotExecuted(
            f"ALTER {command.kind.upper()} {command.action.upper()} is not executed by this version",
            hint=f"SUSPEND and RESUME are; CREATE OR REPLACE {command.kind.upper()} changes the rest",
        )


def _target(command: CreateMonitor) -> str:
    target = command.target
    name = (
        quote(target.name) if target.project == command.ref.project else f"{quote(target.project)}.{quote(target.name)}"
    )
    return name + (f"@{target.version}" if target.version else "")
