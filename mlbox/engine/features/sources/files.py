"""Files as parts of a source: found by a pattern, remembered by size, time and hash, so that none is read twice."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.names import literal, quote
from mlbox.engine.features.sources import remote
from mlbox.engine.features.sources.base import (
    ROW,
    Bundle,
    Capabilities,
    Part,
    Position,
    Request,
    Rows,
    Source,
    check_options,
)
from mlbox.engine.features.sources.hashing import Hashing, digest
from mlbox.engine.features.sources.parquet_schema import schema_of

LARGE = 8 << 20
"""Bytes from which on a file is worth a look at its columns, and what it holds worth not being waited for."""
PACKED = (".gz", ".zst", ".zstd")
LINES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson")
"""Texts of a row a line, which several cores can read."""
COPIED = 1 << 30
"""Bytes of such files whose rows are copied, at most: DuckDB keeps the copies until the transaction ends."""

GUESSING = {"types", "columns", "all_varchar", "auto_detect", "names"}
"""Options that say themselves what types there are."""
BUNDLED: Mapping[str, tuple[str, ...]] = {
    "read_csv": ("nullstr",),
    "read_parquet": ("binary_as_string",),
}
"""Readers of files that may be read together, and the options with which they may."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was found: its path or URL, and what tells without reading it that it has changed."""

    path: str
    size: int
    modified: str

    etag: str | None = None

    def same(self, position: Position) -> bool:
        """Whether it is as it was when it was read."""
        if self.etag is not None:
            return position.get("size") == self.size and position.get("etag") == self.etag
        return position.get("size") == self.size and position.get("modified") == self.modified


class FileSource:
    """Files that one of DuckDB's readers understands."""

    capabilities = Capabilities(batch=True)

    def __init__(self, reader: str, suffixes: tuple[str, ...], options: tuple[str, ...]) -> None:
        self._reader = reader
        self._suffixes = suffixes
        self._options = options

    def claims(self, uri: str) -> bool:
        """By the ending of its name."""
        path = uri.lower()
        for packed in PACKED:
            path = path.removesuffix(packed)
        return path.endswith(self._suffixes)

    def check(self, source: Source) -> None:
        """A URI, and options of the reader."""
        if source.uri is None:
            raise Invalid(f"a source of type {source.type} reads files", hint="write FROM 'folder/*.csv'")
        check_options(source, (*self._options, *remote.OPTIONS) if remote.is_remote(source) else self._options)

    def shape(self, source: Source, request: Request) -> Rows | None:
        """The newest file's columns; all files' where their columns are united by name."""
        found = find(source, self._suffixes)
        if not found:
            return None
        united = source.options.get("union_by_name") is True
        newest = max(found, key=lambda file: (file.modified, file.path))
        local = [place(source, file, request)[0] for file in (found if united else [newest])]
        return Rows(self._select(source, local))

    def read(self, source: Source, request: Request) -> Iterator[Part]:
        """Files not seen before; a file with the bytes of one that was read adds nothing."""
        hashes = {position.get("hash") for position in request.positions.values()}
        files = find(source, self._suffixes)
        sizes = Counter(file.size for file in files) + Counter(p.get("size") for p in request.positions.values())
        schemas: list[bytes] = []
        room = COPIED
        for file in files:
            known = request.positions.get(file.path)
            unchanged = known is not None and file.same(known)
            if known is not None and unchanged and (not request.again or known.get("copy")):
                continue
            path, copy = place(source, file, request)
            rows = self._rows(source, file, path, request)
            copied = file.size >= LARGE and path.lower().endswith(LINES)
            room -= file.size if copied else 0
            rows = replace(rows, copy=copy, stable=True, copied=copied and room >= 0)
            if known is not None and unchanged:
                yield Part(file.path, known, rows, again=True)
                continue
            position: dict[str, Any] = {"size": file.size, "modified": file.modified}
            if copy is None and file.size >= LARGE and sizes[file.size] == 1:  # no other file can hold the same
                yield from _hashed_meanwhile(Part(file.path, position, rows, replaces=known is not None), path)
                continue
            if copy is None and file.size < LARGE:
                contents = Path(path).read_bytes()
                position["hash"] = hashlib.sha256(contents).hexdigest()
                rows = replace(rows, bundle=self._bundle(source, path, contents, schemas))
            else:
                position["hash"] = digest(path)
            if file.etag is not None:
                position["etag"] = file.etag
            if known is not None and known.get("hash") == position["hash"]:  # touched, not changed
                kept = {**known, **position}
                again = request.again and not known.get("copy")
                yield Part(file.path, kept, rows if again else None, again=again)
            elif position["hash"] in hashes:
                yield Part(file.path, {**position, "copy": True}, None, replaces=known is not None)
            else:
                hashes.add(position["hash"])
                yield Part(file.path, position, rows, replaces=known is not None)

    def _rows(self, source: Source, file: File, path: str, request: Request) -> Rows:
        """A large Parquet file tells the numbers of its rows, unless it has a column that is called so."""
        text = self._select(source, [path], lenient=request.lenient)
        if self._reader == "read_csv" and not GUESSING & {name.lower() for name in source.options}:
            return Rows(text, retyped=lambda types: f"{text.removesuffix(')')}, types = {sql_value(types)})")
        if self._reader != "read_parquet" or file.size < LARGE:
            return Rows(text)
        if "file_row_number" in (str(row[0]).lower() for row in request.ask(f"DESCRIBE {text}")):
            return Rows(text)
        return Rows(text.replace("SELECT *", f"SELECT *, file_row_number + 1 AS {ROW}", 1), numbered=True)

    def _bundle(self, source: Source, path: str, contents: bytes, schemas: list[bytes]) -> Bundle | None:
        """A small file without options by which files may differ: CSV with the first line, which is taken for names,
        where lines end in one way, Parquet with its schema; ``schemas`` are those seen so far."""
        options = {name.lower() for name in source.options}
        if path.lower().endswith(PACKED) or not options <= set(BUNDLED.get(self._reader, ())):
            return None
        if self._reader not in BUNDLED:
            return None
        typed = self._reader == "read_parquet"
        kind = schema_of(contents, schemas) if typed else contents.split(b"\n", 1)[0]
        if kind is None or (not typed and b"\r" in contents):
            return None
        if typed and kind not in schemas:
            schemas.append(kind)
        folders = sorted(part.partition("=")[0] for part in path.split("/")[:-1] if "=" in part)

        def select(paths: list[str], name: str, options: Mapping[str, Any]) -> str:
            given = "".join(f", {key} = {sql_value(value)}" for key, value in options.items())
            return f"{self._select(source, paths).removesuffix(')')}, filename = {literal(name)}{given})"

        return Bundle(path, f"{folders} {kind!r}", typed, select)

    def _select(self, source: Source, paths: list[str], *, lenient: bool = False) -> str:
        options = {name.lower(): value for name, value in source.options.items() if name.lower() in self._options}
        given = "".join(f", {quote(name)} = {sql_value(value)}" for name, value in options.items())
        if lenient and self._reader == "read_csv":
            given += ", store_rejects = TRUE"
        files = ", ".join(literal(path) for path in paths)
        return f"SELECT * FROM {self._reader}([{files}]{given})"


def find(source: Source, suffixes: Iterable[str]) -> list[File]:
    """Files of the source's pattern, by path; of a folder all that end so, at any depth."""
    endings = tuple(ending + packed for ending in suffixes for packed in ("", *PACKED))
    if remote.is_remote(source):
        return [File(*found) for found in remote.find(source, endings)]
    pattern = local_path(source.uri or "")
    if Path(pattern).is_dir():
        paths = [str(path) for path in Path(pattern).rglob("*") if path.name.lower().endswith(endings)]
    else:
        paths = [pattern] if Path(pattern).is_file() else glob.glob(pattern, recursive=True)
    found = []
    for path in sorted(paths):
        if os.path.basename(path).startswith((".", "_")):
            continue
        with suppress(OSError):  # it went meanwhile, or points nowhere
            seen = os.stat(path)
            if stat.S_ISREG(seen.st_mode):
                found.append(File(path, seen.st_size, str(seen.st_mtime_ns)))
    return found


def place(source: Source, file: File, request: Request) -> tuple[str, Path | None]:
    """Where DuckDB reads the file, and the copy that was made for it, if one was."""
    if not remote.is_remote(source):
        return file.path, None
    copy = remote.fetch(source, file.path, request.staging)
    return str(copy), copy


def local_path(uri: str) -> str:
    """The path of a ``file:`` URI; a path as it is."""
    return uri.removeprefix("file://")


def _hashed_meanwhile(part: Part, path: str) -> Iterator[Part]:
    hashing = Hashing(path)
    try:
        yield replace(part, settle=hashing.result)
    except GeneratorExit:
        hashing.stop()
        raise


def sql_value(value: Any) -> str:
    """An option's value as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, timedelta):
        return literal(str(value))
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(str(key))}: {sql_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(sql_value, value)) + "]"
    return literal(str(value))
