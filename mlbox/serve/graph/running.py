"""Carries an event through a graph."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from mlbox.base.errors import Invalid, MlboxError
from mlbox.base.telemetry import span
from mlbox.serve.graph.base import Event, Token
from mlbox.serve.graph.plan import Node, Plan
from mlbox.serve.http import DeadlineExceeded
from mlbox.serve.python.errors import CodeFailed

_log = logging.getLogger("mlbox.serve")
T = TypeVar("T")

Tell = Callable[[str, MlboxError], None]
"""Told of a step that failed after the answer was given: its name, and why."""

MOST_EVENTS = 100_000
"""Events of one request in one step."""


class Run:
    """One request on its way through a plan. Steps begin when all that they wait for is done, so that branches go on
    side by side; the events in a step go on side by side too, as many as the graph allows."""

    def __init__(self, plan: Plan, tell: Tell | None = None) -> None:
        self._plan = plan
        self._tell = tell
        self._gates = {node.name: asyncio.Event() for node in plan.nodes}
        self._out: dict[str, list[Token]] = {}
        self._sent: dict[str, dict[str, list[Token]]] = {}
        self._failures: dict[str, list[Token]] = {}
        self._answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    async def answer(self, event: Event) -> Event:
        """What the graph says to the event. Steps behind a ``respond`` go on after this has returned."""
        work = asyncio.ensure_future(self._all(event))
        limit = self._plan.timeout_ms
        waiting = {work, self._answer}
        try:
            done, _ = await asyncio.wait(
                waiting, timeout=limit / 1000 if limit else None, return_when=asyncio.FIRST_COMPLETED
            )
        except asyncio.CancelledError:
            work.cancel()
            raise
        if self._answer in done:
            _BEHIND.add(work)
            work.add_done_callback(self._behind)
            return self._answer.result()
        if not done:
            work.cancel()
            raise DeadlineExceeded(
                f"the graph has not answered within {limit:g} ms", hint="raise timeout_ms of the graph"
            )
        work.result()
        if self._answer.done():
            return self._answer.result()
        return joined([token for name in self._plan.last for token in self._out.get(name, ())])

    async def _all(self, event: Event) -> None:
        await together([self._node(node, event) for node in self._plan.nodes])

    def _behind(self, work: asyncio.Future[None]) -> None:
        _BEHIND.discard(work)
        if not work.cancelled() and (error := work.exception()) is not None and self._tell is not None:
            told = error if isinstance(error, MlboxError) else CodeFailed(str(error))
            self._tell("a step behind the answer", told)

    async def _node(self, node: Node, event: Event) -> None:
        for name in node.waits_for:
            await self._gates[name].wait()
        tokens = self._incoming(node, event)
        if len(tokens) > MOST_EVENTS:
            raise node.spec.wrong(f"{len(tokens):,} events come to it; at most {MOST_EVENTS:,} may")
        self._out[node.name] = await self._step(node, tokens) if tokens else []
        self._gates[node.name].set()

    def _incoming(self, node: Node, event: Event) -> list[Token]:
        if not node.waits_for:
            return [Token((0,), event)]
        found: list[Token] = []
        for name in node.after:
            tokens = self._sent.get(name, {}).get(node.name, []) if name in node.chosen_by else self._out[name]
            found += [Token(token.key, token.event, name) for token in tokens]
        for name in node.handles:
            found += [token for token in self._failures.get(name, ())]
        return found

    async def _step(self, node: Node, tokens: Sequence[Token]) -> list[Token]:
        built = node.built
        if built.responds:
            if not self._answer.done():
                self._answer.set_result(joined(tokens))
            return list(tokens)
        if built.whole is not None:
            try:
                return list(await self._limited(node, built.whole(tokens)))
            except MlboxError as error:
                self._failed(node, Token((0,), [token.event for token in tokens]), error)
                return []
        room = asyncio.Semaphore(self._plan.concurrency)
        work = [self._token(node, token, room) for token in tokens]
        # behind the answer each event is for itself: nobody asks again for those beside one that fails
        lists = await (asyncio.gather(*work) if self._answer.done() else together(work))
        return [token for each in lists for token in each]

    async def _token(self, node: Node, token: Token, room: asyncio.Semaphore) -> list[Token]:
        built = node.built
        async with room:
            try:
                if built.choose is not None:
                    target = await self._limited(node, built.choose(token.event))
                    if target is not None:
                        self._sent.setdefault(node.name, {}).setdefault(target, []).append(token)
                    return [token]
                assert built.each is not None
                events = await self._limited(node, built.each(token.event))
            except MlboxError as error:
                self._failed(node, token, error)
                return []
        if len(events) == 1:
            return [Token(token.key, events[0], token.branch)]
        return [Token((*token.key, index), event, token.branch) for index, event in enumerate(events)]

    async def _limited(self, node: Node, work: Any) -> Any:
        limit = node.spec.timeout_ms
        try:
            with span(f"step {node.name}", **{"mlbox.step": node.name, "mlbox.kind": node.spec.kind}):
                return await (work if limit is None else asyncio.wait_for(work, limit / 1000))
        except TimeoutError as error:
            if limit is None:  # of something that the step has asked
                raise CodeFailed(f"step {node.name!r} failed: TimeoutError: {error}") from None
            raise DeadlineExceeded(
                f"step {node.name!r} has not ended within {limit:g} ms", hint="raise its timeout_ms"
            ) from None
        except MlboxError:
            raise
        except Exception as error:  # a step of a plug-in, or a value that none has foreseen
            _log.exception("step %s", node.name)
            raise CodeFailed(f"step {node.name!r} failed: {type(error).__name__}: {error}") from None

    def _failed(self, node: Node, token: Token, error: MlboxError) -> None:
        if node.handler is None:
            message = error.message if f"{node.name!r}" in error.message else f"step {node.name!r}: {error.message}"
            raise type(error)(message, hint=error.hint, details=error.details)
        told = {"step": node.name, "code": error.code, "message": error.message, "hint": error.hint}
        failure = Token(token.key, {"error": told, "event": token.event}, node.name)
        self._failures.setdefault(node.name, []).append(failure)


_BEHIND: set[asyncio.Future[None]] = set()
"""What goes on behind an answer; a task that nobody holds would be collected."""


def joined(tokens: Sequence[Token]) -> Event:
    """The answer: the event, a list of several in order, null for none."""
    if len(tokens) == 1:
        return tokens[0].event
    return [token.event for token in sorted(tokens, key=lambda token: token.key)] if tokens else None


async def together(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What each gives, in order; when one fails the others are given up, so that none goes on for nobody."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def run(plan: Plan, event: Event, tell: Tell | None = None) -> Event:
    """What a graph says to an event. Raises an ``MlboxError`` of the step that failed."""
    return await Run(plan, tell).answer(event)


def columns_of(results: Sequence[Event]) -> Mapping[str, Any]:
    """Answers to the rows of a request as columns: objects by their fields, anything else as ``prediction``."""
    import numpy as np

    if all(isinstance(result, dict) for result in results):
        names = list(dict.fromkeys(name for result in results for name in result))
        columns = {name: [result.get(name) for result in results] for name in names}
    else:
        columns = {"prediction": list(results)}
    found: dict[str, Any] = {}
    for name, values in columns.items():
        if all(isinstance(value, int | float) or value is None for value in values) and values != [None] * len(values):
            gaps = any(value is None or isinstance(value, float) for value in values)
            found[name] = np.array([np.nan if value is None else value for value in values], "f8" if gaps else None)
        else:
            array = np.empty(len(values), object)
            array[:] = [value if isinstance(value, str) else "" if value is None else _json(value) for value in values]
            found[name] = array
    if not found:
        raise Invalid("the graph has answered with nothing", hint="its last step must give an object or a value")
    return found


def _json(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()
