"""Results and errors for terminals and pipes."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any, Literal, TextIO

from mlbox.base.errors import MlboxError

if TYPE_CHECKING:
    from rich.console import Console

NUMBERS = ("int", "uint", "float", "double", "decimal")
WIDEST = 40
"""Characters of a column where not all columns fit."""
FORMATS = ("box", "csv", "json", "ndjson", "markdown")


def cell(value: Any, *, digits: int = 6) -> str:
    """One value for people."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{digits}g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def print_result(result: dict[str, Any], form: str, out: TextIO | None = None) -> None:
    """A result of ``POST /sql`` in the chosen form; without rows, its message (on standard error in data forms)."""
    out = out or sys.stdout
    if "columns" not in result:
        if result.get("message"):
            print(result["message"], file=out if form == "box" else sys.stderr)
        return
    names = [column["name"] for column in result["columns"]]
    rows = result["rows"]
    if form == "box":
        _box(result, names, rows, out)
    elif form == "csv":
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([[_csv_cell(value) for value in row] for row in rows])
    elif form == "json":
        print(json.dumps([dict(zip(names, row, strict=True)) for row in rows], ensure_ascii=False, indent=2), file=out)
    elif form == "ndjson":
        for row in rows:
            print(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False), file=out)
    else:
        print("| " + " | ".join(names) + " |", file=out)
        print("|" + " --- |" * len(names), file=out)
        for row in rows:
            print("| " + " | ".join(cell(value).replace("|", "\\|") for value in row) + " |", file=out)


def _csv_cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _box(result: dict[str, Any], names: list[str], rows: list[list[Any]], out: TextIO) -> None:
    """A table that fits: one row that is too wide stands upright, of many rows the last columns are left out."""
    from rich.console import Console

    console = Console(file=out, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(file=out, highlight=False, width=1_000)
    shown = [[cell(value) for value in row] for row in (rows if len(rows) <= 60 else rows[:40])]
    widths = [min(WIDEST, max([len(name), *(len(row[i]) for row in shown)])) for i, name in enumerate(names)]
    fits = _columns_that_fit(widths, console.width)
    if fits < len(names) and len(rows) == 1:
        _print_table(
            console, ["column", "value"], [list(pair) for pair in zip(names, shown[0], strict=True)], [False] * 2
        )
    else:
        kinds = [column["type"].startswith(NUMBERS) for column in result["columns"]]
        _print_table(console, names[:fits], [row[:fits] for row in shown], kinds[:fits], narrow=fits < len(names))
    if fits < len(names) and len(rows) != 1:
        print(f"… {len(names) - fits} more columns: {', '.join(names[fits:])} (name them, or --format csv)", file=out)
    if len(shown) < len(rows):
        print(f"… {len(rows) - len(shown):,} more rows (use --format csv for all)", file=out)
    print(f"{result.get('message', '')}  ·  {result.get('elapsed_ms', 0):.1f} ms", file=out)


def _columns_that_fit(widths: list[int], room: int) -> int:
    """How many of the first columns fit, at least one; each costs its width and three characters of frame."""
    used, count = 1, 0
    for width in widths:
        used += width + 3
        if used > room and count:
            break
        count += 1
    return count


def _print_table(
    console: Console, names: list[str], rows: list[list[str]], numbers: list[bool], *, narrow: bool = False
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ROUNDED if console.is_terminal else box.ASCII2, header_style="bold")
    for name, number in zip(names, numbers, strict=True):
        width = WIDEST if narrow else None
        overflow: Literal["ellipsis", "fold"] = "ellipsis" if narrow else "fold"
        table.add_column(Text(name), justify="right" if number else "left", overflow=overflow, max_width=width)
    for row in rows:
        table.add_row(*(Text(value, no_wrap=narrow) for value in row))
    console.print(table)


def print_error(error: MlboxError, *, as_json: bool = False, out: TextIO | None = None) -> None:
    """What was wrong, where, and what to do next; the user's own traceback where there is one."""
    out = out or sys.stderr
    if as_json:
        print(json.dumps({"error": error.to_dict()}, ensure_ascii=False), file=out)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), error.message))
    if error.where and error.where.text:
        number = str(error.where.line)
        console.print(Text(f"  {number} | {error.where.text}"))
        console.print(Text(" " * (len(number) + 4 + error.where.column) + "^", style="bold red"))
    traceback = error.details.get("traceback")
    if traceback:
        console.print(Text("\n".join("  " + line for line in str(traceback).rstrip().splitlines())))
    for name in ("explanation", "output"):
        if error.details.get(name):
            console.print(Text("\n".join("  " + line for line in str(error.details[name]).rstrip().splitlines())))
    if error.hint:
        console.print(Text.assemble(("hint: ", "bold cyan"), error.hint))
