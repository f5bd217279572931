"""What a graph's names mean in a project: looked up for a plan, opened for a runtime."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import Forbidden, Invalid, MlboxError, Unavailable
from mlbox.base.names import Ref, check_name, quote
from mlbox.base.telemetry import span
from mlbox.engine.catalog.tables.endpoints import ShareRow
from mlbox.engine.features.sinks.base import Target, open_sink, sink_kind
from mlbox.engine.search.searching import find
from mlbox.serve.expressions.compile import Expression, compile_all
from mlbox.serve.feeding import rows_of
from mlbox.serve.graph.base import Code, Event, Model, Search
from mlbox.serve.graph.outgoing import Refused, client, shown
from mlbox.serve.graph.plan import Plan, compile_graph
from mlbox.serve.nested import of_lists
from mlbox.serve.remote import RemotePredictor
from mlbox.serve.runtimes.base import runtime_of, seconds_of
from mlbox.serve.shop import handler_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.engine.models.sessions import Predictor
    from mlbox.serve.graph.definition import GraphSpec, StepSpec
    from mlbox.serve.shop import Append, Shop

Write = Callable[[Event], Awaitable[None]]
P = TypeVar("P")


@dataclass(slots=True)
class Pins:
    """Versions that names without one mean, fixed when the graph is made; ``models`` are all that it uses."""

    functions: dict[str, int] = field(default_factory=dict)
    models: dict[str, ShareRow] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        models = {text: [share.project, share.name, share.version] for text, share in self.models.items()}
        return {"functions": self.functions, "models": models}

    @classmethod
    def of_json(cls, body: Mapping[str, Any]) -> Pins:
        """What ``to_json`` gave."""
        models = {text: ShareRow(*share) for text, share in body.get("models", {}).items()}
        return cls(dict(body.get("functions", {})), models)


def compiled(query: str, spec: StepSpec) -> tuple[Expression, ...]:
    """Expressions of a step; what is wrong with them is told at its place."""
    try:
        return compile_all(Query(query), nested=True)
    except MlboxError as error:
        raise spec.wrong(error.message, error.hint) from None


class CheckScope:
    """Looks up what is named and starts nothing."""

    def __init__(self, shop: Shop, project: str, pins: Pins | None = None, *, within: bool = False) -> None:
        """``within``: names of other projects are refused, whether or not there is such a thing."""
        self._shop = shop
        self._project = project
        self._within = within
        self.pins = pins or Pins()
        self.uses: dict[tuple[str, str], None] = {}
        """Kinds and references of what it is made from."""

    def expressions(self, spec: StepSpec, texts: Mapping[str, str]) -> tuple[Expression, ...]:
        """Compiled one by one, so that each is one expression."""
        found: list[Expression] = []
        for name, text in texts.items():
            found += compiled(f"{text}\n AS {quote(name)}", spec)
        if len(found) != len(texts):
            raise spec.wrong("each entry is one expression")
        return tuple(found)

    def code(self, spec: StepSpec) -> Code:
        """Looked up; it cannot be asked."""
        text = str(spec.options["function"])
        ref = self._ref(spec, text)
        pinned = self.pins.functions.get(text)
        try:
            function = (
                self._shop.functions.require(ref)
                if pinned is None
                else self._shop.functions.of_run(ref.project, ref.name, pinned)
            )
            handler = handler_of(function, spec.options.get("handler"), verb="do")
        except MlboxError as error:
            raise spec.wrong(error.message, error.hint) from None
        self.pins.functions[text] = function.version
        self.uses["function", f"{function.project}.{function.name}@{function.version}"] = None
        return self._opened_code(spec, function, handler)

    def model(self, spec: StepSpec, ref: str) -> Model:
        """Resolved; it cannot be asked."""
        wanted = self._ref(spec, ref)
        try:
            pinned = self.pins.models.get(ref)
            version = self._shop.models.resolve(
                wanted if pinned is None else Ref(pinned.project, pinned.name, pinned.version)
            )
            runtime_of(version).foresee(version, self._shop)
        except MlboxError as error:
            raise spec.wrong(error.message, error.hint) from None
        named = wanted.version if wanted.version and not wanted.version.isdigit() else str(version.version)
        self.pins.models[ref] = ShareRow(version.project, version.name, named.lower())
        self.uses["model", str(version)] = None
        return self._opened_model(spec, version)

    def features(self, spec: StepSpec, ref: str) -> Any:
        """The online reader."""
        found = self._ref(spec, ref)
        if self._shop.features is None:
            raise spec.wrong("there is no feature store in this home")
        try:
            reader = self._shop.features.reader(found)
        except MlboxError as error:
            raise spec.wrong(error.message, error.hint) from None
        self.uses["feature vector", f"{found.project}.{found.name}"] = None
        return reader

    def collection(self, spec: StepSpec, ref: str) -> Search:
        """Looked up now and again with each question: a refresh may have come between."""
        found, collections = self._ref(spec, ref), self._shop.collections
        if collections is None:
            raise spec.wrong("there are no collections in this home")
        try:
            collections.state(found)
        except MlboxError as error:
            raise spec.wrong(error.message, error.hint) from None
        self.uses["collection", f"{found.project}.{found.name}"] = None
        return lambda question: plain(find(collections, found, question).rows)

    def secret(self, spec: StepSpec, name: str) -> Callable[[], str]:
        """One of the project, read each time: it may be set anew."""
        secrets, project = self._shop.secrets, self._project
        try:
            secrets.require(project, [name])
        except MlboxError as error:
            raise spec.wrong(error.message, error.hint) from None
        self.uses["secret", f"{project}.{name}"] = None
        return lambda: secrets.values(project, [name])[name]

    def sink(self, spec: StepSpec, target: str) -> Write:
        """Checked; nothing can be written."""
        kind, _, rest = target.partition(":")
        if kind == "table":
            try:
                check_name(rest, "table name")
            except Invalid as error:
                raise spec.wrong(error.message, error.hint) from None
            self.uses["table", f"{self._project}.{rest}"] = None
        elif kind not in ("http", "https"):
            try:
                sink_kind(Target(target, self._project))
            except Invalid as error:
                raise spec.wrong(error.message, error.hint) from None
        return self._opened_sink(kind, target, rest)

    def subgraph(self, spec: StepSpec, graph: GraphSpec) -> Plan:
        """The inner graph uses the same names."""
        return compile_graph(graph, self)

    def _ref(self, spec: StepSpec, text: str) -> Ref:
        name, _, version = text.partition("@")
        project, _, short = name.rpartition(".")
        if not short:
            raise spec.wrong(f"{text!r} is no name")
        if self._within and project.lower() not in ("", self._project.lower()):
            raise Forbidden(
                f"step {spec.name!r}: graphs of members name what is in their project, and {text!r} is not",
                hint="ask the owner of the server to make the endpoint",
            )
        return Ref(project or self._project, short, version or None)

    def _opened_code(self, spec: StepSpec, function: Any, handler: str) -> Code:
        return _Nothing()

    def _opened_model(self, spec: StepSpec, version: Any) -> Model:
        return _Nothing()

    def _opened_sink(self, kind: str, target: str, rest: str) -> Write:
        return _Nothing().do


class _Nothing:
    """Stands for what a plan does not start."""

    name = ""

    async def do(self, event: Event) -> Any:
        """Never asked."""
        raise Unavailable("the graph has not been started")

    async def predict(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Never asked."""
        raise Unavailable("the graph has not been started")


class LiveScope(CheckScope):
    """Opens what is named."""

    def __init__(self, shop: Shop, row: EndpointRow, pins: Pins) -> None:
        super().__init__(shop, row.project, pins)
        self._row = row

    def _opened_code(self, spec: StepSpec, function: Any, handler: str) -> Code:
        launch = self._shop.launch(function, handler, spec.options.get("parameters") or {})
        seconds = spec.timeout_ms / 1000 if spec.timeout_ms else seconds_of(self._row)
        return _kept(RemotePredictor(self._shop.lease(launch, self._row), (), seconds), spec)

    def _opened_model(self, spec: StepSpec, version: Any) -> Model:
        return Rows(str(version), _kept(runtime_of(version).open(version, self._row, self._shop), spec))

    def _opened_sink(self, kind: str, target: str, rest: str) -> Write:
        if kind == "table":
            return self._table(rest)
        return post_to(target) if kind in ("http", "https") else stream_to(Target(target, self._project))

    def _table(self, name: str) -> Write:
        append, project = self._shop.append, self._project
        if append is None:
            append = to_table(self._shop.catalog, project, name)

        async def write(event: Event) -> None:
            await asyncio.to_thread(append, project, name, now(), json.dumps(event, default=str))

        return write


def _kept(predictor: P, spec: StepSpec) -> P:
    """Code that hangs is ended when the graph's time is over: the next request is to be answered."""
    if isinstance(predictor, RemotePredictor) and spec.limit_ms:
        predictor.kept = spec.limit_ms / 1000
    return predictor


def to_table(catalog: Catalog, project: str, name: str) -> Append:
    """Writes events into a table of this home, which is made when it is not there."""
    table = f"data.{quote(project)}.{quote(name)}"

    def make(cursor: DuckDBPyConnection) -> None:
        cursor.execute(f"CREATE TABLE IF NOT EXISTS {table} (event_time TIMESTAMPTZ, event JSON)")

    catalog.write_data(make)

    def append(project: str, name: str, moment: datetime, event: str) -> None:
        catalog.write_data(lambda cursor: cursor.execute(f"INSERT INTO {table} VALUES (?, ?)", [moment, event]))

    return append


def plain(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as JSON can hold them."""
    found: list[dict[str, Any]] = json.loads(json.dumps(rows, default=str))
    return found


def _of_rows(name: str, values: list[Any]) -> Any:
    """Values of all rows for a model: what are nested lists in an event is a tensor."""
    return of_lists(name, values).array() if values[0].__class__ is list else values


def _plain_value(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def post_to(url: str) -> Write:
    """Each event is the body of a POST."""

    async def write(event: Event) -> None:
        try:
            reply = await client().send("POST", url, event, {}, 10.0)
        except (Refused, TimeoutError) as error:
            raise Unavailable(f"{shown(url)} cannot be reached: {error or 'no answer within 10 s'}") from None
        if reply.status >= 400:
            raise Unavailable(f"{shown(url)} answers {reply.status}: {reply.text[:200]}")

    return write


def stream_to(target: Target) -> Write:
    """Each event is a row of a stream."""
    sink = open_sink(target)

    async def write(event: Event) -> None:
        await asyncio.to_thread(sink.write, [event if isinstance(event, dict) else {"event": event}])

    return write


class Rows:
    """A predictor that is asked with rows."""

    def __init__(self, name: str, predictor: Predictor | RemotePredictor) -> None:
        self.name = name
        self._predictor = predictor

    async def predict(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """The outputs for each row."""
        predictor = self._predictor
        folded = [{name.lower(): value for name, value in row.items()} for row in rows]
        names = predictor.features or tuple(rows[0])
        missing = [name for name in names if name.lower() not in folded[0]]
        if missing:
            raise Invalid(
                f"the event has no {', '.join(map(repr, missing))}, which {self.name} takes",
                hint=f"it takes {', '.join(names)}",
            )
        columns = {name: _of_rows(name, [row.get(name.lower()) for row in folded]) for name in names}
        if isinstance(predictor, RemotePredictor):
            output = await predictor.ask("predict", columns, len(rows))
        else:
            with span(f"model {self.name}", **{"mlbox.rows": len(rows)}):
                output = predictor.run([columns[name] for name in names], len(rows))
        size = len(rows)
        found = {name: rows_of(name, values, size) for name, values in output.outputs.items()}
        found = {name: [_plain_value(value) for value in values] for name, values in found.items()}
        if output.numbered:
            found["prediction"] = output.prediction.tolist()
        return [{name: values[index] for name, values in found.items()} for index in range(len(rows))]
