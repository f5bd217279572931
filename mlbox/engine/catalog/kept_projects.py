"""Projects that were dropped, until the garbage is collected: how they come back.

Two files cannot be changed in one transaction. The data go back first; a server that is stopped before the rows of the
catalog have followed puts the data aside again at its next start, and the project is as dropped as before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, MlboxError
from mlbox.engine.catalog.project_removal import Beside, ProjectRemoval
from mlbox.engine.catalog.tables import dropped, dropped_projects, kept_projects, projects
from mlbox.engine.catalog.tables.dropped import Tombstone
from mlbox.engine.catalog.tables.making import Making, told_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog

_log = logging.getLogger("mlbox")


class KeptProjects:
    """``arrived`` are called with the tombstone of a project that is back, and who restored it: to know it again."""

    def __init__(self, catalog: Catalog, removal: ProjectRemoval) -> None:
        self._catalog = catalog
        self._removal = removal
        self.arrived: list[Callable[[Tombstone, Caller], None]] = []

    def check(self, found: Tombstone) -> None:
        """Its name must be free."""
        with self._catalog.read() as cursor:
            _refuse_taken(cursor, found.name)

    def revive(self, found: Tombstone, caller: Caller) -> str:
        """All of it but secrets, tokens of runs and replicas; nothing when its name is taken meanwhile."""
        secrets, profiles = self._names(found, "secrets"), self._names(found, "profiles")
        with self._removal.changing:
            self._removal.finish(found.name)  # one of this name that was dropped since and has left something
            self.check(found)
            unmade = self._revive_data(found)
            try:
                self._catalog.write(lambda cursor: _revive_rows(cursor, found))
            except BaseException:
                self._bury_again(found)
                raise
            failed = self._take_in(found, caller)  # before anybody deletes an entity from it
        told = told_of(unmade) + "".join(f"; {message}" for message in failed)
        told += f"; secrets are not kept: SET SECRET {', '.join(secrets)} anew" if secrets else ""
        return told + (f"; profiles are not kept: CREATE PROFILE {', '.join(profiles)} anew" if profiles else "")

    def _take_in(self, found: Tombstone, caller: Caller) -> list[str]:
        """What is wrong with those of it that do not work again; the others do."""
        failed = []
        for take_in in self.arrived:
            try:
                take_in(found, caller)
            except MlboxError as error:
                _log.warning("project %s is back, but %s", found.name, error.message)
                failed.append(error.message)
        return failed

    def _revive_data(self, found: Tombstone) -> list[str]:
        """What could not be made."""
        making = Making()
        making.within(
            self._catalog.transaction_data,
            lambda data, rows: kept_projects.revive_data(data, found.id, found.name, making, rows=rows),
        )
        return making.left_out

    def _names(self, found: Tombstone, table: str) -> list[str]:
        with self._catalog.read() as cursor:
            return sorted(kept_projects.texts(cursor, table, "name", found.id))

    def purge(self, found: Tombstone) -> None:
        """Files, data, rows."""
        with self._removal.changing:
            beside = self._beside(found)
            for delete in self._removal.deleting:
                delete(beside)

            def forget(cursor: DuckDBPyConnection) -> None:
                kept_projects.purge_rows(cursor, found.id)
                dropped.forget(cursor, found)

            self._catalog.write(forget)  # first: half of it must not come back
            with self._catalog.transaction_data() as data:
                kept_projects.purge_data(data, found.id)

    def complete(self) -> None:
        """At open: projects whose restoration was interrupted are as dropped as before."""
        with self._catalog.read() as cursor:
            forgotten = kept_projects.forgotten(cursor)
            half = [
                found
                for found in dropped.of_kind(cursor, "project")
                if not kept_projects.is_buried(cursor, found.id) and not projects.exists(cursor, found.name)
            ]
        for drop_id in forgotten:
            with self._catalog.transaction_data() as data:
                kept_projects.purge_data(data, drop_id)
        for found in half:
            try:
                self._bury_again(found)
            except MlboxError as error:  # one project's trouble must not keep the home from opening
                _log.warning("project %s cannot be restored: %s", found.name, error.message)

    def _bury_again(self, found: Tombstone) -> None:
        with self._catalog.transaction_data() as data:
            kept_projects.bury_data(data, found.id, found.name)
            projects.delete_data(data, found.name)

    def _beside(self, found: Tombstone) -> Beside:
        """What is this one's alone: an archive of the project may have come into the home since."""
        with self._catalog.read() as cursor:
            mine = {}
            for table in ("runs", "collections"):
                mine[table] = frozenset(kept_projects.ids_of_one(cursor, table, found.id))
        return Beside(mine["runs"], mine["collections"])


def _refuse_taken(cursor: DuckDBPyConnection, name: str) -> None:
    if projects.exists(cursor, name) or dropped_projects.exists(cursor, name):
        raise Conflict(
            f"there is another project {name} by now",
            hint=f"DROP PROJECT {name} CASCADE PURGE makes room, and nothing of that one is kept; "
            f"EXPORT PROJECT {name} TO 'file.zip' first, if it is needed",
        )


def _revive_rows(cursor: DuckDBPyConnection, found: Tombstone) -> None:
    _refuse_taken(cursor, found.name)
    kept_projects.revive_rows(cursor, found.id, found.name)
    dropped.forget(cursor, found)
