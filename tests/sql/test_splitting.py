"""A script is cut where DuckDB cuts it: not in strings, names, comments, dollar quotes, and not in our brackets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import duckdb
import pytest
from corpus import entries, plain
from examples_of import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbox.sql.script import split

BETWEEN = (";", " ; ", ";\n", ";;", ";\n-- a note; with 'quotes\n", ";/* one; /* two; */ ' */", "\n;\n\t;", ";  -- ü\n")
OURS = [entry.text for entry in entries("valid.sql") if "--" not in entry.text and "/*" not in entry.text]
PLAIN = [text.strip() for text in plain() if "--" not in text]
SOUP = (
    "'",
    "''",
    '"',
    "$$",
    "$a$",
    "--",
    "/*",
    "*/",
    ";",
    ";",
    "\n",
    " ",
    "1",
    "select 1",
    "ü",
    "日",
    "(",
    ")",
    "\\",
    "E'",
    "x",
)


def check_places(text: str) -> list[str]:
    """Statements are pieces of the text, in order, without overlap; their texts."""
    done = 0
    for statement in split(text):
        assert text[statement.offset : statement.offset + len(statement.text)] == statement.text
        assert statement.offset >= done and statement.text.strip() == statement.text != ""
        done = statement.offset + len(statement.text)
    return [statement.text for statement in split(text)]


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(OURS + PLAIN), st.sampled_from(BETWEEN)), min_size=1, max_size=6))
def test_scripts_of_many_statements_come_apart_as_they_were(parts: list[tuple[str, str]]) -> None:
    assert check_places("".join(text + between for text, between in parts)) == [text for text, _ in parts]


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLAIN), st.sampled_from(BETWEEN)), min_size=1, max_size=6))
def test_plain_scripts_come_apart_as_duckdb_has_them(parts: list[tuple[str, str]]) -> None:
    script = "".join(text + between for text, between in parts)
    assert len(split(script)) == len(duckdb.extract_statements(script))


@settings(max_examples=examples(4000), deadline=None)
@given(st.lists(st.sampled_from(SOUP), max_size=14).map("".join))
def test_any_text_is_cut_where_duckdb_cuts_it(text: str) -> None:
    found = check_places(text)
    try:
        known = duckdb.extract_statements(text)
    except duckdb.Error:
        return
    assert len(found) == len(known)


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("SELECT 1; -- only a note;\n", 1),
        ("/* nothing; */ ;; -- here;", 0),
        ("SELECT $$a;b$$; SELECT $q$;$$;$q$", 2),
        ("CREATE WORKFLOW w AS (STEP a AS (SELECT 1;), STEP b AFTER a AS (RUN f;)); SELECT 2", 2),
        ("CREATE MODEL m FROM 'a;b'; RUN \"odd;name\"", 2),
        ("SELECT ';\n'; SELECT \";\"\n;", 2),
    ],
)
def test_semicolons_that_end_nothing(script: str, count: int) -> None:
    assert len(check_places(script)) == count


BRACKETS = [
    "SELECT (1; 2); SELECT 3",
    "SELECT [1; 2]; SELECT {'a': 1; 'b': 2}; SELECT 3",
    "CREATE TABLE t (a INT; b INT); SELECT 1",
    "INSERT INTO t VALUES (1; 2); SELECT 1",
    "SELECT (1; SELECT 2; SELECT 3",
    "CREATE WORKFLOW w AS (STEP a AS (SELECT 1;); STEP b AS (SELECT 2)); SELECT 1",
    "create or replace /* ; */ workflow w AS (STEP a AS (SELECT 1;)); SELECT (1; 2)",
    "EXPLAIN CREATE WORKFLOW w AS (STEP a AS (SELECT 1;)); SELECT 1",
    "EXPLAIN ANALYZE CREATE WORKFLOW w AS (STEP a AS (SELECT 1;)); SELECT 1",
    "EXPLAIN SELECT (1; 2); SELECT 1",
    "CREATE WORKFLOW w AS (STEP a AS (SELECT 1; SELECT 2; SELECT 3",
    "RUN f FROM (SELECT 1; SELECT 2); SELECT 3",
    "SELECT 1); SELECT (2; 3",
]
"""Semicolons in brackets: of plain SQL they end the statement, of ours they do not."""
SCRIPTS = Path(__file__).resolve().parents[2] / "mlbox" / "ui" / "web" / "test" / "scripts.json"


def test_what_the_dashboard_is_compared_with_is_what_is_done_here() -> None:
    """Its editor cuts scripts in the browser; its tests hold that to this sample, made of the whole corpus.

    ``MLBOX_WRITE=1`` makes it anew, of the corpus as it is now.
    """
    if os.environ.get("MLBOX_WRITE"):
        texts = [entry.text for entry in entries("valid.sql")] + plain()
        scripts = []
        for start in range(0, len(texts), 8):
            group = texts[start : start + 8]
            scripts.append("".join(text + BETWEEN[(start + at) % len(BETWEEN)] for at, text in enumerate(group)))
        scripts += BRACKETS
        scripts += [entry.text for entry in entries("invalid.sql")]
        made = [{"script": each, "statements": [statement.text for statement in split(each)]} for each in scripts]
        SCRIPTS.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n")
    kept = json.loads(SCRIPTS.read_text())
    assert len(kept) > 100
    for entry in kept:
        assert [statement.text for statement in split(entry["script"])] == entry["statements"]
