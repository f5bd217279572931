"""Results and errors for terminals and pipes."""

from __future__ import annotations

import csv
import json
import sys
from typing import Any, TextIO

from mlbox.base.errors import MlboxError

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
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out, highlight=False, soft_wrap=False)
    table = Table(box=box.ROUNDED if console.is_terminal else box.ASCII2, header_style="bold")
    numbers = [column["type"].startswith(("int", "uint", "float", "double", "decimal")) for column in result["columns"]]
    for name, number in zip(names, numbers, strict=True):
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    shown = rows if len(rows) <= 60 else rows[:40]
    for row in shown:
        table.add_row(*(Text(cell(value)) for value in row))
    if not console.is_terminal:
        console = Console(file=out, highlight=False, width=max(240, console.width))
    console.print(table)
    if len(shown) < len(rows):
        print(f"… {len(rows) - len(shown):,} more rows (use --format csv for all)", file=out)
    print(f"{result.get('message', '')}  ·  {result.get('elapsed_ms', 0):.1f} ms", file=out)


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
