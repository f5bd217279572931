"""DROP RUN: a run, its trials, and all that only they have."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Plan, Result, Step
from mlbox.base.errors import Conflict, NotFound
from mlbox.engine.catalog.tables import models, projects, runs
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.commands import DropRun
from mlbox.engine.runs.ledger import Ledger

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


class Removal:
    """Forgets runs. The bytes of their artifacts stay: a model of another run may have the same."""

    def __init__(self, catalog: Catalog, ledger: Ledger, log_path: Callable[[str], Path]) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._log_path = log_path

    def plan(self, command: DropRun, caller: Caller) -> Plan:
        """Find the run and its trials; ``Conflict`` while one of them goes on, or a model is made from one."""
        with self._catalog.read() as cursor:
            projects.require(cursor, command.project)
        try:
            row = self._ledger.find(command.project, command.run)
        except NotFound:
            if command.if_exists:
                return Plan((Step("reuse", f"run {command.run}", "does not exist"),), {"rows": []})
            raise
        rows = [row, *self._ledger.children(row.id)]
        for entry in rows:
            if not lifecycle.is_final(entry.state):
                hint = f"CANCEL RUN '{row.short_id}'"
                raise Conflict(f"run {entry.label} is {entry.state} and cannot be dropped", hint=hint)
        with self._catalog.read() as cursor:
            _refuse_behind(cursor, rows)
        detail = f"and its {len(rows) - 1} trials" if len(rows) > 1 else ""
        return Plan((Step("drop", f"run {row.label}", detail),), {"rows": rows})

    def drop(self, command: DropRun, plan: Plan, caller: Caller) -> Result:
        """Delete rows, logs and folders."""
        rows: list[RunRow] = plan.resolved["rows"]
        if not rows:
            return Result(f"run {command.run} does not exist")
        ids = [row.id for row in rows]

        def delete(cursor: DuckDBPyConnection) -> None:
            _refuse_behind(cursor, rows)
            runs.delete(cursor, ids)

        self._catalog.write(delete)
        for run_id in ids:
            with suppress(OSError):
                self._log_path(run_id).unlink()
            # an input that a repeated run shares is read anew by the next repetition
            shutil.rmtree(self._catalog.home.runs / run_id, ignore_errors=True)
        return Result(f"dropped run {rows[0].short_id}")


def _refuse_behind(cursor: DuckDBPyConnection, rows: Sequence[RunRow]) -> None:
    """Who asks where a model comes from must find its run."""
    versions = models.made_from(cursor, [row.id for row in rows])
    if versions:
        what = f"run {rows[0].label}" if len(rows) == 1 else f"run {rows[0].label} or one of its trials"
        raise Conflict(
            f"{what} is behind model {', '.join(versions)}", hint=f"drop the version first: DROP MODEL {versions[0]}"
        )
