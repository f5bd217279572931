"""A graph that can be run: its steps in order, who follows whom. Immutable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.serve.graph.base import GRAPH_STEPS, Built, Scope
from mlbox.serve.graph.definition import GraphSpec, StepSpec


@dataclass(frozen=True, slots=True)
class Node:
    """A step with its places: ``after`` those that its events come from, ``handler`` who takes its failures."""

    spec: StepSpec
    built: Built
    after: tuple[str, ...]
    handler: str | None
    handles: tuple[str, ...] = ()
    """Steps whose failures it takes."""
    chosen_by: tuple[str, ...] = ()
    """Choices that may send events here, and only those that they choose."""

    @property
    def name(self) -> str:
        """Name of the step."""
        return self.spec.name

    @property
    def waits_for(self) -> tuple[str, ...]:
        """All steps that must be done before it is."""
        return (*self.after, *self.handles)


@dataclass(frozen=True, slots=True)
class Plan:
    """Nodes in an order in which each stands behind all that it waits for."""

    nodes: tuple[Node, ...]
    timeout_ms: float | None
    concurrency: int

    @property
    def responds(self) -> bool:
        """Whether a step answers before the graph has ended."""
        return any(node.built.responds for node in self.nodes)

    @property
    def last(self) -> tuple[str, ...]:
        """Steps that nobody follows: what they give is the answer, where no step responds."""
        followed = {name for node in self.nodes for name in node.after}
        return tuple(node.name for node in self.nodes if node.name not in followed)


def compile_graph(graph: GraphSpec, scope: Scope) -> Plan:
    """Check names, options and edges, and build every step. Raises ``Invalid`` at the place of what is wrong."""
    by_name: dict[str, StepSpec] = {}
    for spec in graph.steps:
        if spec.name in by_name:
            raise spec.wrong("there are two steps of this name", "give one of them another name")
        by_name[spec.name] = spec
        if spec.kind not in GRAPH_STEPS:
            hint = did_you_mean(spec.kind, GRAPH_STEPS.names()) or f"kinds: {', '.join(GRAPH_STEPS.names())}"
            raise spec.wrong(f"there is no kind of step {spec.kind!r}", hint)
        GRAPH_STEPS.get(spec.kind).check(spec)
    built = {spec.name: GRAPH_STEPS.get(spec.kind).build(spec, scope) for spec in graph.steps}
    nodes = _nodes(graph, by_name, built)
    if sum(node.built.responds for node in nodes.values()) > 1:
        raise Invalid("the graph responds twice", hint="a request has one answer: one step of kind respond")
    return Plan(_ordered(nodes), graph.timeout_ms, graph.concurrency)


def _nodes(graph: GraphSpec, specs: Mapping[str, StepSpec], built: Mapping[str, Built]) -> dict[str, Node]:
    handlers = {spec.name: spec.on_error or graph.on_error for spec in graph.steps}
    taken = {name for name in handlers.values() if name}
    choices: dict[str, list[str]] = {}
    for spec in graph.steps:
        for target in built[spec.name].goes_to:
            _known(spec, target, specs, "goes to")
            choices.setdefault(target, []).append(spec.name)
    nodes: dict[str, Node] = {}
    previous: str | None = None
    for spec in graph.steps:
        chosen_by = tuple(choices.get(spec.name, ()))
        if spec.after is not None:
            after = tuple(dict.fromkeys((*spec.after, *chosen_by)))
        elif chosen_by:
            after = chosen_by
        else:
            after = (previous,) if previous and spec.name not in taken else ()
        for name in after:
            _known(spec, name, specs, "comes after")
        handler = handlers[spec.name]
        if handler is not None:
            _known(spec, handler, specs, "sends its failures to")
        if handler == spec.name or spec.name in taken:
            handler = None  # the failure of a handler is the request's
        handles = tuple(name for name, target in handlers.items() if target == spec.name and name not in taken)
        nodes[spec.name] = Node(spec, built[spec.name], after, handler, handles, chosen_by)
        if spec.name not in taken:
            previous = spec.name
    return nodes


def _known(spec: StepSpec, name: str, specs: Mapping[str, StepSpec], how: str) -> None:
    if name not in specs:
        raise spec.wrong(f"it {how} {name!r}, which is no step", did_you_mean(name, specs))


def _ordered(nodes: Mapping[str, Node]) -> tuple[Node, ...]:
    found: list[Node] = []
    done: set[str] = set()
    under_way: list[str] = []

    def visit(node: Node) -> None:
        if node.name in done:
            return
        if node.name in under_way:
            circle = " → ".join([*under_way[under_way.index(node.name) :], node.name])
            hint = "a graph goes forward; to repeat steps: {kind: repeat, steps: [..], while: .., most: n}"
            raise node.spec.wrong(f"it comes after itself: {circle}", hint)
        under_way.append(node.name)
        for name in node.waits_for:
            visit(nodes[name])
        under_way.pop()
        done.add(node.name)
        found.append(node)

    for node in nodes.values():
        visit(node)
    return tuple(found)


def edges(nodes: Sequence[Node]) -> list[tuple[str, str, str]]:
    """From, to, and how (``then``, ``choice``, ``error``), for a drawing."""
    found = []
    for node in nodes:
        found += [(name, node.name, "choice" if name in node.chosen_by else "then") for name in node.after]
        found += [(name, node.name, "error") for name in node.handles]
    return found
