"""What WITH may hold of an endpoint."""

from __future__ import annotations

from collections.abc import Mapping

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.serve.commands import CreateEndpoint
from mlbox.serve.ensemble import POLICIES

OPTIONS = (
    *("timeout_ms", "max_queue", "batch", "batch_delay_ms", "durable", "missing", "sticky"),
    *("processes", "threads", "start_seconds", "stream_seconds", "parameters", "on_member_error", "workers"),
)

_COUNTS = {
    **{"batch": 4096, "max_queue": 1_000_000, "processes": 64, "threads": 256, "workers": 64},
    **{"start_seconds": 3600, "stream_seconds": 86_400},
}


def check_options(command: CreateEndpoint) -> None:
    """Raise ``Invalid`` for what WITH may not hold."""
    options = command.options
    for name in options:
        if name not in OPTIONS:
            raise Invalid(f"there is no option {name!r}", hint=did_you_mean(name, OPTIONS))
    limit = options.get("timeout_ms")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or limit <= 0):
        raise Invalid(f"timeout_ms = {limit!r}: a positive number of milliseconds is needed")
    for name, most in _COUNTS.items():
        value = options.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise Invalid(f"{name} = {value!r}: a whole number from 1 to {most} is needed")
    _check_serving(command)
    policy = options.get("on_member_error", POLICIES[0])
    if policy not in POLICIES:
        raise Invalid(f"on_member_error = {policy!r}", hint=f"one of {', '.join(POLICIES)}")
    if "on_member_error" in options and command.using != "ensemble":
        raise Invalid("on_member_error belongs to an ensemble", hint="leave it out")
    if "sticky" in options and command.using != "traffic":
        raise Invalid("sticky belongs to TRAFFIC: there is nothing to choose here", hint="leave it out")
    if not isinstance(options.get("sticky", ""), str):
        raise Invalid(f"sticky = {options['sticky']!r}: the name of an input, or request_id, is needed")
    if not isinstance(options.get("parameters", {}), Mapping):
        raise Invalid("parameters are a struct", hint="WITH (parameters = {'threshold': 0.5})")


def _check_serving(command: CreateEndpoint) -> None:
    """Batches, the log's promise, and what a missing value is."""
    options = command.options
    delay = options.get("batch_delay_ms", 0)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or not 0 <= delay <= 1000:
        raise Invalid(f"batch_delay_ms = {delay!r}: a number of milliseconds from 0 to 1000 is needed")
    if "batch_delay_ms" in options and "batch" not in options:
        raise Invalid("batch_delay_ms belongs to batch", hint="WITH (batch = 64, batch_delay_ms = 2)")
    if not isinstance(options.get("durable", False), bool):
        raise Invalid(f"durable = {options['durable']!r}: true or false is needed")
    if options.get("durable") and command.log_percent < 100:
        raise Invalid("durable = true records every prediction", hint="leave LOG out, or write LOG ALL")
    if options.get("missing", "accept") not in ("accept", "reject"):
        raise Invalid(f"missing = {options['missing']!r}", hint="accept or reject")
