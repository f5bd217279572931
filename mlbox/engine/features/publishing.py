"""Rows of a set as partitioned Parquet files at a place of the user's (``WITH (location = ..)``), for other engines.

The files follow the table by its sequences, as the online store does: an ingest adds files of its rows, and after rows
went all are written anew before the old files go. What a crash, or a store that was away, has left is made up for with
the next ingest and when the home is opened. Files lie under ``v<version>/``, in folders ``column=value``.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.clock import now
from mlbox.base.errors import Conflict, Invalid, MlboxError, Unavailable
from mlbox.base.ids import new_id
from mlbox.base.names import literal, quote
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.tables import feature_sets as table
from mlbox.engine.catalog.tables import published
from mlbox.engine.catalog.tables.feature_sets import Reached
from mlbox.engine.features.definition import SEQUENCE, FeatureSet
from mlbox.engine.features.reading import SourceReader

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_log = logging.getLogger("mlbox")
_OURS = re.compile(r"rows-(\d+)-(\d+)-[0-9a-f]{32}_\d+\.parquet\Z")
"""Names of our files: first and last sequence. Others are left alone."""


class Folder(Protocol):
    """A folder here or in an object store."""

    def names(self) -> list[str]:
        """Files at any depth, relative."""

    def put(self, file: Path, name: str) -> None:
        """Copy a file there."""

    def remove(self, name: str) -> None:
        """Delete one."""


class Publisher:
    """Writes the files of sets that have a location; callers hold the set's lock."""

    def __init__(self, catalog: Catalog, reader: SourceReader, reached: Callable[[FeatureSet], Reached]) -> None:
        self._catalog = catalog
        self._reader = reader
        self._reached = reached

    def check(self, built: FeatureSet) -> None:
        """Raise ``Invalid`` or ``Unavailable`` when its rows cannot be written there."""
        if built.location is None:
            return
        folder_of(built).names()
        nulls = ", ".join(f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in _types(built))
        with self._reader.staging() as staging, self._catalog.session(built.project) as cursor:
            staging.mkdir(parents=True)
            self._copy(cursor, built, f"(SELECT {nulls} LIMIT 0)", staging, "check")

    def follow(self, found: FeatureSet) -> None:
        """Bring the files after the table; raises ``Unavailable`` when they cannot be written."""
        if found.location is None:
            return
        reached = self._reached(found)
        with self._catalog.read() as cursor:
            before = published.sequence(cursor, found.id)
        if before is not None and before >= reached.sequence:
            return
        folder = folder_of(found)
        anew = before is None or before < 0 or reached.removal > before
        first = 1 if anew or before is None else before + 1
        stale = [name for name in folder.names() if (own := _OURS.search(name)) and (anew or int(own[1]) >= first)]
        rows = f"(FROM {found.table} WHERE {SEQUENCE} BETWEEN {first} AND {reached.sequence})"
        with self._reader.staging() as staging, self._catalog.session(found.project) as cursor:
            staging.mkdir(parents=True)
            self._copy(cursor, found, rows, staging, f"rows-{first}-{reached.sequence}-{new_id()}")
            for file in sorted(staging.rglob("*.parquet")):
                folder.put(file, str(file.relative_to(staging)))
        for name in stale:
            folder.remove(name)
        self._catalog.write_data(lambda cursor: published.put(cursor, found.project, found.id, reached.sequence, now()))

    def catch_up(self, sets: Iterable[FeatureSet]) -> None:
        """At open: what is not written yet, or must be written anew."""
        with self._catalog.read() as cursor:
            older = [FeatureSet.from_text(table.definition_of(cursor, one)) for one in published.marked(cursor)]
        for found in {one.id: one for one in (*sets, *older)}.values():
            try:
                self.follow(found)
            except MlboxError as error:
                _log.warning("the files of %s are behind: %s", found.ref, error.message)

    def _copy(self, cursor: Any, found: FeatureSet, rows: str, staging: Path, name: str) -> None:
        import duckdb

        columns = [quote(column) for column in found.columns]
        parts = []
        for column in found.partition_by:
            if column in found.times:  # by its day
                parts.append(quote(f"{column}_day"))
                columns.append(f"({quote(column)} AT TIME ZONE 'UTC')::DATE AS {parts[-1]}")
            else:
                parts.append(quote(column))
        select = f"SELECT {', '.join(columns)} FROM {rows}"
        more = f"PARTITION_BY ({', '.join(parts)}), " if parts else "PER_THREAD_OUTPUT, "
        options = f"FORMAT parquet, COMPRESSION zstd, {more}OVERWRITE_OR_IGNORE"
        options += f", FILENAME_PATTERN {literal(name + '_{i}')}"
        try:
            cursor.execute(f"COPY ({select}) TO {literal(str(staging))} ({options})")
        except duckdb.Error as error:
            raise Conflict(
                f"rows of feature set {found.name} cannot be written as Parquet: {translate(error).message}",
                hint="columns of such a type are not for files: CAST them in the query, or leave location away",
            ) from None


def _types(found: FeatureSet) -> list[tuple[str, str]]:
    times = [(name, "TIMESTAMP WITH TIME ZONE") for name in found.times]
    return [*found.entities, *times, *((feature.name, feature.type) for feature in found.features)]


def folder_of(found: FeatureSet) -> Folder:
    """Where the files of a version lie."""
    address = f"{(found.location or '').rstrip('/')}/v{found.version}"
    if "://" in address and not address.startswith("file://"):
        return _Remote(address)
    return _Local(Path(address.removeprefix("file://")))


class _Local:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> list[str]:
        if self._root.parent.is_file() or self._root.is_file():
            raise Invalid(f"the location {self._root.parent} is a file", hint="location = 'folder'")
        return [str(path.relative_to(self._root)) for path in self._root.rglob("*.parquet")]

    def put(self, file: Path, name: str) -> None:
        target = self._root / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            half = target.with_name(f".{target.name}")
            shutil.copyfile(file, half)
            half.replace(target)  # readers see all of it or nothing
        except OSError as error:
            told = f"{target} cannot be written: {error.strerror or error}"
            raise Unavailable(told, hint="look at the folder") from None

    def remove(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)


class _Remote:
    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError:
            raise Invalid(
                "locations at URLs need the package fsspec",
                hint="install it where the server runs: pip install 'mlbox[remote]'",
            ) from None
        self._address = address
        try:
            self._files, self._root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError, TypeError) as error:
            hint = "pip install 'mlbox[remote]' has s3, gcs and azure"
            raise Invalid(f"location {address}: {error}", hint=hint) from None

    def names(self) -> list[str]:
        def listed() -> list[str]:
            self._files.invalidate_cache()
            if not self._files.exists(self._root):
                return []
            return [path[len(self._root) :].lstrip("/") for path in self._files.find(self._root)]

        found: list[str] = self._told(listed)
        return found

    def put(self, file: Path, name: str) -> None:
        target = f"{self._root}/{name}"
        self._told(lambda: self._files.makedirs(target.rpartition("/")[0], exist_ok=True))
        self._told(lambda: self._files.put_file(str(file), target))

    def remove(self, name: str) -> None:
        self._told(lambda: self._files.rm_file(f"{self._root}/{name}"))

    def _told(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Exception as error:  # each store has errors of its own
            raise Unavailable(
                f"location {self._address} cannot be used: {type(error).__name__}: {error}",
                hint="look at the address, the credentials of the server's environment, and the network",
            ) from None
