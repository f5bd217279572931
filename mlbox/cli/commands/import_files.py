"""``mlbox import``: files into a table."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.counted import counted
from mlbox.base.errors import AlreadyExists, Invalid, MlboxError
from mlbox.base.names import DEFAULT_PROJECT, literal, quote
from mlbox.cli.importing import Files, find_files, load_statement, parse_types, reader_of, split_words, table_name

if TYPE_CHECKING:
    from mlbox.cli.door import Door

NAME = "import"
HELP = "load CSV, JSON or Parquet files into a table"
PREVIEW_ROWS = 5
MOST_LEFT_OUT = 20
"""Lines above the header, a title or remarks. Where DuckDB leaves out more, the line below them is the wrong one."""
_COMMA = re.compile(r"[-+]?[\d.]*,\d+")
EXISTS = """
SELECT 1 FROM information_schema.tables
WHERE table_catalog = 'data' AND table_schema = {project} AND lower(table_name) = lower({name})
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "words",
        nargs="+",
        metavar="FILE",
        help="files of one kind (.csv .tsv .json .ndjson .parquet, also .gz) or patterns of such; a last word that is "
        "no file names the table, else the files do",
    )
    parser.add_argument("--project", default=DEFAULT_PROJECT, help="where the table is made (default: default)")
    there = parser.add_mutually_exclusive_group()
    there.add_argument("--replace", action="store_true", help="put it in the place of a table of this name")
    there.add_argument("--append", action="store_true", help="add the rows to a table or feature set of this name")
    parser.add_argument("--types", metavar="'a=INTEGER, ..'", help="types of columns, where the inferred are wrong")
    parser.add_argument("--delimiter", metavar="TEXT", help="what separates the columns of a CSV file")
    parser.add_argument(
        "--decimal", metavar="TEXT", help="the decimal point of a CSV file: with ',' 1.234,5 is a number"
    )
    parser.add_argument("--null", metavar="TEXT", help="what stands for a missing value in a CSV file")
    parser.add_argument("--dry-run", action="store_true", help="show columns, first rows and statement; load nothing")


def run(arguments: argparse.Namespace) -> int:
    """Show what the files hold, then load them by one statement: all rows or none."""
    from mlbox.cli.door import open_door

    words, named = split_words(arguments.words)
    files = _files(arguments, words)
    table = named or quote_if_needed(table_name(files.paths))
    mode = "replace" if arguments.replace else "append" if arguments.append else "create"
    with open_door(arguments, arguments.project) as door:
        try:
            _load(door, files, table, mode, dry=arguments.dry_run)
        except MlboxError as error:
            raise _with_arguments(error) from None
    return 0


def _files(arguments: argparse.Namespace, words: list[str]) -> Files:
    paths = find_files(words)
    reader = reader_of(paths)
    options = {}
    for option, name in (("delimiter", "delim"), ("decimal", "decimal_separator"), ("null", "nullstr")):
        given = getattr(arguments, option)
        if given is not None:
            if reader != "read_csv":
                raise Invalid(f"--{option} is for CSV files", hint="other kinds of files need no such thing")
            options[name] = literal(given)
    if arguments.decimal == ",":
        options["thousands"] = "'.'"
    return Files(paths, reader, options, parse_types(arguments.types) if arguments.types else {})


def _load(door: Door, files: Files, table: str, mode: str, *, dry: bool) -> None:
    from mlbox.cli.conduct import Conducted
    from mlbox.cli.progress import watcher
    from mlbox.cli.render import Layout, print_result

    if mode == "create":
        _refuse_existing(door, table)
    for path in files.paths:
        if not path.stat().st_size:
            raise Invalid(
                f"{path.name} is empty", hint="a table needs columns: a first line with their names, at least"
            )
    described = door.ask(f"DESCRIBE {files.query}")
    preview = next(iter(door.run(f"{files.query} LIMIT {PREVIEW_ROWS}")))
    preview["columns"] = [{"name": f"{name}: {kind}", "type": kind.lower()} for name, kind, *_ in described]
    preview["message"] = f"the first rows of {_told(files)}"
    print_result(preview, "box", layout=Layout(timer=False))
    for note in _notes(door, files, [str(row[0]) for row in described], preview):
        print(f"note: {note}", file=sys.stderr)
    statement = load_statement(files, table, mode, [str(row[0]) for row in described])
    print(f"\n{statement};\n", flush=True)
    if dry:
        print("nothing is loaded")
        return
    before = door.ask(f"SELECT count(*) FROM {table}")[0][0] if mode == "append" else 0
    for _ in Conducted(door, statement).results(watcher(door, statement)):
        pass
    count = door.ask(f"SELECT count(*) FROM {table}")[0][0]
    added = f"{count - before:,} added, " if mode == "append" else ""
    print(f"{table} in project {door.project}: {added}{counted(count, 'row')}")


def _notes(door: Door, files: Files, columns: list[str], preview: Mapping[str, Any]) -> list[str]:
    """What DuckDB guessed about a CSV file that its user may not want."""
    if files.reader != "read_csv":
        return []
    notes = []
    for path in files.paths:
        skipped = door.ask(f"SELECT SkipRows FROM sniff_csv({literal(str(path))})")[0][0]
        if skipped > MOST_LEFT_OUT:
            raise Invalid(
                f"line {skipped + 1:,} of {path.name} and those below have other columns than the {skipped:,} before",
                hint=f"mend line {skipped + 1:,}, or cut what does not belong to the table; nothing was loaded",
            )
        if skipped:
            lines = "the first line is" if skipped == 1 else f"the first {skipped} lines are"
            notes.append(f"{lines} left out of {path.name}: other columns than the lines below")
    if len(columns) == 1 and re.search("[,;|\t]", columns[0]) and "delim" not in files.options:
        notes.append("this is one column, since not all lines have the same number; --delimiter ',' splits it")
    renamed = [f"{old or 'a column without a name'} is {new}" for old, new in _renamed(door, files, columns)]
    if renamed:
        notes.append(f"a table has each name once: {', '.join(renamed)} here")
    types = [str(column["type"]) for column in preview["columns"]]
    commas = [
        name
        for index, name in enumerate(columns)
        if types[index] == "varchar" and all(_COMMA.fullmatch(row[index] or "0,0") for row in preview["rows"])
    ]
    if commas and "decimal_separator" not in files.options and preview["rows"]:
        notes.append(f"{', '.join(commas)}: text, since numbers have a point here; --decimal ',' reads 1.234,50 as one")
    return notes


def _renamed(door: Door, files: Files, columns: list[str]) -> list[tuple[str, str]]:
    """(name in the file, name in the table) of the columns of the first file that DuckDB calls otherwise."""
    path = literal(str(files.paths[0]))
    found = door.ask(f"SELECT Delimiter, Quote, SkipRows, HasHeader FROM sniff_csv({path})")[0]
    delimiter, mark, skipped, has_header = found
    if not has_header:
        return []
    given = files.options.get("delim", literal(str(delimiter)))
    quoted = f", quote = {literal(str(mark))}" if mark and len(str(mark)) == 1 and mark != "\0" else ""
    line = f"read_csv({path}, header = false, all_varchar = true, skip = {skipped}, delim = {given}{quoted})"
    head = door.ask(f"SELECT * FROM {line} LIMIT 1")
    names = [str(name or "").strip() for name in head[0]] if head else []
    if len(names) != len(columns):
        return []
    return [(old, new) for old, new in zip(names, columns, strict=True) if old != new]


def _told(files: Files) -> str:
    first = files.paths[0].name
    return first if len(files.paths) == 1 else f"{first} and {len(files.paths) - 1} more"


def _refuse_existing(door: Door, table: str) -> None:
    project, _, name = table.replace('"', "").rpartition(".")
    if door.ask(EXISTS.format(project=literal((project or door.project).lower()), name=literal(name))):
        raise AlreadyExists(f"there is a table {table} already", hint="--replace, --append, or name another")


def quote_if_needed(name: str) -> str:
    """A word of SQL is no name without quotes."""
    from mlbox.sql.lexer import RESERVED

    return quote(name) if name.upper() in RESERVED else name


def _with_arguments(error: MlboxError) -> MlboxError:
    """The place is in a statement that the user did not write, and the hint should be what he can type."""
    error.where = None
    if "column" in error.details:
        error.hint = f"--types '{error.details['column']}=VARCHAR' takes it as text; --null TEXT says what is missing"
    elif "byte sequence" in error.message or "not UTF-8" in error.message:
        name = shlex.quote(Path(str(error.details.get("file") or "FILE")).name)
        error.hint = f"convert it first: iconv -f latin1 -t utf-8 {name} > utf8-{name}"
        error.details.pop("text", None)  # DuckDB gives the first line here, whichever it is
    elif error.message.startswith("the columns of"):
        error.hint = "--delimiter says what separates them; a quote inside of quotes is written twice"
    elif "file" in error.details:
        error.hint = "mend the file; nothing was loaded"
    if error.details.get("text"):
        error.details = {**error.details, "output": error.details["text"]}
    return error
