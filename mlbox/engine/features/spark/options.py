"""Which engine computes, and what it may be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.engine.runs.executors.spark_options import SparkOptions

ENGINE = "spark"


def check_engine(engine: str, options: Mapping[str, Any]) -> None:
    """Raise ``Invalid`` for an engine that is none, and for options that it does not have."""
    if engine not in ("duckdb", ENGINE):
        raise Invalid(f"there is no engine {engine!r}", hint=did_you_mean(engine, ("duckdb", ENGINE)))
    if engine == "duckdb" and options:
        raise Invalid(
            f"the engine duckdb has no option {next(iter(options))!r}", hint="WITH (..) is for ENGINE spark here"
        )
    if engine == ENGINE:
        SparkOptions.read(options)


def options_of_engine(engine: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``WITH`` that are for the engine, checked."""
    if engine != ENGINE:
        return {}
    known = {entry.name for entry in fields(SparkOptions)}
    found = {name: value for name, value in options.items() if name in known}
    SparkOptions.read(found)
    return found
