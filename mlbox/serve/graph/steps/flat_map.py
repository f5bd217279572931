"""flat_map: one event becomes any number of events."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import CODE_OPTIONS, GRAPH_STEPS, Built, Event, Kind, Scope, fields_of, one_of
from mlbox.serve.graph.definition import StepSpec
from mlbox.serve.python.errors import CodeFailed


def build(spec: StepSpec, scope: Scope) -> Built:
    """The list that a field holds, each with the event's other fields, or the list that a function gives."""
    if one_of(spec, "field", "function") == "function":
        code = scope.code(spec)

        async def call(event: Event) -> Sequence[Event]:
            found = await code.do(event)
            if not isinstance(found, list):
                raise CodeFailed(f"step {spec.name!r}: its function gave no list", hint="return a list of events")
            return found

        return Built(each=call)
    name = str(spec.options["field"])

    async def spread(event: Event) -> Sequence[Event]:
        fields = dict(fields_of(spec, event))
        items = fields.pop(name, None)
        if not isinstance(items, list):
            raise spec.wrong(f"the event's {name!r} is no list", f"send {{{name}: [..]}}")
        return [{**fields, **(item if isinstance(item, dict) else {name: item})} for item in items]

    return Built(each=spread)


GRAPH_STEPS.add(
    "flat_map",
    Kind(
        "One event becomes any number of events.",
        {"field": "a field with a list: an event for each of its entries", **CODE_OPTIONS},
        build,
    ),
)
