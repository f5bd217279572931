"""subgraph and repeat: a graph as a step, once or again and again."""

from __future__ import annotations

from collections.abc import Sequence

from mlbox.serve.graph.base import GRAPH_STEPS, Built, Event, Kind, Scope, fields_of
from mlbox.serve.graph.definition import StepSpec, graph_of
from mlbox.serve.graph.expressions import evaluate
from mlbox.serve.graph.plan import Plan
from mlbox.serve.graph.running import run

MOST = 1000


def _plan(spec: StepSpec, scope: Scope) -> Plan:
    body = {name: spec.options[name] for name in ("steps", "on_error", "concurrency") if name in spec.options}
    try:
        plan = scope.subgraph(spec, graph_of(body, within_ms=spec.limit_ms))
    except RecursionError:
        raise spec.wrong("graphs stand too deep in each other") from None
    if plan.responds:
        raise spec.wrong("a graph within a graph does not respond", "put respond behind this step")
    return plan


def build(spec: StepSpec, scope: Scope) -> Built:
    """What the inner graph answers goes on."""
    plan = _plan(spec, scope)

    async def once(event: Event) -> Sequence[Event]:
        return [await run(plan, event)]

    return Built(each=once)


def build_repeat(spec: StepSpec, scope: Scope) -> Built:
    """Again as long as the condition holds after a round, but never more than ``most`` times."""
    plan = _plan(spec, scope)
    most = spec.options["most"]
    if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST:
        raise spec.wrong(f"most {most!r} is no whole number from 1 to {MOST}")
    condition = scope.expressions(spec, {"while": str(spec.options["while"])})

    async def again(event: Event) -> Sequence[Event]:
        for _ in range(most):
            event = await run(plan, event)
            if evaluate(condition, fields_of(spec, event))["while"] is not True:
                return [event]
        if spec.options.get("at_most") == "fail":
            raise spec.wrong(f"its condition still holds after {most} rounds")
        return [event]

    return Built(each=again)


_STEPS = {
    "steps": "the steps of the inner graph",
    "on_error": "a step of the inner graph that takes failures",
    "concurrency": "events in a step at once",
}
GRAPH_STEPS.add("subgraph", Kind("A graph as a step.", _STEPS, build, needs=("steps",)))
GRAPH_STEPS.add(
    "repeat",
    Kind(
        "A graph again and again, while a condition holds, at most so many times.",
        {
            **_STEPS,
            "while": "a condition in SQL over the event that a round gives: tries < 3",
            "most": f"rounds that there may be, up to {MOST}",
            "at_most": "fail: it is an error when the condition still holds then",
        },
        build_repeat,
        needs=("steps", "while", "most"),
    ),
)
