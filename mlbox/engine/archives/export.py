"""Writes a project into a folder: statements, tables, rows, bytes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox import __version__
from mlbox.base.clock import now
from mlbox.base.names import quote
from mlbox.engine.archives.manifest import SCRIPT, Manifest
from mlbox.engine.catalog.tables import dumps, feature_sets, projects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.storage.artifacts import ArtifactStore

FOLDERS = {"model": ("models", ".onnx"), "function": ("functions", ".zip"), "artifact": ("artifacts", "")}
Describe = Callable[[str, "dict[str, str] | None"], str]
"""The statements that make a project; with the paths of bytes by digest, where there are files of them."""


class Exporter:
    """All of a project as one snapshot of each file."""

    def __init__(self, catalog: Catalog, artifacts: ArtifactStore, describe: Describe) -> None:
        self._catalog = catalog
        self._artifacts = artifacts
        self._describe = describe

    def write(self, name: str, folder: Path, *, runs: bool) -> Manifest:
        """Into an empty folder, sealed by a manifest."""
        with self._artifacts.claims.hold():
            return self._write(name, folder, runs)

    def _write(self, name: str, folder: Path, runs: bool) -> Manifest:
        with self._catalog.read() as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                row = projects.get(cursor, name)
                manifest = Manifest(
                    project=name,
                    mlbox=__version__,
                    comment=row.comment,
                    owner=row.owner,
                    options=dict(row.options),
                    created_at=now().isoformat(),
                    runs=runs,
                    migrations=dumps.migrations(cursor),
                )
                self._write_schema(cursor, manifest, folder)
                self._write_rows(cursor, manifest, folder)
                digests = dumps.digests(cursor, name)
            finally:
                cursor.execute("ROLLBACK")
        self._write_bytes(digests, manifest, folder)
        paths = {digest: path for path, digest in reversed(manifest.blobs.items())}
        (folder / SCRIPT).write_text(self._describe(name, paths))
        manifest.seal(folder)
        return manifest

    def _write_schema(self, cursor: DuckDBPyConnection, manifest: Manifest, folder: Path) -> None:
        name = manifest.project
        sets = feature_sets.names_of(cursor, name)
        for number, made in enumerate(dumps.schema_of(cursor, name, sets)):
            entry = {"kind": made.kind, "name": made.name, "sql": made.sql}
            if made.kind == "table":
                entry["file"] = f"tables/{_file_name(made.name, number)}.parquet"
                dumps.write(cursor, f"data.{quote(name)}.{quote(made.name)}", "", folder / entry["file"])
            manifest.schema.append(entry)
        for number, made in enumerate(dumps.hidden_tables(cursor, name)):
            file = f"feature_sets/{_file_name(made.name.partition('.')[2], number)}.parquet"
            dumps.write(cursor, f"data._sets.{quote(made.name)}", "", folder / file)
            manifest.sets.append({"kind": "table", "name": made.name, "sql": made.sql, "file": file})
        for made in dumps.set_views(cursor, name, sets):
            manifest.sets.append({"kind": "view", "name": made.name, "sql": made.sql})

    def _write_rows(self, cursor: DuckDBPyConnection, manifest: Manifest, folder: Path) -> None:
        for database, listed in (("catalog", manifest.catalog), ("data", manifest.data)):
            for table in dumps.tables(cursor, database):
                if table in dumps.OF_RUNS and not manifest.runs:
                    continue
                file = f"rows/{database}/{table}.parquet"
                if dumps.write_rows(cursor, database, table, manifest.project, folder / file):
                    listed[table] = file
        file = "rows/data/feature_stats.parquet"
        if dumps.write_statistics(cursor, manifest.project, folder / file):
            manifest.data["feature_stats"] = file

    def _write_bytes(self, digests: list[tuple[str, str, str]], manifest: Manifest, folder: Path) -> None:
        written: set[str] = set()
        order = list(FOLDERS)
        for kind, label, digest in sorted(digests, key=lambda entry: (order.index(entry[0]), entry)):
            if digest in written or (kind == "artifact" and not manifest.runs):
                continue
            written.add(digest)
            place, ending = FOLDERS[kind]
            path = folder / place / (label + ending)
            path.parent.mkdir(exist_ok=True)
            with self._artifacts.open(digest) as stream, path.open("xb") as file:
                shutil.copyfileobj(stream, file)
            manifest.blobs[path.relative_to(folder).as_posix()] = digest


def _file_name(name: str, number: int) -> str:
    """The name itself where every file system takes it and no other differs by case alone."""
    return name if name.replace("_", "").replace("@", "").isalnum() and name == name.lower() else f"table_{number}"
