"""What a RUN answers: a line, a row, and named facts; or the error of the user's code."""

from __future__ import annotations

from typing import Any

from mlbox.base.command import Result
from mlbox.base.errors import Conflict, MlboxError, RunFailed
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.ledger import duration_ms

_METRICS_IN_MESSAGE = 4


def started(row: RunRow) -> Result:
    """The answer of RUN .. ASYNC."""
    called = f"run {row.name} ({row.short_id})" if row.name else f"run {row.short_id}"
    return Result(f"{called} started{_unused(row)}", table=_table(row), facts={"run": row.id, "state": row.state})


def finished(row: RunRow, failure: MlboxError | None) -> Result:
    """The answer of a RUN that was waited for; raises what ended it when it did not complete."""
    if row.state == lifecycle.COMPLETED:
        return Result(_message(row), table=_table(row), facts=_facts(row))
    details = {"run_id": row.id, "state": row.state}
    if failure is not None:  # preparation failed: it is the request that is wrong, not the user's code
        failure.details = {**failure.details, **details}
        raise failure
    hint = f"mlbox logs {row.short_id}"
    if row.state == lifecycle.ERROR:
        if row.traceback:
            details["traceback"] = row.traceback
        raise RunFailed(f"run {row.label} failed: {summary(row)}", hint=hint, details=details)
    reason = f": {row.reason}" if row.reason and row.reason != row.state else ""
    raise Conflict(f"run {row.label} was {row.state}{reason}", hint=hint, details=details)


def summary(row: RunRow) -> str:
    """The error in one line: ``ValueError: no rows``."""
    message = row.error or row.reason or row.state
    if row.error_type in (None, "Timeout", "ProcessEnded", "OutOfMemory") or row.best_trial or row.request.get("sweep"):
        return message
    return f"{row.error_type}: {message}"


def _message(row: RunRow) -> str:
    took = duration_ms(row)
    time = "" if took is None else f" in {took / 1000:.1f} s"
    text = f"run {row.label} completed{time}"
    if row.request.get("sweep"):
        return f"{text}; {row.reason}"
    shown = [f"{name} = {value:.6g}" for name, value in list(row.metrics.items())[:_METRICS_IN_MESSAGE]]
    if len(row.metrics) > _METRICS_IN_MESSAGE:
        shown.append("…")
    return (f"{text}: {', '.join(shown)}" if shown else text) + _unused(row)


def _unused(row: RunRow) -> str:
    """What the function says to another runtime, and this one did not hear."""
    names = row.request.get("unused", ())
    return f"; runs on {row.runtime} have no {', '.join(names)}, of the function's own runtime" if names else ""


def _facts(row: RunRow) -> dict[str, Any]:
    facts: dict[str, Any] = {**row.metrics, "run": row.id, "state": row.state}
    if row.best_trial:
        facts["best_trial"] = row.best_trial
    return facts


def _table(row: RunRow) -> Any:
    import pyarrow

    columns: dict[str, Any] = {
        "id": pyarrow.array([row.id], pyarrow.string()),
        "name": pyarrow.array([row.name], pyarrow.string()),
        "state": pyarrow.array([row.state], pyarrow.string()),
        "duration_ms": pyarrow.array([duration_ms(row)], pyarrow.float64()),
    }
    for name, value in row.metrics.items():
        columns.setdefault(name, pyarrow.array([value], pyarrow.float64()))
    return pyarrow.table(columns)
