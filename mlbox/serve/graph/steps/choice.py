"""choice: an event goes to one of several steps."""

from __future__ import annotations

from typing import Any

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope, fields_of
from mlbox.serve.graph.definition import StepSpec
from mlbox.serve.graph.expressions import evaluate, texts_of


def build(spec: StepSpec, scope: Scope) -> Built:
    """By the value of a field or expression."""
    cases = texts_of(spec, "cases")
    default = spec.options.get("default")
    if default is not None and not isinstance(default, str):
        raise spec.wrong("default is the name of a step")
    chosen = scope.expressions(spec, {"field": str(spec.options["field"])})

    async def choose(event: Event) -> str | None:
        value = evaluate(chosen, fields_of(spec, event))["field"]
        target = cases.get(_key(value), default)
        if target is None:
            hint = f"cases: {', '.join(cases)}; a default takes the rest"
            raise spec.wrong(f"there is no case for {value!r}", hint)
        return target

    targets = (*cases.values(), *([default] if default else []))
    return Built(choose=choose, goes_to=tuple(dict.fromkeys(targets)))


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "null" if value is None else str(value)


GRAPH_STEPS.add(
    "choice",
    Kind(
        "An event goes to one of several steps, by the value of a field.",
        {
            "field": "the field, or an SQL expression: CASE WHEN amount > 100 THEN 'big' ELSE 'small' END",
            "cases": "value → the step that the event goes to: {de: german, fr: french}",
            "default": "the step for all other values; without it they are errors",
        },
        build,
        needs=("field", "cases"),
    ),
)
