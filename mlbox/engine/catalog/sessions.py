"""Sessions: cursors on which names mean what they mean in a project, and whose they are."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Forbidden
from mlbox.base.names import DEFAULT_PROJECT, literal, quote
from mlbox.base.underway import current, interrupting, measuring
from mlbox.engine.catalog.tables import projects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.base.access import Access

_FOLDER: ContextVar[str | None] = ContextVar("folder", default=None)
KEPT = 8
"""Sessions that wait for the next query, at most."""


@dataclass(slots=True)
class _Kept:
    """A cursor that is set up for a project; ``drops`` counts the drops of that project before it was."""

    cursor: DuckDBPyConnection
    key: str
    project: str
    drops: int
    measured: bool = False
    notes: dict[str, Any] = field(default_factory=dict)


class Sessions:
    """Opens sessions. Those of the owner that only read are used again: to set one up takes longer than a look-up."""

    def __init__(self, cursor: Callable[[], DuckDBPyConnection]) -> None:
        self._cursor = cursor
        self._open: dict[str, tuple[str, Access | None]] = {}
        self._idle: list[_Kept] = []
        self._notes: dict[int, dict[str, Any]] = {}
        self._drops: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def open(self, project: str, access: Access | None, *, reading: bool) -> Iterator[DuckDBPyConnection]:
        """A cursor for ``project`` and whom it is for (None: the owner).

        With ``reading`` the caller ends its transaction and leaves nothing behind.
        """
        again = reading and access is None and _FOLDER.get() is None
        session = (self._take(project) if again else None) or self._made(project, access)
        self._open[session.key] = (project, access)
        if again:
            self._notes[id(session.cursor)] = session.notes
        done = False
        try:
            with interrupting(session.cursor.interrupt), _progress(session):
                yield session.cursor
            done = True
        finally:
            self._open.pop(session.key, None)
            self._notes.pop(id(session.cursor), None)
            if not (done and again and self._keep(session)):
                session.cursor.close()

    def of(self, key: str) -> tuple[str, Access | None]:
        """Project and member of an open session; see ``Catalog.session_of``."""
        if not key:
            return DEFAULT_PROJECT, None
        try:
            return self._open[key]
        except KeyError:
            raise Forbidden("there is no such session") from None

    def notes(self, cursor: DuckDBPyConnection) -> dict[str, Any] | None:
        """What the one who uses an open session may note beside its cursor for the next; nothing where none comes."""
        return self._notes.get(id(cursor))

    def forget(self, project: str) -> None:
        """Use no session of a project that was dropped again."""
        with self._lock:
            self._drops[project.lower()] += 1

    def close(self) -> None:
        """Close those that wait."""
        with self._lock:
            for session in self._idle:
                session.cursor.close()
            self._idle.clear()

    def _made(self, project: str, access: Access | None) -> _Kept:
        cursor, key = self._cursor(), token_hex(24)
        session = _Kept(cursor, key, project, self._drops[project.lower()])
        try:
            projects.require(cursor, project)
            cursor.execute(f"SET search_path = {literal(f'data.{quote(project)},catalog.ml')}")
            cursor.execute(f"SET VARIABLE mlbox_session = {literal(key)}")
            folder = _FOLDER.get()
            if folder is not None:
                cursor.execute(f"SET file_search_path = {literal(folder)}")
            if access is not None:
                _narrow(cursor, access)
        except BaseException:
            cursor.close()
            raise
        return session

    def _take(self, project: str) -> _Kept | None:
        with self._lock:
            for place in range(len(self._idle) - 1, -1, -1):
                session = self._idle[place]
                if session.project == project and session.drops == self._drops[project.lower()]:
                    return self._idle.pop(place)
        return None

    def _keep(self, session: _Kept) -> bool:
        """Whether it was kept; the one that waits longest makes room."""
        with self._lock:
            if session.drops != self._drops[session.project.lower()]:
                return False
            self._idle.append(session)
            gone = self._idle.pop(0) if len(self._idle) > KEPT else None
        if gone is not None:
            gone.cursor.close()
        return True


@contextmanager
def relative_to(folder: str) -> Iterator[None]:
    """Relative paths of files in queries are of this folder meanwhile."""
    mark = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(mark)


@contextmanager
def _progress(session: _Kept) -> Iterator[None]:
    """DuckDB's own measure of its query; it counts for this cursor only, and prints nothing."""
    if current() is None:
        yield
        return
    cursor = session.cursor
    if not session.measured:
        cursor.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        session.measured = True

    def measure() -> float | None:
        percent = cursor.query_progress()
        return percent / 100 if percent >= 0 else None

    with measuring(measure):
        yield


def _narrow(cursor: DuckDBPyConnection, access: Access) -> None:
    """Say whose session it is: the views of ``ml`` show what that member may see."""
    cursor.execute(f"SET VARIABLE mlbox_user = {literal(access.user)}")
    for name, found in (("projects", sorted(access.roles)), ("administered", access.administers())):
        cursor.execute(f"SET VARIABLE mlbox_{name} = [{', '.join(map(literal, found))}]::VARCHAR[]")
