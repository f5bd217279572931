"""filter: an event goes on or ends here."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import CODE_OPTIONS, GRAPH_STEPS, Built, Event, Kind, Scope, fields_of, one_of
from mlbox.serve.graph.definition import StepSpec
from mlbox.serve.graph.expressions import evaluate


def build(spec: StepSpec, scope: Scope) -> Built:
    """By a condition in SQL (NULL is not true), or by what a function gives."""
    if one_of(spec, "where", "function") == "function":
        code = scope.code(spec)

        async def call(event: Event) -> Sequence[Event]:
            return [event] if await code.do(event) else []

        return Built(each=call)
    condition = scope.expressions(spec, {"where": str(spec.options["where"])})

    async def compute(event: Event) -> Sequence[Event]:
        return [event] if evaluate(condition, fields_of(spec, event))["where"] is True else []

    return Built(each=compute)


GRAPH_STEPS.add(
    "filter",
    Kind(
        "An event goes on or ends here.",
        {"where": "a condition in SQL over the event's fields: euros > 10", **CODE_OPTIONS},
        build,
    ),
)
