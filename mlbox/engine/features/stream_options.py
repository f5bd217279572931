"""What is declared of a set whose rows keep coming: from a stream, by push, by INSERT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.engine.features.commands import CreateFeatureSet
from mlbox.engine.features.definition import FeatureSet

LATENESS = "allowed_lateness"


def with_stream(built: FeatureSet, command: CreateFeatureSet, *, from_stream: bool) -> FeatureSet:
    """The set with how it takes its rows; raises ``Invalid`` for what means nothing for it.

    Rows of a set without a query keep coming: windows over them are kept up row by row.
    """
    fed = from_stream or (command.query is None and command.source is None)
    if command.refresh.mode == "continuous" and not from_stream:
        raise Invalid(
            f"feature set {built.name} reads no stream, so it cannot be refreshed continuously",
            hint="FROM a source of a stream (kafka, redis, amqp), or CREATE SCHEDULE … AS REFRESH FEATURE SET …",
        )
    if not fed:
        for name in (LATENESS, "time_unit"):
            if name in command.options:
                raise Invalid(f"option {name} is for sets whose rows come from a stream or by INSERT").of_option(name)
        return built
    return replace(
        built,
        fed=True,
        continuous=from_stream and command.refresh.mode != "manual",
        lateness=_lateness(command.options),
        time_unit=command.options.get("time_unit"),
    )


def _lateness(options: Mapping[str, Any]) -> float | None:
    given = options.get(LATENESS)
    if given is None:
        return None
    if not isinstance(given, timedelta) or given < timedelta(0):
        raise Invalid(
            f"option {LATENESS} = {given!r} is no interval", hint=f"{LATENESS} = INTERVAL '1 hour'"
        ).of_option(LATENESS)
    return given.total_seconds()
