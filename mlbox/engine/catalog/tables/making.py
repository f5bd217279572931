"""Views and macros of a project, made again: in an order in which they can be, without those that cannot.

A view may stand before another that it reads, which was replaced since, and what it reads may have gone long ago.
DuckDB has no way back into a transaction in which a statement has failed: it comes again, as a trial without rows.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from mlbox.engine.catalog.tables.dumps import Made

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_log = logging.getLogger("mlbox")

FIRST = ("sequence", "type", "table")
"""Made before the rows come; the rest after them."""


class _Unmade(Exception):
    """It cannot be made now: what it reads comes later, or has gone."""

    def __init__(self, place: int, entry: Made) -> None:
        super().__init__(entry.name)
        self.place, self.entry = place, entry


class _Tried(Exception):
    """Everything could be made, and nothing shall stay."""


class Making:
    """Makes what comes after the rows. ``left_out`` names what could not be made, when all is done."""

    def __init__(self) -> None:
        self._late: list[int] = []
        self._tries: Counter[int] = Counter()
        self._without: dict[int, Made] = {}

    @property
    def left_out(self) -> list[str]:
        """Kind and name of each."""
        return sorted(f"{entry.kind} {entry.name}" for entry in self._without.values())

    def make(self, cursor: DuckDBPyConnection, entries: Sequence[Made]) -> None:
        """In their order, those last that could not be made before, in the callback of :meth:`within`."""
        import duckdb

        none = (duckdb.FatalException, duckdb.InternalException, duckdb.InterruptException)
        rest = [place for place in range(len(entries)) if place not in self._late and place not in self._without]
        for place in (*rest, *self._late):
            try:
                cursor.execute(entries[place].sql)
            except (*none, duckdb.TransactionException, duckdb.OutOfMemoryException):
                raise
            except duckdb.Error as error:
                raise _Unmade(place, entries[place]) from error

    def within(
        self,
        transaction: Callable[[], AbstractContextManager[DuckDBPyConnection]],
        write: Callable[[DuckDBPyConnection, bool], None],
    ) -> None:
        """``write`` in one transaction; it is told whether it needs to write rows, and calls :meth:`make` once."""
        trial = False
        while True:
            try:
                with transaction() as cursor:
                    write(cursor, not trial)
                    if trial:
                        raise _Tried
                return
            except _Tried:
                trial = False
            except _Unmade as one:
                self._put_off(one)
                trial = True

    def _put_off(self, one: _Unmade) -> None:
        self._late = [place for place in self._late if place != one.place]
        self._tries[one.place] += 1
        if self._tries[one.place] <= len(self._late) + 1:
            self._late.append(one.place)
        else:
            self._without[one.place] = one.entry
            _log.warning("left out, since what it reads is gone (%s): %s", one.__cause__, one.entry.sql)


def told_of(left_out: Sequence[str]) -> str:
    """For the answer of who makes a project again; nothing when all of it could be made."""
    return f"; left out, since what it reads is gone: {', '.join(left_out)}" if left_out else ""
