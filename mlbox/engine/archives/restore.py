"""Brings an archive into the home: all of it or nothing, also when the server is killed meanwhile.

What is half brought in carries the tombstone of a dropped project until the last transaction; the next start removes
it. Bytes go first: they are named by their content and harm nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Invalid
from mlbox.base.names import quote
from mlbox.engine.archives.manifest import Manifest
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.tables import dropped_projects, dumps, projects, runs
from mlbox.engine.catalog.tables.making import FIRST, Making

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.projects import Projects
    from mlbox.engine.storage.artifacts import ArtifactStore


class Restorer:
    """Restores. ``arrived`` are called with the name of a project that has come, to take it in."""

    def __init__(self, catalog: Catalog, artifacts: ArtifactStore, service: Projects) -> None:
        self._catalog = catalog
        self._artifacts = artifacts
        self._projects = service
        self.arrived: list[Callable[[str], None]] = []

    def check(self, name: str, manifest: Manifest, folder: Path) -> None:
        """Nothing of it may be here already."""
        if name != manifest.project:
            raise Invalid(
                f"the archive is of project {manifest.project}, whose statements and lineage name it so",
                hint=f"apply it as {manifest.project}; its project.sql alone can be applied under any name",
            )
        with self._catalog.read() as cursor:
            if projects.exists(cursor, name):
                raise Conflict(
                    f"project {name} exists already: an archive is a whole project",
                    hint=f"DROP PROJECT {name} CASCADE first, or apply it in another home",
                )
            for table, file in manifest.catalog.items():
                found = dumps.taken(cursor, table, folder / file)
                if found:
                    raise Conflict(f"{table} of the archive are in this home already, in another project: {found[0]}")

    def restore(self, name: str, manifest: Manifest, folder: Path, caller: Caller) -> list[str]:
        """Bytes, a tombstone, the data, then the catalog's rows in place of the tombstone. Gives what is left out."""
        import duckdb

        for path, digest in manifest.blobs.items():
            with (folder / path).open("rb") as stream:
                self._artifacts.put_stream(stream, digest)
        self._projects.removal.finish(name)
        half = dropped_projects.Half(name, now(), caller.user)
        self._catalog.write(lambda cursor: dropped_projects.insert(cursor, half))
        try:
            making = Making()
            making.within(
                self._catalog.transaction_data,
                lambda cursor, rows: self._write_data(cursor, manifest, folder, making, rows),
            )
            self._catalog.write(lambda cursor: self._write_catalog(cursor, name, manifest, folder))
        except duckdb.Error as error:
            self._projects.removal.finish(name)
            raise Invalid(f"the archive cannot be restored: {translate(error).message}") from None
        except BaseException:
            self._projects.removal.finish(name)
            raise
        for take_in in self.arrived:
            take_in(name)
        return making.left_out

    def _write_data(
        self, cursor: DuckDBPyConnection, manifest: Manifest, folder: Path, making: Making, rows: bool
    ) -> None:
        name = manifest.project
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS data.{quote(name)}")
        for entries, schema in ((manifest.schema, name), (manifest.sets, "_sets")):
            cursor.execute(f"SET search_path = 'data.{quote(name)}'")
            for entry in (entry for entry in entries if entry["kind"] in FIRST):
                cursor.execute(entry["sql"])
            for entry in entries:
                if "file" in entry and rows:
                    dumps.read(cursor, f"data.{quote(schema)}.{quote(entry['name'])}", folder / entry["file"])
        last = [entry for entry in (*manifest.sets, *manifest.schema) if entry["kind"] not in FIRST]
        making.make(cursor, [dumps.Made(entry["kind"], entry["name"], entry["sql"]) for entry in last])
        for table, file in manifest.data.items() if rows else ():
            dumps.read_rows(cursor, "data", table, folder / file)

    def _write_catalog(self, cursor: DuckDBPyConnection, name: str, manifest: Manifest, folder: Path) -> None:
        for table, file in manifest.catalog.items():
            dumps.read_rows(cursor, "catalog", table, folder / file)
        runs.complete(cursor)
        dumps.settle_runs(cursor, name)
        dumps.offline_only(cursor, name)
        row = projects.ProjectRow(name, manifest.comment, manifest.owner, now(), None, dict(manifest.options))
        projects.upsert(cursor, row)
        dropped_projects.delete(cursor, name)
