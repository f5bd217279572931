"""Asynchronous scripts: carried out behind the answer, their results kept for a while."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from mlbox.api.work import Outcomes, Script, Work, attend
from mlbox.base.clock import now
from mlbox.base.errors import AlreadyExists, NotFound

if TYPE_CHECKING:
    from mlbox.api.context import ApiContext

KEPT_FOR = timedelta(hours=1)
"""So long after its end an asynchronous statement can be asked for,"""
KEPT_STATEMENTS = 200
"""so many of them at most,"""
KEPT_BYTES = 256 << 20
"""and so many bytes of their rows; the oldest go first."""
TELL_SECONDS = 0.5
"""Between two looks at the progress."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A script and what it gave so far; of a streamed one nothing is kept."""

    work: Work
    outcomes: Outcomes | None

    @property
    def bytes(self) -> int:
        """Of its rows."""
        results = self.outcomes.results if self.outcomes is not None else []
        return sum(outcome.result.table.nbytes for outcome in results if outcome.result.table is not None)


class Statements:
    """The asynchronous statements of a server; asked in the event loop only."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._all: dict[str, Kept] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, script: Script) -> Kept:
        """Begin; ``AlreadyExists`` when its id is taken."""
        self._forget()
        if script.query_id in self._all:
            raise AlreadyExists(f"there is a statement {script.query_id} already", hint="choose another id for each")
        outcomes = Outcomes()
        work = Work(self._context, script, outcomes)
        kept = Kept(work, outcomes)
        self._all[work.id] = kept
        work.tell("started", statements=work.statements)
        task = asyncio.ensure_future(attend(work, work.done, patience=TELL_SECONDS))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return kept

    def remember(self, work: Work) -> None:
        """A streamed script: its answer cannot tell an error behind the first rows, so it can be asked for here."""
        self._forget()
        self._all.setdefault(work.id, Kept(work, None))

    def find(self, id: str) -> Kept:
        """One by its id; ``NotFound``."""
        self._forget()
        found = self._all.get(id)
        if found is None:
            raise NotFound(
                f"there is no asynchronous or streamed statement {id}",
                hint="results are kept for an hour, and not over a restart of the server",
            )
        return found

    def _forget(self) -> None:
        ended = [kept for kept in self._all.values() if kept.work.finished_at is not None]
        ended.sort(key=lambda kept: kept.work.finished_at or now())
        size, oldest = sum(kept.bytes for kept in ended), now() - KEPT_FOR
        while ended and (
            size > KEPT_BYTES or len(ended) > KEPT_STATEMENTS or (ended[0].work.finished_at or oldest) < oldest
        ):
            first = ended.pop(0)
            if not ended and (first.work.finished_at or oldest) >= oldest:
                return  # the newest stays, however large
            size -= first.bytes
            del self._all[first.work.id]
