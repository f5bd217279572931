"""The registry of statements: every one has help that holds, and nothing of DuckDB's is taken silently."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from mlbox.base.command import Command
from mlbox.serve.expressions.compile import compile_all
from mlbox.sql.grammar import NOUNS, recognise, starts
from mlbox.sql.parser import Cursor, Scope
from mlbox.sql.script import parse, split
from mlbox.sql.statements import REGISTRY, StatementSyntax

ALL = [syntax for _, syntax in REGISTRY]

CAPTURED = {"SHOW", "DROP FUNCTION", "DROP SECRET", "USE PROJECT", "SET SEARCH_PATH", "EXPLAIN"}
"""Statements of ours that DuckDB's parser would take too. Everything else of DuckDB's stays DuckDB's."""


@pytest.mark.parametrize("syntax", ALL, ids=lambda syntax: syntax.name)
def test_help_is_there_and_examples_are_right(syntax: StatementSyntax) -> None:
    assert syntax.summary.endswith(".")
    assert syntax.syntax
    assert syntax.examples or syntax.name == "SET SEARCH_PATH"
    for example in syntax.examples:
        (statement,) = split(example)
        assert statement.ours
        command = parse(statement, "p", tolerant=True)
        assert isinstance(command, Command)
        words = (
            example.upper().replace("DESC ", "DESCRIBE ").replace("OR REPLACE ", "").replace("USE FRAUD", "USE PROJECT")
        )
        assert words.startswith(command.statement), (command.statement, words)


def test_what_is_taken_from_duckdb_is_one_list() -> None:
    written = [example for syntax in ALL for example in syntax.examples]
    written += [" ".join(words) for words in starts()] + [" ".join(words) + " x" for words in starts()]
    written += ["SET schema = 'x'", "SET SESSION search_path = 'x'", "EXPLAIN SHOW RUNS", "CREATE FUNCTION f(x) AS x"]
    taken = set()
    for text in written:
        try:
            duckdb.extract_statements(text)
        except duckdb.Error:
            continue
        found = recognise(Cursor.over(Scope(text, "p"), text))
        if found is not None:
            taken.add(found.name)
    assert taken == CAPTURED


def test_no_first_words_are_given_twice() -> None:
    seen: dict[tuple[str, ...], str] = {}
    for syntax in ALL:
        own = syntax.starts() if callable(syntax.starts) else syntax.starts
        for words in own:
            assert words not in seen or seen[words] == syntax.name
            seen[words] = syntax.name
    assert len(seen) == len(starts())


def test_every_noun_can_be_described_and_those_with_a_view_shown() -> None:
    for noun in NOUNS.values():
        assert split(f"DESCRIBE {noun.kind} x")[0].ours
        if noun.view:
            assert split(f"SHOW {noun.view.replace('_', ' ')}")[0].ours


@pytest.mark.parametrize("kind", ["PROJECT", "SOURCE", "FEATURE SET", "FEATURE VECTOR", "FUNCTION", "MODEL", "ENDPOINT",
                                  "WORKFLOW", "SCHEDULE", "MONITOR", "ALERT"])  # fmt: skip
def test_every_create_knows_replace_if_not_exists_and_comment(kind: str) -> None:
    (example,) = REGISTRY.get(f"CREATE {kind}").examples[:1]
    body = example.replace("OR REPLACE ", "").replace("IF NOT EXISTS ", "").removeprefix(f"CREATE {kind} ")
    name, _, rest = body.partition(" ")
    columns = ""
    if rest.startswith("("):
        depth = 0
        for index, character in enumerate(rest):
            depth += (character == "(") - (character == ")")
            if depth == 0:
                columns, rest = rest[: index + 1], rest[index + 1 :]
                break
    for head, field in (("OR REPLACE ", "replace"), ("", "if_not_exists")):
        exists = "" if head else "IF NOT EXISTS "
        (statement,) = split(f"CREATE {head}{kind} {exists}{name} {columns} COMMENT 'why' {rest}")
        command = parse(statement, "p")
        assert getattr(command, field) is True
        assert getattr(command, "comment") == "why"  # noqa: B009


def test_expressions_of_examples_can_be_computed() -> None:
    found = 0
    for example in REGISTRY.get("CREATE ENDPOINT").examples:
        command: Any = parse(split(example)[0], "p")
        for query in filter(None, (command.preprocess, command.postprocess)):
            found += len(compile_all(query))
    assert found >= 3
