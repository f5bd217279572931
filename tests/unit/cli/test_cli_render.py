from __future__ import annotations

import io
import re
from typing import Any

import pytest

from mlbox.base.errors import Invalid, Where
from mlbox.cli import render
from mlbox.engine.catalog.views.base import all_views
from mlbox.sql.brief import BRIEF, shown_columns


class Terminal(io.StringIO):
    """A terminal of 60 columns."""

    def isatty(self) -> bool:
        return True


def result(rows: list[list[Any]], *names: str) -> dict[str, Any]:
    columns = [{"name": name, "type": "int32" if name.startswith("n") else "string"} for name in names]
    return {"columns": columns, "rows": rows, "message": f"{len(rows)} rows", "elapsed_ms": 1.0}


def shown(outcome: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    render.print_result(outcome, "box", out)
    return out.getvalue()


def test_a_table_that_fits_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(result([[1, "x"], [22, None]], "n", "word"), monkeypatch)
    assert "│" in text
    assert "22" in text
    assert "more columns" not in text


def test_a_wide_table_leaves_columns_out_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(result([["a" * 30, "b" * 30, "c" * 30]] * 2, "one", "two", "three"), monkeypatch)
    assert "a" * 30 in text
    assert "c" * 30 not in text
    assert "… 2 more columns: two, three" in text
    assert max(len(line) for line in text.splitlines() if "│" in line) <= 60


def test_one_wide_row_stands_upright(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(result([["a" * 30, "b" * 30, "c" * 30]], "one", "two", "three"), monkeypatch)
    assert [line.split()[1] for line in text.splitlines() if line.startswith("│ t")] == ["two", "three"]
    assert "c" * 30 in text


@pytest.mark.parametrize("view", BRIEF)
def test_show_of_a_wide_view_has_chosen_columns_in_a_box(view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (columns,) = [[column.name for column in each.columns] for each in all_views() if each.name == view]
    assert set(BRIEF[view]) < set(columns)
    names = shown_columns(columns)
    text = shown(result([["x"] * len(names)] * 2, *names), monkeypatch)
    head = re.findall(r"\w+", re.sub(r"\x1b\[[\d;]*m", "", text.splitlines()[1]))
    assert head and tuple(head) == BRIEF[view][: len(head)]
    assert f"… {len(names) - len(BRIEF[view])} columns are left out: SELECT * FROM ml.{view}, or .mode line" in text


def test_other_forms_and_other_columns_are_not_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    (columns,) = [[column.name for column in each.columns] for each in all_views() if each.name == "runs"]
    for form in ("csv", "json", "ndjson", "markdown", "line"):
        out = io.StringIO()
        render.print_result(result([["x"] * (len(columns) - 1)], *shown_columns(columns)), form, out)
        assert all(name in out.getvalue() for name in columns if name != "project")
    assert "left out" not in shown(result([["x"] * len(columns)] * 2, *columns), monkeypatch)


def test_many_rows_are_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(result([[number] for number in range(500)], "n"), monkeypatch)
    assert "… 460 more rows" in text


def test_an_error_points_at_its_place() -> None:
    out = io.StringIO()
    source = "SELECT 1;\nSELECT nix"
    render.print_error(Invalid("no nix", hint="try one", where=Where.at(source, source.index("nix"))), out=out)
    lines = out.getvalue().splitlines()
    assert lines[0] == "error: no nix"
    assert lines[1].index("nix") == lines[2].index("^")
    assert lines[3] == "hint: try one"


def test_an_explanation_that_is_the_hint_is_told_once() -> None:
    out = io.StringIO()
    render.print_error(Invalid("not installed", hint="because", details={"explanation": "because"}), out=out)
    assert out.getvalue() == "error: not installed\n  because\n"
    out = io.StringIO()
    render.print_error(Invalid("not installed", hint="do it", details={"explanation": "because"}), out=out)
    assert out.getvalue() == "error: not installed\n  because\nhint: do it\n"
