"""The page for those who come from MLRun: each statement parses, each command is one, each name of Python is there,
each link leads somewhere."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pytest

import mlbox
from mlbox.base.errors import MlboxError
from mlbox.cli.main import parser
from mlbox.sql.grammar import REGISTRY
from mlbox.sql.script import parse, split

PAGE = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "coming-from-mlrun.md"
ROWS = [line for line in PAGE.read_text().splitlines() if re.match(r"\| .* \| (C|M|–) \| ", line)]
_STARTS = {str(name).split()[0] for name in REGISTRY.names()} | {"COPY", "SELECT", "INSERT"}


def spans(kind: str) -> list[str]:
    """Pieces of code of our column: statements, commands or Python."""
    found = []
    for row in ROWS:
        ours = row.split(" | ")[2]
        found += re.findall(r"`([^`]+)`", ours)
    kinds = {
        "sql": lambda text: text.split()[0] in _STARTS and " " in text,
        "cli": lambda text: text.startswith("mlbox "),
        "python": lambda text: text.startswith(("mlbox.", "run.")) and "(" in text,
    }
    return sorted({text for text in found if kinds[kind](text)})


def test_the_page_has_rows_of_all_parts() -> None:
    assert len(ROWS) > 150
    assert len(spans("sql")) > 120
    assert all(row.count(" | ") == 3 for row in ROWS), [row for row in ROWS if row.count(" | ") != 3]


@pytest.mark.parametrize("text", spans("sql"))
def test_a_statement_parses(text: str) -> None:
    try:
        (statement,) = split(text)
        parse(statement, "default", None, tolerant=True)
        if not statement.ours:
            duckdb.extract_statements(text)
    except (MlboxError, duckdb.Error) as error:
        pytest.fail(f"{error}\n{text}")


def test_views_have_the_columns(house: Any) -> None:
    whole = [text for text in spans("sql") if text.startswith("SELECT")]
    inner = [found for text in spans("sql") for found in re.findall(r"\((SELECT [^()]+(?:\([^()]*\))?[^()]*)\)", text)]
    asked = [text for text in whole + inner if re.search(r"FROM ml\.\w+(?![\w(])", text)]
    assert len(asked) > 15
    for text in asked:
        try:
            with house.catalog.read() as cursor:
                cursor.execute(re.sub(r"\bml\.", "catalog.ml.", text)).fetchall()
        except duckdb.Error as error:
            pytest.fail(f"{error}\n{text}")


@pytest.mark.parametrize("text", spans("cli"))
def test_a_command_is_one(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        parsed = parser().parse_args(shlex.split(text)[1:])
    except SystemExit:
        pytest.fail(f"{text}\n{capsys.readouterr().err}")
    assert isinstance(parsed, argparse.Namespace)


@pytest.mark.parametrize("text", spans("python"))
def test_a_piece_of_python_names_what_is_there(text: str) -> None:
    from mlbox.client.connection import Connection
    from mlbox.client.runs import Run

    tree = ast.parse(text, mode="eval")
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or ".serve." in text:
            continue
        whose = ast.unparse(call.func.value)
        owner = {"mlbox": mlbox, "run": Run, "mlbox.connect()": Connection}[whose]
        given = ([None] * (len(call.args) + (owner is not mlbox)), {key.arg or "": None for key in call.keywords})
        inspect.signature(getattr(owner, call.func.attr)).bind(*given[0], **given[1])
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute):
            continue
        dotted = ast.unparse(node)
        if dotted.startswith("mlbox.connect("):
            assert hasattr(Connection, node.attr) or node.attr == "get"
        elif dotted.startswith("run."):
            assert hasattr(Run, node.attr), dotted
        elif re.fullmatch(r"mlbox\.\w+", dotted) and node.attr != "serve":
            assert hasattr(mlbox, node.attr), dotted


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGE.read_text()):
        assert (PAGE.parent / target).is_file(), target
