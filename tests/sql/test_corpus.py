"""The corpus: what each statement means, how each mistake is answered, and that plain SQL is left alone.

``corpus/valid.sql`` and ``corpus/invalid.sql`` hold entries separated by blank lines: an optional line ``-- with`` and
the parameters as JSON, the statement, and its outcome, ``-- =>`` and the command with the fields that are not at their
defaults, or ``-- error line:column message | hint``. ``corpus/plain.sql`` holds DuckDB's own statements.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest
from corpus import Entry, entries, plain

from mlbox.base.command import Command, Query, RunSql
from mlbox.base.errors import StatementError
from mlbox.base.names import Ref
from mlbox.sql.script import parse, split


def show(value: Any) -> str:
    """A value as the corpus writes it."""
    if isinstance(value, (Ref, timedelta, datetime)):
        return str(value)
    if isinstance(value, Query):
        return f"<{value.text}>"
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__}({fields(value)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(show, value))})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {show(item)}' for key, item in value.items())}}}"
    return repr(value)


def fields(value: Any) -> str:
    shown = []
    for field in dataclasses.fields(value):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        given = getattr(value, field.name)
        if given != default and field.name != "text":
            shown.append(f"{field.name}={show(given)}")
    return " ".join(", ".join(shown).split())


def outcome(entry: Entry) -> str:
    """What the entry's statement gives, as the corpus writes it."""
    statements = split(entry.text)
    assert len(statements) == 1, [statement.text for statement in statements]
    try:
        command = parse(statements[0], "p", entry.parameters)
    except StatementError as error:
        assert error.where is not None and error.hint, error.message
        return f"error {error.where.line}:{error.where.column} {error.message} | {error.hint}"
    return f"=> {type(command).__name__} {fields(command)}".rstrip()


@pytest.mark.parametrize("entry", entries("valid.sql"), ids=lambda entry: entry.text[:60])
def test_statements_mean_what_the_corpus_says(entry: Entry) -> None:
    assert outcome(entry) == entry.outcome
    assert split(entry.text)[0].ours


@pytest.mark.parametrize("entry", entries("invalid.sql"), ids=lambda entry: entry.text[:60])
def test_mistakes_are_refused_with_place_and_hint(entry: Entry) -> None:
    assert outcome(entry) == entry.outcome


@pytest.mark.parametrize("text", plain(), ids=lambda text: text.strip()[:60])
def test_plain_sql_comes_back_byte_for_byte(text: str) -> None:
    text = text.strip("\n")
    for before, after in (("", ""), ("RUN a;\n", ""), ("-- é;\n", ";"), ("SELECT 'ü;' ;", ";RUN b;")):
        whole = before + text + after
        statement = next(found for found in split(whole) if found.offset >= len(before))
        assert (statement.text, statement.offset, statement.ours) == (text, len(before), False)
        command = parse(statement, "p", None)
        assert isinstance(command, RunSql)
        assert command.query == Query(text, len(before))
        assert command.query.source == whole


def test_the_plain_corpus_is_plain() -> None:
    for text in plain():
        assert len(duckdb.extract_statements(text)) == 1, text


def test_the_corpus_is_broad() -> None:
    def distinct(texts: list[str]) -> int:
        return len({" ".join(text.split()) for text in texts})

    assert distinct(plain()) >= 240
    assert distinct([entry.text for name in ("valid.sql", "invalid.sql") for entry in entries(name)]) >= 450
    valid = {entry.outcome.split(" ")[1] for entry in entries("valid.sql")}
    assert len(valid) >= 49  # kinds of commands


def test_positions_of_bodies_point_into_the_script() -> None:
    """Every query that stands verbatim in a command is found where its offset says."""
    checked = 0
    for entry in entries("valid.sql"):
        script = "SELECT 'é';\n\n" + entry.text
        command = parse(split(script)[1], "p", entry.parameters)
        for query in queries(command):
            if query.text in entry.text:
                assert script[query.offset : query.offset + len(query.text)] == query.text
                checked += 1
    assert checked > 30


def queries(value: Any) -> list[Query]:
    if isinstance(value, Query):
        return [value]
    if isinstance(value, (list, tuple)):
        return [query for item in value for query in queries(item)]
    if isinstance(value, dict):
        return queries(list(value.values()))
    if dataclasses.is_dataclass(value) and not isinstance(value, Ref):
        return queries([getattr(value, field.name) for field in dataclasses.fields(value)])
    return []


def test_every_command_of_the_language_is_in_the_corpus() -> None:
    from mlbox.sql.statements import REGISTRY

    assert len(REGISTRY.names()) > 40  # importing the statements defines the commands

    def leaves(kind: type[Command]) -> set[str]:
        ours = kind not in (Command, RunSql) and kind.__module__.startswith("mlbox.")  # tests define commands too
        found = {kind.__name__} if ours else set()
        return found.union(*(leaves(child) for child in kind.__subclasses__()))

    used = {entry.outcome.split(" ")[1] for entry in entries("valid.sql")}
    # INSERT INTO is plain to the parser: only the session knows what is a feature set.
    # TrackRun is what a script's client asks for when it begins to log: no statement could hold its process.
    # PushRows holds the rows themselves, IngestFrame a file that came with its request.
    assert leaves(Command) - used <= {"IngestFrame", "InsertFeatures", "PushRows", "TrackRun"}
