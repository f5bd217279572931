"""Parquet files under ``v<version>/``, in folders ``column=value``. An ingest adds files of its rows, whose names say
which sequences they hold: what a write that broke off has left is known by them. After rows went all are written anew,
and then the old files go."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from mlbox.base.errors import Conflict, Invalid, Unavailable
from mlbox.base.ids import new_id
from mlbox.base.names import literal, quote
from mlbox.base.object_stores import for_fsspec, type_of, without_credentials
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.features.locations.base import FORMS, Job, apart

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


class Parquet:
    """Files of DuckDB's ``COPY``."""

    def check(self, job: Job) -> None:
        """The place, and the types."""
        folder_of(job.address, job.store).names()
        _copy(job, job.no_rows(), "check")

    def write(self, job: Job) -> None:
        """Add files; then those go that hold the same rows or, with ``anew``, all others of ours."""
        folder = folder_of(job.address, job.store)
        own = ((name, found) for name in folder.names() if (found := _OURS.search(name)))
        stale = [name for name, found in own if job.anew or int(found[1]) >= job.first]
        _copy(job, job.rows(), f"rows-{job.first}-{job.last}-{new_id()}")
        for file in sorted(job.staging.rglob("*.parquet")):
            folder.put(file, str(file.relative_to(job.staging)))
        for name in stale:
            folder.remove(name)


def _copy(job: Job, rows: str, name: str) -> None:
    import duckdb

    columns, names = apart(job.found)
    by = f"PARTITION_BY ({', '.join(map(quote, names))}), " if names else "PER_THREAD_OUTPUT, "
    options = f"FORMAT parquet, COMPRESSION zstd, {by}OVERWRITE_OR_IGNORE"
    options += f", FILENAME_PATTERN {literal(name + '_{i}')}"
    try:
        job.cursor.execute(f"COPY (SELECT {', '.join(columns)} FROM {rows}) TO {literal(str(job.staging))} ({options})")
    except duckdb.Error as error:
        raise Conflict(
            f"rows of feature set {job.found.name} cannot be written as Parquet: {translate(error).message}",
            hint="columns of such a type are not for files: CAST them in the query, or leave location away",
        ) from None


def folder_of(address: str, store: Mapping[str, Any]) -> Folder:
    """The folder at a path or URL."""
    if "://" in address and not address.startswith("file://"):
        return _Remote(address, store)
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
    def __init__(self, address: str, store: Mapping[str, Any]) -> None:
        try:
            import fsspec
        except ImportError:
            raise Invalid(
                "locations at URLs need the package fsspec",
                hint="install it where the server runs: pip install 'mlbox[remote]'",
            ) from None
        self._address, self._store = address, store
        try:
            self._files, self._root = fsspec.core.url_to_fs(address, **for_fsspec(type_of(address), store))
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
                without_credentials(
                    f"location {self._address} cannot be used: {type(error).__name__}: {error}", self._store
                ),
                hint="look at the address, the credentials (CREATE PROFILE, or the server's own), and the network",
            ) from None


FORMS.add("parquet", Parquet())
