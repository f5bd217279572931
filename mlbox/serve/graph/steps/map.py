"""map: one event becomes one event."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import CODE_OPTIONS, GRAPH_STEPS, Built, Event, Kind, Scope, fields_of, one_of, stored
from mlbox.serve.graph.definition import StepSpec
from mlbox.serve.graph.expressions import evaluate, texts_of


def build(spec: StepSpec, scope: Scope) -> Built:
    """By SQL expressions that add or choose fields, or by a function."""
    way = one_of(spec, "set", "select", "function")
    if way == "function":
        code = scope.code(spec)

        async def call(event: Event) -> Sequence[Event]:
            return [stored(spec, event, await code.do(event))]

        return Built(each=call)
    expressions = scope.expressions(spec, texts_of(spec, way))

    async def compute(event: Event) -> Sequence[Event]:
        fields = fields_of(spec, event)
        found = evaluate(expressions, fields)
        return [{**fields, **found} if way == "set" else found]

    return Built(each=compute)


GRAPH_STEPS.add(
    "map",
    Kind(
        "One event becomes one event.",
        {
            "set": "fields to add, each an SQL expression over the event's fields: {euros: cents / 100}",
            "select": "the same, in place of all other fields",
            **CODE_OPTIONS,
            "result": "the field that takes what the function gives; without it the event is replaced",
        },
        build,
    ),
)
