"""What a kind of step is.

A newcomer adds one file to ``mlbox/serve/graph/steps``: a function that builds the step from its options, registered
with ``GRAPH_STEPS.add("kind", Kind(...))``. What it builds is called with one event and gives the events that follow,
or, for a kind that is ``whole``, with all events of the request that come to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.registry import Registry
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    from mlbox.engine.search.searching import Question
    from mlbox.serve.expressions.compile import Expression
    from mlbox.serve.graph.definition import GraphSpec, StepSpec
    from mlbox.serve.graph.plan import Plan

Event = Any
"""Whatever JSON can hold; most steps want an object."""


@dataclass(frozen=True, slots=True)
class Token:
    """An event on its way; ``key`` says which event of the request it comes from, so that branches can be joined."""

    key: tuple[int, ...]
    event: Event
    branch: str = ""
    """The step that it comes from."""


Each = Callable[[Event], Awaitable[Sequence[Event]]]
"""One event → those that follow."""
Whole = Callable[[Sequence[Token]], Awaitable[Sequence[Token]]]
"""All events that come to the step."""
Choose = Callable[[Event], Awaitable[str | None]]
"""One event → the name of the step that it goes to; None: nowhere."""


Search = Callable[["Question"], Sequence[Mapping[str, Any]]]
"""A question to a collection → its rows."""


class Code(Protocol):
    """User code that is asked with an event."""

    async def do(self, event: Event) -> Any:
        """What it makes of the event."""
        ...


class Model(Protocol):
    """A model that is asked with rows."""

    name: str

    async def predict(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The outputs for each row, ``prediction`` among them."""
        ...


class Scope(Protocol):
    """What the builders of steps are given: the names that a graph may use."""

    def expressions(self, spec: StepSpec, texts: Mapping[str, str]) -> tuple[Expression, ...]:
        """SQL expressions by name; raises ``Invalid`` at the step's place."""
        ...

    def code(self, spec: StepSpec) -> Code:
        """The function that ``function`` and ``handler`` of the step name."""
        ...

    def model(self, spec: StepSpec, ref: str) -> Model:
        """A model by reference, ``m@champion``."""
        ...

    def features(self, spec: StepSpec, ref: str) -> Any:
        """The online reader of a feature vector."""
        ...

    def collection(self, spec: StepSpec, ref: str) -> Search:
        """A collection that is searched; it waits."""
        ...

    def secret(self, spec: StepSpec, name: str) -> Callable[[], str]:
        """Who gives a secret's value; it waits."""
        ...

    def sink(self, spec: StepSpec, target: str) -> Callable[[Event], Awaitable[None]]:
        """Where events are written to."""
        ...

    def subgraph(self, spec: StepSpec, graph: GraphSpec) -> Plan:
        """A graph within the graph, compiled."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """What a step does, one of the three; ``goes_to`` are the steps that a choice may choose."""

    each: Each | None = None
    whole: Whole | None = None
    choose: Choose | None = None
    goes_to: tuple[str, ...] = ()
    responds: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of step: its summary, its options with what they mean, and how it is built."""

    summary: str
    options: Mapping[str, str]
    build: Callable[[StepSpec, Scope], Built] = field(repr=False)
    needs: tuple[str, ...] = ()
    """Options that must be there."""

    def check(self, spec: StepSpec) -> None:
        """Raise ``Invalid`` for an option that the kind does not have, or one that is missing."""
        for name in spec.options:
            if name not in self.options:
                hint = did_you_mean(name, self.options) or f"{spec.kind} takes {', '.join(self.options)}"
                raise spec.wrong(f"{spec.kind} has no option {name!r}", hint)
        for name in self.needs:
            if name not in spec.options:
                raise spec.wrong(f"{spec.kind} needs {name}", f"{name}: {self.options[name]}")


GRAPH_STEPS: Registry[Kind] = Registry("graph step", "mlbox.serve.graph.steps")

CODE_OPTIONS = {
    "function": "a function of the project, with @version if not the latest: its do(event), or the function itself",
    "handler": "the class or function of its file",
    "parameters": "what the class is made with",
}


def one_of(spec: StepSpec, *names: str) -> str:
    """The one option of these that is there; raises ``Invalid``."""
    given = [name for name in names if name in spec.options]
    if len(given) != 1:
        raise spec.wrong(f"{spec.kind} needs one of {', '.join(names)}", f"given: {', '.join(given) or 'none'}")
    return given[0]


def fields_of(spec: StepSpec, event: Event) -> dict[str, Any]:
    """The event, which must be an object; raises ``Invalid``."""
    if isinstance(event, dict):
        return event
    raise spec.wrong(f"{spec.kind} takes an object, and the event is {_kind_of(event)}", "map it to an object first")


def _kind_of(event: Event) -> str:
    return (
        "null" if event is None else {list: "a list", str: "a text", bool: "true or false"}.get(type(event), "a number")
    )


def stored(spec: StepSpec, event: Event, value: Any) -> Event:
    """``value`` as the option ``result`` says: under that name in the event, or in place of it."""
    name = spec.options.get("result")
    return value if name is None else {**fields_of(spec, event), str(name): value}
