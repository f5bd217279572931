"""batch: several events of a request become one."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Kind, Scope, Token
from mlbox.serve.graph.definition import StepSpec


def build(spec: StepSpec, scope: Scope) -> Built:
    """Lists of so many events, in order; the last is shorter."""
    size = spec.options["size"]
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise spec.wrong(f"size {size!r} is no whole number above 0")

    async def collect(tokens: Sequence[Token]) -> Sequence[Token]:
        events = [token.event for token in sorted(tokens, key=lambda token: token.key)]
        return [Token((start // size,), events[start : start + size]) for start in range(0, len(events), size)]

    return Built(whole=collect)


GRAPH_STEPS.add(
    "batch",
    Kind("Several events of a request become one, a list.", {"size": "events of a list"}, build, needs=("size",)),
)
