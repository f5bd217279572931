"""for_each: something is done with an event, which goes on as it is."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import CODE_OPTIONS, GRAPH_STEPS, Built, Event, Kind, Scope
from mlbox.serve.graph.definition import StepSpec


def build(spec: StepSpec, scope: Scope) -> Built:
    """What the function gives is not looked at."""
    code = scope.code(spec)

    async def call(event: Event) -> Sequence[Event]:
        await code.do(event)
        return [event]

    return Built(each=call)


GRAPH_STEPS.add(
    "for_each",
    Kind("A function is called with the event, which goes on as it is.", CODE_OPTIONS, build, needs=("function",)),
)
