"""Try a graph without a server: ``mlbox.serve.mock('graph.yaml').test({'x': 1})``."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlbox.base.errors import MlboxError
from mlbox.base.names import quote
from mlbox.serve.expressions.compile import Expression
from mlbox.serve.graph.base import Code, Event, Model, Search
from mlbox.serve.graph.definition import GraphSpec, StepSpec, graph_of, read_graph
from mlbox.serve.graph.drawing import draw
from mlbox.serve.graph.plan import Plan, compile_graph
from mlbox.serve.graph.running import run
from mlbox.serve.graph.scope import compiled
from mlbox.serve.python.errors import CodeFailed


class Mock:
    """A graph whose functions and models are Python objects of the test."""

    def __init__(self, plan: Plan, written: dict[str, list[Event]]) -> None:
        self._plan = plan
        self.written = written
        """What steps of kind queue have written, by their ``to``."""

    def test(self, event: Any) -> Any:
        """What the graph answers; raises an ``MlboxError`` of the step that failed. Waits for steps behind ``respond``
        too, so that ``written`` is complete."""
        return asyncio.run(self._test(event))

    async def _test(self, event: Any) -> Any:
        answer = await run(self._plan, event)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*(task for task in others if task is not None), return_exceptions=True)
        return answer

    def draw(self) -> str:
        """The graph as SVG."""
        return draw(self._plan)


def mock(
    graph: str | Path | Mapping[str, Any],
    functions: Mapping[str, Any] | None = None,
    models: Mapping[str, Any] | None = None,
    vectors: Mapping[str, Any] | None = None,
    collections: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
) -> Mock:
    """``graph`` is a file, its text, or what it holds. ``functions`` by the names that steps use: a function, a class
    or an object with ``do(event)``; ``models`` by reference: a function of a row, or an object with ``predict(rows)``
    as scikit-learn has it; ``vectors``: the rows, ``{"customer": {7: {"age": 40}}}``, or an object with ``entities``
    and ``read``; ``collections``: a function of a ``Question`` that gives rows; ``secrets``: their values."""
    scope = _MockScope(functions or {}, models or {}, vectors or {}, collections or {}, secrets or {})
    return Mock(compile_graph(_read(graph), scope), scope.written)


def _read(graph: str | Path | Mapping[str, Any]) -> GraphSpec:
    if isinstance(graph, Mapping):
        return graph_of(graph)
    text = str(graph)
    return read_graph(text if "\n" in text or text.lstrip().startswith("{") else Path(text).read_text())


class _MockScope:
    """Names mean the objects of the test; queues are lists."""

    def __init__(self, *known: Mapping[str, Any]) -> None:
        self._functions, self._models, self._vectors, self._collections, self._secrets = known
        self.written: dict[str, list[Event]] = {}

    def expressions(self, spec: StepSpec, texts: Mapping[str, str]) -> tuple[Expression, ...]:
        """As in the server."""
        return tuple(each for name, text in texts.items() for each in compiled(f"{text}\n AS {quote(name)}", spec))

    def code(self, spec: StepSpec) -> Code:
        """The function or class of the test."""
        found = _named(spec, self._functions, str(spec.options["function"]), "function", "functions")
        if inspect.isclass(found):
            found = found(**(spec.options.get("parameters") or {}))
            if hasattr(found, "load"):
                found.load()
        return _Local(spec, found.do if hasattr(found, "do") else found)

    def model(self, spec: StepSpec, ref: str) -> Model:
        """The model of the test."""
        return _LocalModel(ref, _named(spec, self._models, ref, "model", "models"))

    def features(self, spec: StepSpec, ref: str) -> Any:
        """The reader of the test, or one of its rows."""
        found = _named(spec, self._vectors, ref, "feature vector", "vectors")
        if isinstance(found, Mapping):
            return _Profiles(spec, found)
        if not hasattr(found, "read") or not hasattr(found, "entities"):
            raise spec.wrong(f"{type(found).__name__} is no feature vector", _PROFILES)
        return found

    def collection(self, spec: StepSpec, ref: str) -> Search:
        """The function of the test."""
        found: Search = _named(spec, self._collections, ref, "collection", "collections")
        return found

    def secret(self, spec: StepSpec, name: str) -> Callable[[], str]:
        """That of the test."""
        found = str(_named(spec, self._secrets, name, "secret", "secrets"))
        return lambda: found

    def sink(self, spec: StepSpec, target: str) -> Callable[[Event], Awaitable[None]]:
        """A list; what goes to an address is kept too, and not sent."""
        events = self.written.setdefault(target, [])

        async def write(event: Event) -> None:
            events.append(event)

        return write

    def subgraph(self, spec: StepSpec, graph: GraphSpec) -> Plan:
        """With the same names."""
        return compile_graph(graph, self)


def _named(spec: StepSpec, known: Mapping[str, Any], name: str, kind: str, argument: str) -> Any:
    found = known.get(name, known.get(name.partition("@")[0]))
    if found is None:
        raise spec.wrong(f"no {kind} {name!r} was given", f"mock(graph, {argument}={{{name!r}: ..}})")
    return found


_PROFILES = "give {'customer': {7: {'age': 40}}}: the entity, its keys, and their features"


class _Profiles:
    """Features of a mapping: the name of the entity, its keys, and what is known of each; ``{"customer": {7: {"age":
    40}}}``. Of several entities both are tuples. What a key does not have is missing."""

    def __init__(self, spec: StepSpec, known: Mapping[Any, Any]) -> None:
        if len(known) != 1:
            raise spec.wrong("a feature vector has one entity, or a tuple of them", _PROFILES)
        ((entities, rows),) = known.items()
        self.entities: tuple[str, ...] = (entities,) if isinstance(entities, str) else tuple(entities)
        if not isinstance(rows, Mapping) or not all(isinstance(row, Mapping) for row in rows.values()):
            raise spec.wrong(f"the keys of {entities!r} are not told with their features", _PROFILES)
        self._rows = {(key if isinstance(key, tuple) else (key,)): row for key, row in rows.items()}
        self.features = tuple(dict.fromkeys(name for row in rows.values() for name in row))

    def read(self, columns: Mapping[str, Sequence[Any]], at: Any = None) -> dict[str, list[Any]]:
        """Values of each feature for each row of keys."""
        found = [self._rows.get(key, {}) for key in zip(*(columns[name] for name in self.entities), strict=True)]
        return {name: [row.get(name) for row in found] for name in self.features}


class _Local:
    """A function of the test."""

    def __init__(self, spec: StepSpec, call: Callable[[Event], Any]) -> None:
        self._spec = spec
        self._call = call

    async def do(self, event: Event) -> Any:
        """Its result; what it raises is the step's failure."""
        try:
            result = self._call(event)
            return await result if hasattr(result, "__await__") else result
        except MlboxError:
            raise
        except Exception as error:
            raise CodeFailed(f"step {self._spec.name!r}: {type(error).__name__}: {error}") from error


class _LocalModel:
    """A model of the test."""

    def __init__(self, name: str, model: Any) -> None:
        self.name = name
        self._model = model

    async def predict(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """A function is called with each row; an object's ``predict`` with a matrix of their values."""
        if hasattr(self._model, "predict"):
            import numpy as np

            found = list(np.asarray(self._model.predict(np.array([list(row.values()) for row in rows], "f8"))).ravel())
        else:
            found = [self._model(row) for row in rows]
        return [{"prediction": float(value)} for value in found]


__all__ = ["Mock", "mock"]
