from __future__ import annotations

import io
from typing import Any

import pytest

from mlbox.base.errors import Invalid, Where
from mlbox.cli import render


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
