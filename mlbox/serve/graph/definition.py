"""The file of a graph, YAML or JSON, read with the places of what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from mlbox.base.errors import Invalid, Where
from mlbox.base.suggest import did_you_mean

GRAPH_KEYS = ("steps", "on_error", "timeout_ms", "concurrency", "description")
STEP_KEYS = ("name", "kind", "after", "on_error", "timeout_ms")
"""What every step may have; the rest is its kind's."""

MOST_STEPS = 500


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A step as it is written. ``after`` None: the step before it in the file."""

    name: str
    kind: str
    options: Mapping[str, Any]
    after: tuple[str, ...] | None
    on_error: str | None
    timeout_ms: float | None
    where: Where | None = field(default=None, compare=False)
    within_ms: float | None = None
    """What the graph has for all of its steps."""

    @property
    def limit_ms(self) -> float | None:
        """The least of what it has itself and of what the graph has."""
        return least(self.timeout_ms, self.within_ms)

    def wrong(self, message: str, hint: str | None = None) -> Invalid:
        """An error that names the step and its place."""
        return Invalid(f"step {self.name!r}: {message}", hint=hint, where=self.where)


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """A graph as it is written."""

    steps: tuple[StepSpec, ...]
    on_error: str | None = None
    timeout_ms: float | None = None
    concurrency: int = 16
    """Events of one request that are in a step at once."""


def read_graph(text: str) -> GraphSpec:
    """``text`` is YAML, of which JSON is a part. Raises ``Invalid`` at the place of what is wrong."""
    import yaml

    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        body = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = Where.at(text, mark.index) if mark is not None else None
        raise Invalid(f"the graph is not valid YAML: {error.problem}", where=where) from None
    except yaml.YAMLError as error:
        raise Invalid(f"the graph is not valid YAML: {error}") from None
    return graph_of(body, _places(text, node))


def graph_of(body: Any, places: list[Where] | None = None, within_ms: float | None = None) -> GraphSpec:
    """A graph from what its file holds; ``places`` are those of its steps. ``within_ms`` is what is left to it by what
    is around it."""
    if not isinstance(body, Mapping) or not isinstance(body.get("steps"), list) or not body["steps"]:
        raise Invalid("a graph has a list of steps", hint="steps: [{name: double, kind: map, set: {y: x * 2}}]")
    for key in body:
        if key not in GRAPH_KEYS:
            raise Invalid(f"a graph has no {key!r}", hint=did_you_mean(str(key), GRAPH_KEYS))
    if len(body["steps"]) > MOST_STEPS:
        raise Invalid(f"the graph has {len(body['steps'])} steps; at most {MOST_STEPS} are read")
    concurrency = body.get("concurrency", 16)
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= 1000:
        raise Invalid(f"concurrency: {concurrency!r} is no whole number from 1 to 1000")
    found: list[StepSpec] = []
    for index, each in enumerate(body["steps"]):
        step = _step(each, index, places)
        if "name" not in each:  # a second map is map_2
            known = {step.name for step in found}
            names = (step.kind if number == 1 else f"{step.kind}_{number}" for number in count(1))
            step = replace(step, name=next(name for name in names if name not in known))
        found.append(step)
    limit = positive(body.get("timeout_ms"), "timeout_ms")
    steps = tuple(replace(step, within_ms=least(limit, within_ms)) for step in found)
    return GraphSpec(steps, _text(body, "on_error"), limit, concurrency)


def _places(text: str, node: Any) -> list[Where]:
    """Where each step begins."""
    for key, value in getattr(node, "value", ()) if node is not None else ():
        if getattr(key, "value", None) == "steps" and isinstance(value.value, list):
            return [Where.at(text, each.start_mark.index) for each in value.value]
    return []


def _step(body: Any, index: int, places: list[Where] | None) -> StepSpec:
    where = places[index] if places and index < len(places) else None
    if not isinstance(body, Mapping):
        raise Invalid(f"step {index + 1} is no mapping", hint="{name: double, kind: map, set: {y: x * 2}}", where=where)
    kind = body.get("kind")
    name = body.get("name") or kind
    if not isinstance(name, str) or not isinstance(kind, str):
        raise Invalid(f"step {index + 1} needs a name and a kind", hint="{name: big, kind: filter, ..}", where=where)
    after = body.get("after")
    listed = [after] if isinstance(after, str) else after
    if listed is not None and not (isinstance(listed, list) and all(isinstance(each, str) for each in listed)):
        raise Invalid(f"step {name!r}: after is the name of a step, or a list of them", where=where)
    try:
        limit = positive(body.get("timeout_ms"), "timeout_ms")
        handler = _text(body, "on_error")
    except Invalid as error:
        raise Invalid(f"step {name!r}: {error.message}", hint=error.hint, where=where) from None
    options = {str(key): value for key, value in body.items() if key not in STEP_KEYS}
    return StepSpec(name, kind, options, None if listed is None else tuple(listed), handler, limit, where)


def _text(body: Mapping[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise Invalid(f"{key}: {value!r} is not the name of a step")
    return value


def least(*limits: float | None) -> float | None:
    """The shortest of those limits that there are."""
    return min((limit for limit in limits if limit is not None), default=None)


def positive(value: Any, what: str) -> float | None:
    """A positive number or nothing."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
        raise Invalid(f"{what}: {value!r} is no positive number")
    return None if value is None else float(value)
