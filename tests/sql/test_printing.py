"""A command printed as a statement reads back as the same command, whatever the grammar lets one write."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from corpus import Entry, entries
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from statement_drawing import statements

from mlbox.base.command import Command, Query, RunSql
from mlbox.base.errors import StatementError
from mlbox.base.names import Ref
from mlbox.engine.features.commands import IngestFrame, InsertFeatures, PushRows
from mlbox.engine.runs.commands import TrackRun
from mlbox.engine.security.commands import SetSecret
from mlbox.engine.workflows.commands import CreateWorkflow
from mlbox.sql.grammar import REGISTRY
from mlbox.sql.printing import printed, printers
from mlbox.sql.script import parse, split

PRINTABLE = [name for name, syntax in REGISTRY if syntax.prints]


def read(text: str, parameters: Any = None) -> Command:
    found = split(text)
    assert len(found) == 1, text
    return parse(found[0], "p", parameters)


def alike(value: Any) -> Any:
    """``value`` without what does not come back: where a piece stood in the text."""
    if isinstance(value, Query):
        return Query(value.text)
    if isinstance(value, (list, tuple)):
        return [alike(item) for item in value]
    if isinstance(value, dict):
        return {key: alike(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, Ref):
        shown = {field.name: alike(getattr(value, field.name)) for field in dataclasses.fields(value)}
        if isinstance(value, CreateWorkflow):
            shown.pop("text")
        return type(value).__name__, shown
    return value


def check(command: Command) -> str:
    """That ``command`` comes back; its text."""
    text = printed(command, "p", secrets=True)
    again = read(text)
    assert alike(again) == alike(command), text
    assert printed(again, "p", secrets=True) == text
    assert printed(command, "other", secrets=True) is not None
    return text


@pytest.mark.parametrize("entry", entries("valid.sql"), ids=lambda entry: entry.text[:60])
def test_every_statement_of_the_corpus_comes_back(entry: Entry) -> None:
    check(read(entry.text, entry.parameters))


def comes_back(data: st.DataObject, name: str) -> bool:
    """Whether a drawn statement made sense; if so, it came back."""
    text = data.draw(statements(REGISTRY.get(name)))
    try:
        command = read(text)
    except StatementError:
        return False
    if not isinstance(command, RunSql):
        check(command)
    return True


@pytest.mark.parametrize("name", PRINTABLE)
def test_whatever_the_grammar_allows_comes_back(name: str) -> None:
    made_sense = []

    @settings(max_examples=12, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def run(data: st.DataObject) -> None:
        made_sense.append(comes_back(data, name))

    run()
    assert any(made_sense)


@pytest.mark.nightly
@pytest.mark.parametrize("name", PRINTABLE)
def test_whatever_the_grammar_allows_comes_back_at_length(name: str) -> None:
    made_sense = []

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def run(data: st.DataObject) -> None:
        made_sense.append(comes_back(data, name))

    run()
    assert sum(made_sense) >= min(20, len(made_sense))  # some statements have few forms


def test_every_command_can_be_printed() -> None:
    def leaves(kind: type[Command]) -> set[type[Command]]:
        ours = kind is not Command and kind.__module__.startswith("mlbox.")
        return ({kind} if ours else set()).union(*(leaves(child) for child in kind.__subclasses__()))

    unspoken = {IngestFrame, PushRows, TrackRun}  # no statement says this
    assert leaves(Command) - unspoken <= set(printers())


def test_names_of_another_project_are_qualified() -> None:
    command = read('CREATE MODEL fraud.m FROM MODEL fraud."odd one"@3 ALIAS champion')
    assert printed(command, "fraud") == 'CREATE MODEL m FROM MODEL "odd one"@3 ALIAS champion'
    assert printed(command, "p") == 'CREATE MODEL fraud.m FROM MODEL fraud."odd one"@3 ALIAS champion'


def test_a_secret_is_not_printed() -> None:
    command = SetSecret(project="p", name="key", value="it's secret")
    assert printed(command, "p") == "SET SECRET key = $value"
    assert printed(command, "p", secrets=True) == "SET SECRET key = 'it''s secret'"


def test_plain_sql_and_inserts_are_printed() -> None:
    assert printed(read("SELECT 'x;y' -- tail"), "p") == "SELECT 'x;y'"
    insert = InsertFeatures(ref=Ref("p", "odd set"), query=Query("VALUES (1, 2)"), columns=("a", "select"))
    assert printed(insert, "p") == 'INSERT INTO "odd set" (a, "select") VALUES (1, 2)'


def test_intervals_are_exact() -> None:
    from mlbox.sql.writing import interval

    shown = {
        timedelta(days=2): "2 days",
        timedelta(minutes=90): "90 minutes",
        timedelta(microseconds=1): "1 microseconds",
    }
    for length, words in shown.items():
        assert interval(length) == f"INTERVAL '{words}'"
