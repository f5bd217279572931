"""Files into tables: which reader, which table, and the statement that loads them."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os.path import commonprefix
from pathlib import Path

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.names import literal, quote
from mlbox.base.suggest import did_you_mean

READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".txt": "read_csv",
    ".json": "read_json",
    ".ndjson": "read_json",
    ".jsonl": "read_json",
    ".parquet": "read_parquet",
}
"""DuckDB's reader of a file, by the end of its name."""
PACKED = (".gz", ".zst")
ELSEWHERE = {
    ".xlsx": "save the sheet as CSV, or: pandas.read_excel(..).to_parquet(..)",
    ".xls": "save the sheet as CSV, or: pandas.read_excel(..).to_parquet(..)",
    ".zip": "unpack it first, or pack the file with gzip",
    ".avro": "convert it to Parquet first",
    ".feather": "convert it to Parquet: pyarrow.parquet.write_table(pyarrow.feather.read_table(..), ..)",
}
"""What DuckDB cannot read without an extension, and what to do instead."""
TABLE = re.compile(r'(?:[A-Za-z_]\w*\.)?[A-Za-z_]\w*\Z|(?:"[^"]+"\.)?"[^"]+"\Z')


@dataclass(frozen=True, slots=True)
class Files:
    """Files of one kind, and how they are read."""

    paths: tuple[Path, ...]
    reader: str
    options: Mapping[str, str] = field(default_factory=dict)
    """Arguments of the reader, as SQL."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Types that the user gave, by column."""

    @property
    def query(self) -> str:
        """The SELECT that reads them."""
        names = [literal(str(path)) for path in self.paths]
        source = names[0] if len(names) == 1 else f"[{', '.join(names)}]"
        arguments = [source, *(f"{name} = {value}" for name, value in self.options.items())]
        if self.types and self.reader == "read_csv":
            given = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in self.types.items())
            arguments.append(f"types = {{{given}}}")
        columns = "*"
        if self.types and self.reader != "read_csv":
            casts = ", ".join(f"CAST({quote(name)} AS {kind}) AS {quote(name)}" for name, kind in self.types.items())
            columns = f"* REPLACE ({casts})"
        return f"SELECT {columns} FROM {self.reader}({', '.join(arguments)})"


def load_statement(files: Files, table: str, mode: str, columns: Sequence[str]) -> str:
    """The statement that loads ``files``; ``mode`` is create, replace or append."""
    if mode == "append":
        names = ", ".join(quote(column) for column in columns)
        return f"INSERT INTO {table} ({names})\n{files.query}"
    return f"CREATE {'OR REPLACE ' if mode == 'replace' else ''}TABLE {table} AS\n{files.query}"


def split_words(words: Sequence[str]) -> tuple[list[str], str | None]:
    """The files and the table of a command line: the last of several words is the table when it is no file."""
    *files, last = words
    if files and TABLE.match(last) and not Path(last).exists() and kind_of(Path(last)) is None:
        return files, last
    return list(words), None


def find_files(patterns: Sequence[str]) -> tuple[Path, ...]:
    """Absolute paths, sorted within a pattern; raises ``NotFound`` for what is not there."""
    found: list[Path] = []
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            raise Invalid(f"{pattern} is a folder", hint=f"name its files: '{pattern.rstrip('/')}/*.csv'")
        matches = [path] if path.exists() else [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        if not matches:
            folder = path.parent if path.parent.is_dir() else Path.cwd()
            known = [entry.name for entry in folder.iterdir() if kind_of(entry) is not None]
            hint = did_you_mean(path.name, known) or f"looked in {folder.absolute()}"
            raise NotFound(f"there is no file {pattern}", hint=hint)
        found += [match.absolute() for match in matches]
    return tuple(dict.fromkeys(found))


def kind_of(path: Path) -> str | None:
    """The end of the name that tells the kind, without the packing."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in {**READERS, **ELSEWHERE} else None


def reader_of(paths: Sequence[Path]) -> str:
    """The one reader of all ``paths``; raises ``Invalid`` where there is none."""
    readers: dict[str, Path] = {}
    for path in paths:
        kind = kind_of(path)
        if kind is None or kind in ELSEWHERE:
            hint = ELSEWHERE[kind] if kind else f"its name should end with one of {', '.join(READERS)} (and .gz)"
            raise Invalid(f"{path.name} cannot be imported: it is no kind of file that mlbox reads", hint=hint)
        readers.setdefault(READERS[kind], path)
    if len(readers) > 1:
        first, second = list(readers.values())[:2]
        raise Invalid(f"{first.name} and {second.name} are files of different kinds", hint="import them one by one")
    return next(iter(readers))


def table_name(paths: Sequence[Path]) -> str:
    """A plain name made of what the names of the files have in common."""
    stems = []
    for path in paths:
        kind = kind_of(path) or ""
        stems.append(path.name[: path.name.lower().rindex(kind)] if kind else path.stem)
    common = commonprefix(stems) if len(stems) > 1 else stems[0]
    common = common.rstrip("0123456789-_. ") if len(stems) > 1 else common
    name = re.sub(r"\W+", "_", common, flags=re.ASCII).strip("_").lower()
    if not name:
        raise Invalid("the names of the files do not tell how to call the table", hint="give a name behind the files")
    return f"t_{name}"[:63] if name[0].isdigit() else name[:63]


def parse_types(text: str) -> dict[str, str]:
    """``a=INTEGER, b=DECIMAL(10,2)`` by column; raises ``Invalid``."""
    found: dict[str, str] = {}
    for part in re.split(r",(?![^()]*\))", text):
        name, equals, kind = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not kind or not re.fullmatch(r"[\w ]+(?:\([\d, ]+\))?(?:\[\])*", kind):
            raise Invalid(
                f"--types: {part.strip()!r} is no column and type", hint="--types 'a=INTEGER, b=DECIMAL(10,2)'"
            )
        found[name] = kind.upper()
    return found
