"""The words that the editor of the dashboard highlights."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from mlbox.sql.grammar import REGISTRY, starts

WEB = Path(__file__).resolve().parents[2] / "mlbox" / "ui" / "web" / "src" / "sql" / "words.ts"
COLUMNS = frozenset("PARAMS METRIC METRICS PATH ERRORS STEP VERSION TYPE".split())
"""Words of the grammar that stand for columns more often than for themselves."""


def test_the_editor_knows_every_word_of_the_grammar() -> None:
    """And those that DuckDB reserves."""
    words = set(WEB.read_text().split("`")[1].upper().split())
    ours = {word for _, syntax in REGISTRY for word in re.findall(r"\b[A-Z][A-Z_]+\b", syntax.syntax)}
    reserved = duckdb.sql("SELECT upper(keyword_name) FROM duckdb_keywords() WHERE keyword_category = 'reserved'")
    theirs = {row[0] for row in reserved.fetchall()}
    assert sorted((ours | theirs) - words - COLUMNS) == []


def test_the_editor_knows_which_statements_are_ours() -> None:
    """It cuts a script as the server does: in those of ours, semicolons in brackets end nothing."""
    known = set(WEB.read_text().split("STARTS = spaced(`")[1].split("`")[0].split())
    without = ("EXPLAIN", "SHOW", "DESC", "DESCRIBE", "SET", "USE")  # the first is passed over; the others hold none
    assert known == {"_".join(start[:2]).lower() for start in starts() if start[0] not in without}
