"""What was asked for, as JSON that is kept with the run: enough to do it again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from mlbox.base.command import Query
from mlbox.engine.runs.commands import Resources, Sweep, SweepParameter
from mlbox.engine.runs.frames import FrameSource


def plain(value: Any) -> Any:
    """``value`` as JSON has it: decimals become numbers, times ISO 8601, intervals seconds, the rest text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)


def dump_sweep(sweep: Sweep) -> dict[str, Any]:
    """A sweep as JSON."""
    return {
        "parameters": [
            {
                "name": parameter.name,
                "values": plain(parameter.values),
                "low": plain(parameter.low),
                "high": plain(parameter.high),
                "log": parameter.log,
            }
            for parameter in sweep.parameters
        ],
        "metric": sweep.metric,
        "goal": sweep.goal,
        "strategy": sweep.strategy,
        "limit": sweep.limit,
        "parallel": sweep.parallel,
        "stop_when": sweep.stop_when.text if sweep.stop_when else None,
        "prune": sweep.prune,
        "max_errors": sweep.max_errors,
    }


def load_sweep(body: Mapping[str, Any]) -> Sweep:
    """The sweep that ``dump_sweep`` wrote."""
    parameters = tuple(
        SweepParameter(entry["name"], tuple(entry["values"]), entry["low"], entry["high"], entry["log"])
        for entry in body["parameters"]
    )
    stop_when = body.get("stop_when")
    return Sweep(
        parameters,
        body["metric"],
        body["goal"],
        body["strategy"],
        limit=body["limit"],
        parallel=body["parallel"],
        stop_when=Query(stop_when) if stop_when else None,
        prune=body.get("prune"),
        max_errors=body.get("max_errors"),
    )


def dump_source(source: FrameSource) -> dict[str, Any]:
    """Where an input comes from, as JSON; the whole statement is kept only while it runs."""
    return {"query": source.query.text, "ref": source.ref, "kind": source.kind}


def load_source(body: Mapping[str, Any]) -> FrameSource:
    """The source that ``dump_source`` wrote."""
    return FrameSource(Query(body["query"]), body["ref"], body["kind"])


def load_resources(definition: Mapping[str, Any]) -> Resources:
    """The resources of a function's definition."""
    return Resources(**definition.get("resources", {}))
