"""DROP RUN and DROP ARTIFACT: hidden at once, restored by RESTORE, removed by the collection of garbage."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Conflict, NotFound
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import artifact_marks, artifacts, dropped, models, projects, runs
from mlbox.engine.catalog.tables.artifacts import ArtifactRow
from mlbox.engine.catalog.tables.dropped import Part, Tombstone
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.artifacts import resolve
from mlbox.engine.runs.commands import DropArtifact, DropRun
from mlbox.engine.runs.ledger import Ledger

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog


class Removal:
    """Forgets runs and artifacts. The bytes stay until nothing points at them any more."""

    def __init__(self, catalog: Catalog, ledger: Ledger, log_path: Callable[[str], Path]) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._log_path = log_path

    def handlers(self) -> Iterable[Handler]:
        """Two."""
        return (
            Handler(DropRun, self.plan, self.drop),
            Handler(DropArtifact, self.plan_artifact, self.drop_artifact),
        )

    def plan(self, command: DropRun, caller: Caller) -> Plan:
        """Find the run and its trials; ``Conflict`` while one of them goes on, or a model is made from one."""
        with self._catalog.read() as cursor:
            projects.require(cursor, command.project)
        try:
            row = self._ledger.find(command.project, command.run)
        except NotFound:
            if command.if_exists:
                return missing(f"run {command.run}")
            raise
        rows = [row, *(child for child in self._ledger.children(row.id) if child.deleted_at is None)]
        for entry in rows:
            if not lifecycle.is_final(entry.state):
                hint = f"CANCEL RUN '{row.short_id}'"
                raise Conflict(f"run {entry.label} is {entry.state} and cannot be dropped", hint=hint)
        with self._catalog.read() as cursor:
            _refuse_behind(cursor, rows)
        detail = f"and its {counted(len(rows) - 1, 'trial')}" if len(rows) > 1 else ""
        return Plan((Step("drop", f"run {row.label}", detail),), {"rows": rows})

    def drop(self, command: DropRun, plan: Plan, caller: Caller) -> Result:
        """Hide it with its trials; rows, logs and folders stay for RESTORE."""
        rows: list[RunRow] = plan.resolved["rows"]
        row = rows[0]
        tombstone = Tombstone(
            project=row.project, kind="run", name=row.name or row.id, object=row.id, dropped_by=caller.user
        )

        def hide(cursor: DuckDBPyConnection) -> None:
            _refuse_behind(cursor, rows)
            dropped.bury(cursor, tombstone)
            runs.hide(cursor, [entry.id for entry in rows], tombstone.dropped_at)

        self._catalog.write(hide)
        return Result(f"dropped run {row.short_id}")

    def purge(self, row: RunRow) -> None:
        """Delete a dropped run for good: rows, log and folder; unless it was restored, or a model is made of it."""

        def delete(cursor: DuckDBPyConnection) -> bool:
            now_there = runs.get(cursor, row.id)
            if now_there is None or now_there.deleted_at is None or models.made_from(cursor, [row.id]):
                return False
            for tombstone in dropped.of_object(cursor, "run", row.id):
                dropped.forget(cursor, tombstone)
            runs.delete(cursor, [row.id])
            return True

        if self._catalog.write(delete):
            with suppress(OSError):
                self._log_path(row.id).unlink()
            # an input that a repeated run shares is read anew by the next repetition
            shutil.rmtree(self._catalog.home.runs / row.id, ignore_errors=True)

    def plan_artifact(self, command: DropArtifact, caller: Caller) -> Plan:
        """Find its rows; ``Conflict`` while a version of a model is made from one."""
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
            try:
                rows = self._artifacts(cursor, command)
            except NotFound:
                if command.if_exists:
                    return missing(f"artifact {command.ref}")
                raise
            _refuse_registered(cursor, rows)
            named = artifact_marks.aliases_going(
                cursor, command.ref.project, command.ref.name, [row.id for row in rows]
            )
        detail = f"as {len(rows)} run{'s' if len(rows) > 1 else ''} logged it"
        detail += f"; its alias {', '.join(named)} goes along" if named else ""
        return Plan((Step("drop", f"artifact {command.ref}", detail),), {"rows": rows})

    def drop_artifact(self, command: DropArtifact, plan: Plan, caller: Caller) -> Result:
        """Take the rows away; they are kept for RESTORE."""
        rows: list[ArtifactRow] = plan.resolved["rows"]
        ref, ids = command.ref, [row.id for row in rows]
        tombstone = Tombstone(
            project=ref.project,
            kind="artifact",
            name=rows[0].name,
            version=str(rows[0].version) if ref.version else None,
            object=rows[0].name,
            dropped_by=caller.user,
        )

        def delete(cursor: DuckDBPyConnection) -> None:
            _refuse_registered(cursor, rows)
            marks = artifact_marks.going(ref.project, ref.name, ids)
            dropped.bury(cursor, tombstone, [Part("artifacts", "list_contains(?::VARCHAR[], row.id)", [ids]), *marks])
            artifacts.delete(cursor, ids)

        self._catalog.write(delete)
        return Result(f"dropped artifact {ref}: {len(rows)} logged")

    def _artifacts(self, cursor: DuckDBPyConnection, command: DropArtifact) -> list[ArtifactRow]:
        ref = command.ref
        run = self._ledger.find(ref.project, command.run).id if command.run else None
        found = resolve(cursor, ref, run)
        return found if ref.version else artifacts.named(cursor, ref.project, ref.name, None, run)


def _refuse_registered(cursor: DuckDBPyConnection, rows: Sequence[ArtifactRow]) -> None:
    versions = models.made_of(cursor, [row.id for row in rows])
    if versions:
        raise Conflict(
            f"artifact {rows[0].name} is behind model {', '.join(versions)}",
            hint=f"drop the version first: DROP MODEL {versions[0]}",
        )


def _refuse_behind(cursor: DuckDBPyConnection, rows: Sequence[RunRow]) -> None:
    """Who asks where a model comes from must find its run."""
    versions = models.made_from(cursor, [row.id for row in rows])
    if versions:
        what = f"run {rows[0].label}" if len(rows) == 1 else f"run {rows[0].label} or one of its trials"
        raise Conflict(
            f"{what} is behind model {', '.join(versions)}", hint=f"drop the version first: DROP MODEL {versions[0]}"
        )
