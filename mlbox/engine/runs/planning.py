"""RUN, checked before anything is done: function, handler, parameters, inputs, runtime, sweep."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlbox.base.clock import now
from mlbox.base.command import Plan, Query, Step
from mlbox.base.errors import Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.base.names import Ref, check_name, literal, quote
from mlbox.base.suggest import did_you_mean, nearest
from mlbox.engine.catalog.tables.functions import FunctionRow
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs.artifacts import Artifacts, pinned
from mlbox.engine.runs.commands import RunArtifact, RunSource, StartRun
from mlbox.engine.runs.engines import Engines
from mlbox.engine.runs.executors.base import Foreseeing, Wish
from mlbox.engine.runs.executors.options import limits, unused, used
from mlbox.engine.runs.frames import Frames, FrameSource
from mlbox.engine.runs.functions import Functions, classes_of, handlers_of
from mlbox.engine.runs.lifecycle import PENDING
from mlbox.engine.runs.requests import dump_source, dump_sweep, load_resources, plain
from mlbox.engine.runs.search import check_stop
from mlbox.engine.runs.source import HandlerInfo
from mlbox.engine.runs.tuning.base import is_range, make_strategy
from mlbox.engine.runs.tuning.pruning import Pruning

SQL = "sql"
"""Runtime of functions that are one query."""

FRAME = "frame"
"""Name of the input that RUN .. FROM gives."""

FrameQuery = Callable[[Ref], Query]
"""The SQL that gives the rows of a named vector, table or view."""


def table_query(ref: Ref) -> Query:
    """All rows of a table or view."""
    if ref.version is not None:
        raise Invalid(f"a table has no versions, as {ref} asks for", hint=f"leave @{ref.version} out")
    return Query(f"FROM {quote(ref.project)}.{quote(ref.name)}")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A RUN that has been checked. ``sources`` still hold the statement, for errors that point into it."""

    row: RunRow
    sources: Mapping[str, FrameSource]


class Planner:
    """Checks RUN statements."""

    def __init__(
        self, frames: Frames, functions: Functions, engines: Engines, frame_query: FrameQuery, artifacts: Artifacts
    ) -> None:
        self._frames = frames
        self._functions = functions
        self._engines = engines
        self._frame_query = frame_query
        self._artifacts = artifacts

    def plan(self, command: StartRun) -> Plan:
        """The steps of a RUN; ``resolved["prepared"]`` is what to run."""
        function = self._functions.require(command.function)
        handler = _handler(function, command.handler)
        runtime = (command.runtime or function.runtime).lower()
        if SQL in (runtime, function.runtime) and runtime != function.runtime:
            kind = "SQL, which the server computes itself" if function.runtime == SQL else "no SQL"
            raise Invalid(f"function {function.name!r} is {kind}", hint=f"leave ON {runtime} out")
        left_out = unused(self._engines.get(runtime), function.definition.get("options", {}))
        foreseen = self._foresee(function, runtime, left_out)
        if command.name is not None:
            check_name(command.name, "run name")
        _check_returns(command.returns)
        sources = self._sources(command)
        swept = [parameter.name for parameter in command.sweep.parameters] if command.sweep else []
        named = self._pinned(command, function)
        _check_parameters(handler, command, [*sources, *named], swept)
        integers: frozenset[str] = frozenset()
        if command.sweep is not None:
            integers = _whole_numbers(command, handler)
            make_strategy(command.sweep, "plan", integers)
            check_stop(command.sweep)
            if command.sweep.prune:
                Pruning(command.sweep.prune, command.sweep.goal)
        steps = [
            Step("read", f"input {name}", source.ref or " ".join(source.query.text.split())[:120])
            for name, source in sources.items()
        ]
        steps += [
            Step("read", f"input {name}", f"artifact {command.function.project}.{known['name']}@{known['version']}")
            for name, known in named.items()
        ]
        for source in sources.values():
            self._frames.columns(function.project, source)
        steps.extend(foreseen)
        row = _run_row(command, function, handler, runtime)
        request = {
            **row.request,
            "sources": {name: dump_source(source) for name, source in sources.items()},
            "integers": sorted(integers),
            **({"unused": left_out} if left_out else {}),
            **({"artifacts": named} if named else {}),
        }
        steps.append(Step("create", "run", row.label))
        what = f"function {function.project}.{function.name}@{function.version}"
        steps.append(Step("execute", what, f"{handler.signature if handler else function.file} on {runtime}"))
        return Plan(tuple(steps), {"prepared": Prepared(replace(row, request=request), sources)})

    def _foresee(self, function: FunctionRow, runtime: str, left_out: Sequence[str]) -> list[Step]:
        """What the executor will do before the run, which has no options ``left_out``; ``Invalid`` when it cannot meet
        what the function asks for."""
        engine = self._engines.get(runtime)
        resources = load_resources(function.definition)
        if resources.gpu and not engine.capabilities.gpu:
            raise Invalid(f"function {function.name!r} asks for a GPU, which {runtime} does not give")
        definition = function.definition
        ignored = [
            Step("ignore", f"option {name}", f"of {function.runtime}; runs on {runtime} have none") for name in left_out
        ]
        if not isinstance(engine, Foreseeing):
            return ignored
        wish = Wish(
            image=definition.get("image"),
            requirements=function.requirements,
            python=definition.get("python"),
            resources=resources,
            options=used(engine, definition.get("options", {})),
        )
        return [*ignored, *(Step(*step) for step in engine.foresee(wish))]

    def _sources(self, command: StartRun) -> dict[str, FrameSource]:
        found: dict[str, FrameSource] = {}
        if command.source is not None:
            found[FRAME] = self._source(command.source, FRAME, command.function.project)
        for name, value in command.inputs.items():
            if name in found:
                raise Invalid(f"input {name!r} is given twice", hint="RUN .. FROM gives the input 'frame'")
            if not isinstance(value, RunArtifact):
                found[name] = self._source(value, name, command.function.project)
        return found

    def _pinned(self, command: StartRun, function: FunctionRow) -> dict[str, dict[str, Any]]:
        """Inputs that are artifacts: what an alias means is settled now, for repetitions too."""
        found = {}
        for name, value in command.inputs.items():
            if isinstance(value, RunArtifact):
                if value.ref.project != function.project:
                    where = f"function {function.name!r} is in {function.project}"
                    raise Invalid(
                        f"artifact {value.ref} is of another project; {where}", hint="log it there, or copy it"
                    )
                if function.runtime == SQL:
                    hint = "name a table, a file or a query"
                    raise Invalid(f"function {function.name!r} is SQL: it reads rows and no artifacts", hint=hint)
                found[name] = pinned(self._artifacts.find(value.ref, value.run))
        return found

    def _source(self, value: Any, name: str, project: str) -> FrameSource:
        if isinstance(value, RunSource):
            value = value.query if value.query is not None else value.ref
        if isinstance(value, Query):
            return FrameSource(value)
        if isinstance(value, str):
            return FrameSource(Query(f"FROM {literal(value)}"), value, "file")
        if isinstance(value, Ref):
            query = self._frame_query(value)
            kind = "table" if query == table_query(value) else "feature vector"
            return FrameSource(query, str(value), kind)
        raise Invalid(
            f"input {name!r} is no table or query: {value!r}",
            hint=f"INPUTS ({name} = table, or 'file.parquet', or (SELECT ..), or ARTIFACT 'name')",
        )


def _check_returns(hints: Iterable[str]) -> None:
    """A kind that is not ours may be a word of a packager in the user's code: only what is nearly ours is refused
    here, and the rest by the client, before the handler is called."""
    from mlbox.client.failures import WrongCall
    from mlbox.client.hints import FORMATS, check_format, split

    for hint in hints:
        try:
            found = check_format(split(hint))
        except WrongCall as error:
            raise Invalid(f"RETURNS: {error.message}", hint=error.hint) from None
        if found.kind and found.kind not in FORMATS and nearest(found.kind, FORMATS):
            what = f"there is no kind {found.kind!r} to keep {found.name!r} as"
            raise Invalid(what, hint=did_you_mean(found.kind, FORMATS))


def _run_row(command: StartRun, function: FunctionRow, handler: HandlerInfo | None, runtime: str) -> RunRow:
    parameters = plain(command.parameters)
    definition = function.definition
    timeout = command.timeout.total_seconds() if command.timeout else definition.get("timeout_seconds")
    if command.retries is not None and command.retries < 0:
        raise Invalid(f"RETRY {command.retries} is below 0")
    request = {
        "parameters": parameters,
        "retries": definition.get("retries", 0) if command.retries is None else command.retries,
        "backoff_seconds": definition.get("backoff_seconds"),
        "timeout_seconds": timeout,
        **limits(definition.get("options", {})),
        "frames": {},
        "returns": list(command.returns),
        "sweep": dump_sweep(command.sweep) if command.sweep else None,
    }
    return RunRow(
        id=new_id(),
        project=function.project,
        name=command.name or function.name,
        function=function.name,
        function_version=function.version,
        handler=handler.name if handler else None,
        runtime=runtime,
        state=PENDING,
        created_at=now(),
        params=parameters,
        labels=plain(command.labels),
        request=request,
    )


def _handler(function: FunctionRow, wanted: str | None) -> HandlerInfo | None:
    known = handlers_of(function)
    name = wanted or function.handler
    if name is None:
        return None
    if name in classes_of(function):
        raise Invalid(
            f"{name} of function {function.name!r} is a class: it answers requests and is not run",
            hint=f"CREATE ENDPOINT e USING FUNCTION {function.name}",
        )
    if name not in known:
        hint = did_you_mean(name, known) or f"{function.file} has no functions: it runs as a script"
        raise NotFound(f"function {function.name!r} has no handler {name!r}", hint=hint)
    return known[name]


def _check_parameters(handler: HandlerInfo | None, command: StartRun, inputs: Iterable[str], swept: list[str]) -> None:
    both = sorted(set(swept) & set(command.parameters))
    if both:
        raise Invalid(f"parameter {both[0]!r} is given and swept", hint="name it in WITH or in SWEEP")
    given = {*command.parameters, *swept}
    both = sorted(given & set(inputs))
    if both:
        raise Invalid(f"{both[0]!r} is an input of this run and cannot be a parameter as well")
    if handler is not None:
        handler.check_arguments(given, set(inputs))
        for name, value in plain(command.parameters).items():
            handler.check_types(name, [value])
        for swept_over in command.sweep.parameters if command.sweep else ():
            handler.check_types(swept_over.name, plain({"values": swept_over.values})["values"])


def _whole_numbers(command: StartRun, handler: HandlerInfo | None) -> frozenset[str]:
    """Ranges of whole numbers: the handler's default decides, else bounds that are whole and apart by more than 1
    (``BETWEEN 0 AND 1`` is a share)."""
    assert command.sweep is not None
    defaults = {parameter.name: parameter.default for parameter in handler.parameters} if handler else {}
    found = set()
    for parameter in command.sweep.parameters:
        low, high = parameter.low, parameter.high
        if not is_range(parameter) or low is None or high is None or low != int(low) or high != int(high):
            continue
        default = _literal(defaults.get(parameter.name))
        if isinstance(default, int) and not isinstance(default, bool):
            found.add(parameter.name)
        elif not isinstance(default, float) and not (parameter.log or high - low <= 1):
            found.add(parameter.name)
    return frozenset(found)


def _literal(text: str | None) -> Any:
    try:
        return ast.literal_eval(text) if text else None
    except (ValueError, SyntaxError):
        return None
