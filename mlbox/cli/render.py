"""Results and errors for terminals and pipes."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TextIO

from mlbox.base.errors import Internal, MlboxError

if TYPE_CHECKING:
    from rich.console import Console

NUMBERS = ("int", "uint", "float", "double", "decimal")


@dataclass
class Layout:
    """How large a table for people may be."""

    max_rows: int = 60
    """Rows that are shown in full; of more, the first two thirds of so many."""
    width: int = 40
    """Characters of a column where not all columns fit."""
    timer: bool = True
    """Whether the time is told."""


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


def print_result(result: dict[str, Any], form: str, out: TextIO | None = None, layout: Layout | None = None) -> None:
    """A result of ``POST /sql`` in the chosen form; without rows, its message (on standard error in data forms)."""
    out = out or sys.stdout
    if "stream" in result:
        out.flush()
        out.buffer.write(result["stream"])
        out.buffer.flush()
    elif "columns" not in result:
        if result.get("message"):
            print(result["message"], file=out if form in PEOPLE else sys.stderr)
    else:
        FORMS[form](result, out, layout or Layout())


def _names(result: dict[str, Any]) -> list[str]:
    return [column["name"] for column in result["columns"]]


def _objects(result: dict[str, Any]) -> list[dict[str, Any]]:
    names = _names(result)
    return [dict(zip(names, row, strict=True)) for row in result["rows"]]


def _csv(result: dict[str, Any], out: TextIO, layout: Layout) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_names(result))
    writer.writerows([[_csv_cell(value) for value in row] for row in result["rows"]])


def _json(result: dict[str, Any], out: TextIO, layout: Layout) -> None:
    print(json.dumps(_objects(result), ensure_ascii=False, indent=2), file=out)


def _ndjson(result: dict[str, Any], out: TextIO, layout: Layout) -> None:
    for item in _objects(result):
        print(json.dumps(item, ensure_ascii=False), file=out)


def _markdown(result: dict[str, Any], out: TextIO, layout: Layout) -> None:
    names = _names(result)
    print("| " + " | ".join(names) + " |", file=out)
    print("|" + " --- |" * len(names), file=out)
    for row in result["rows"]:
        cells = (" ".join(cell(value).replace("|", "\\|").splitlines()) for value in row)
        print("| " + " | ".join(cells) + " |", file=out)


def _line(result: dict[str, Any], out: TextIO, layout: Layout) -> None:
    names = _names(result)
    room = max(map(len, names), default=0)
    for number, row in enumerate(result["rows"]):
        if number:
            print(file=out)
        for name, value in zip(names, row, strict=True):
            print(f"{name:>{room}} = {cell(value)}", file=out)


def _arrow(result: dict[str, Any], out: TextIO, layout: Layout) -> None:
    raise Internal("rows were asked for as JSON and are to be printed as Arrow")


def _csv_cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def _box(result: dict[str, Any], out: TextIO, layout: Layout) -> None:
    """A table that fits: one row that is too wide stands upright, of many rows the last columns are left out."""
    from rich.console import Console

    result, left_out = _brief(result)
    names, rows = _names(result), result["rows"]
    console = Console(file=out, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(file=out, highlight=False, width=1_000)
    first = rows if len(rows) <= layout.max_rows else rows[: max(1, layout.max_rows * 2 // 3)]
    shown = [[cell(value) for value in row] for row in first]
    widths = [min(layout.width, max([len(name), *(len(row[i]) for row in shown)])) for i, name in enumerate(names)]
    fits = _columns_that_fit(widths, console.width)
    if fits < len(names) and len(rows) == 1:
        pairs = [list(pair) for pair in zip(names, shown[0], strict=True)]
        _print_table(console, ["column", "value"], pairs, [False] * 2)
    else:
        kinds = [column["type"].startswith(NUMBERS) for column in result["columns"]]
        width = layout.width if fits < len(names) else None
        _print_table(console, names[:fits], [row[:fits] for row in shown], kinds[:fits], width=width)
    if fits < len(names) and len(rows) != 1:
        print(f"… {len(names) - fits} more columns: {', '.join(names[fits:])} (name them, or --format csv)", file=out)
    if len(shown) < len(rows):
        print(f"… {len(rows) - len(shown):,} more rows (use --format csv for all)", file=out)
    if left_out:
        print(left_out, file=out)
    elapsed = f"  ·  {result.get('elapsed_ms', 0):.1f} ms" if layout.timer else ""
    print(f"{result.get('message', '')}{elapsed}", file=out)


def _brief(result: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The columns that a person reads, of what SHOW gives of a wide view, and how to see the others."""
    from mlbox.sql.brief import brief_of

    names = _names(result)
    found = brief_of(names)
    if found is None:
        return result, ""
    view, chosen = found
    places = [names.index(name) for name in chosen]
    columns = [result["columns"][place] for place in places]
    rows = [[row[place] for place in places] for row in result["rows"]]
    told = f"… {len(names) - len(chosen)} columns are left out: SELECT * FROM ml.{view}, or .mode line, has all"
    return {**result, "columns": columns, "rows": rows}, told


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
    console: Console, names: list[str], rows: list[list[str]], numbers: list[bool], *, width: int | None = None
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.ROUNDED if console.is_terminal else box.ASCII2, header_style="bold")
    for name, number in zip(names, numbers, strict=True):
        overflow: Literal["ellipsis", "fold"] = "ellipsis" if width else "fold"
        table.add_column(Text(name), justify="right" if number else "left", overflow=overflow, max_width=width)
    for row in rows:
        table.add_row(*(Text(value, no_wrap=width is not None) for value in row))
    console.print(table)


def print_error(error: MlboxError, *, as_json: bool = False, out: TextIO | None = None) -> None:
    """What was wrong, where, and what to do next; the user's own traceback where there is one."""
    out = out or sys.stderr
    if as_json:
        print(json.dumps({"error": error.to_dict()}, ensure_ascii=False), file=out)
        return
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), error.message))
    if error.where and error.where.text:
        number = str(error.where.line)
        console.print(Text(f"  {number} | {error.where.text}", tab_size=1))
        below = error.where.text[: error.where.column - 1]
        pad = "".join("\t" if character == "\t" else " " * cell_len(character) for character in below)
        console.print(Text(" " * (len(number) + 5) + pad + "^", style="bold red", tab_size=1))
    traceback = error.details.get("traceback")
    if traceback:
        console.print(Text("\n".join("  " + line for line in str(traceback).rstrip().splitlines())))
    for name in ("explanation", "output"):
        if error.details.get(name):
            console.print(Text("\n".join("  " + line for line in str(error.details[name]).rstrip().splitlines())))
    if error.hint and error.hint.strip() != str(error.details.get("explanation", "")).strip():
        console.print(Text.assemble(("hint: ", "bold cyan"), error.hint))


FORMS: dict[str, Callable[[dict[str, Any], TextIO, Layout], None]] = {
    "box": _box,
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
    "markdown": _markdown,
    "line": _line,
    "arrow": _arrow,
}
"""How rows are printed, by the name of the form."""
PEOPLE = ("box", "line")
"""Forms that are read by people: messages stand between the rows."""
