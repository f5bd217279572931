"""Scripts cut into statements, and statements turned into commands."""

from __future__ import annotations

import pytest

from mlbox.base.command import Parser, RunSql
from mlbox.base.errors import StatementError
from mlbox.base.names import Ref
from mlbox.engine.runs.commands import StartRun
from mlbox.sql.script import SqlParser, parse, split

PARSER: Parser = SqlParser()


def texts(script: str) -> list[str]:
    return [statement.text for statement in split(script)]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        (" \n;; -- only; a comment\n/* ; */ ;", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1;SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("-- first\nSELECT 1; -- then; this\nRUN f;", ["SELECT 1", "RUN f"]),
        ("SELECT ';', \"a;b\", $$;$$; RUN f", ["SELECT ';', \"a;b\", $$;$$", "RUN f"]),
        ("SELECT 1 /* ; */ + 1; SELECT 2", ["SELECT 1 /* ; */ + 1", "SELECT 2"]),
        ("RUN f WITH (a = ';'); RUN g", ["RUN f WITH (a = ';')", "RUN g"]),
        (
            "CREATE WORKFLOW w AS (STEP a AS (RUN f;), STEP b AS (SELECT 1;)); SELECT 3",
            ["CREATE WORKFLOW w AS (STEP a AS (RUN f;), STEP b AS (SELECT 1;))", "SELECT 3"],
        ),
        ("RUN f WITH (a = 1; SELECT 2; SELECT 3", ["RUN f WITH (a = 1", "SELECT 2", "SELECT 3"]),
        ("RUN f); SELECT 2", ["RUN f)", "SELECT 2"]),
        ("SELECT 'é'; SELECT '日本' ; RUN ü", ["SELECT 'é'", "SELECT '日本'", "RUN ü"]),
        ("SELECT 'never closed; RUN f", ["SELECT 'never closed; RUN f"]),
    ],
)
def test_scripts_are_cut_at_the_right_semicolons(script: str, expected: list[str]) -> None:
    found = split(script)
    assert [statement.text for statement in found] == expected
    for statement in found:
        assert script[statement.offset : statement.offset + len(statement.text)] == statement.text
        assert statement.source == script


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("SHOW RUNS", True),
        ("show feature  sets", True),
        ("SHOW runs.x", False),
        ("SHOW TABLES", False),
        ("DROP FUNCTION f", True),
        ("DROP SECRET s", True),
        ("DROP SECRET s FROM local_file", False),
        ("CREATE FUNCTION f FROM 'x'", True),
        ("CREATE FUNCTION IF NOT EXISTS a.b FROM 'x'", True),
        ("CREATE FUNCTION f(x) AS x", False),
        ("CREATE OR REPLACE FUNCTION a.f(x) AS x", False),
        ("USE a", True),
        ("SET schema = 'x'", True),
        ("SET threads = 1", False),
        ("SET SECRET a = 'x'", True),
        ("DESCRIBE model", False),
        ("DESCRIBE model m", True),
        ("INSTALL function", False),
        ("INSTALL FUNCTION f", True),
        ("EXPLAIN ANALYZE RUN f", True),
        ("EXPLAIN SELECT 1", False),
        ("INSERT INTO feature_set VALUES (1)", False),
        ("CREATE TABLE model (a INT)", False),
        ('"RUN" f', False),
    ],
)
def test_what_is_ours(text: str, ours: bool) -> None:
    assert split(text)[0].ours is ours


def test_errors_point_into_the_script() -> None:
    script = "SELECT 'é';\n\n  RUN f\n    WTIH (a = 1)"
    with pytest.raises(StatementError) as caught:
        parse(split(script)[1], "p")
    where = caught.value.where
    assert where is not None
    assert (where.line, where.column, where.text) == (4, 5, "    WTIH (a = 1)")
    assert script[where.offset :].startswith("WTIH")


def test_errors_in_a_step_point_into_the_script() -> None:
    script = "SELECT 1;\nCREATE WORKFLOW w AS (\n  STEP a AS (RUN f),\n  STEP b AS (CREATE MODLE m)\n)"
    with pytest.raises(StatementError) as caught:
        parse(split(script)[1], "p")
    where = caught.value.where
    assert where is not None
    assert (where.line, where.column) == (4, 21)
    assert caught.value.hint == "did you mean CREATE MODEL?"


def test_names_without_a_project_are_of_the_given_one() -> None:
    command = PARSER.parse_one("RUN train FROM other.rows", "fraud", {})
    assert isinstance(command, StartRun)
    assert command.function == Ref("fraud", "train")
    assert command.source is not None
    assert command.source.ref == Ref("other", "rows")


def test_plain_sql_keeps_its_parameters() -> None:
    command = PARSER.parse_one("SELECT $a", "p", {"a": 1, "b": 2})
    assert isinstance(command, RunSql)
    assert (command.query.text, command.project, command.parameters) == ("SELECT $a", "p", {"a": 1})


@pytest.mark.parametrize(("text", "column"), [("", 1), (" -- nothing", 1), ("RUN a; RUN b", 8)])
def test_parse_one_wants_one_statement(text: str, column: int) -> None:
    with pytest.raises(StatementError) as caught:
        PARSER.parse_one(text, "p", {})
    assert caught.value.where is not None
    assert caught.value.where.column == column


def test_parameters_may_be_left_open_when_a_statement_is_only_checked() -> None:
    statement = split("RUN $f") + split("RUN f WITH (a = $a) TIMEOUT $t RETRY ? SWEEP (b BETWEEN 2 AND $c) MAXIMIZE m")
    assert isinstance(parse(statement[1], "p", tolerant=True), StartRun)
    with pytest.raises(StatementError):
        parse(statement[1], "p")
    with pytest.raises(StatementError):  # a name is never a parameter
        parse(statement[0], "p", tolerant=True)


def test_a_long_plain_statement_is_not_cut_into_tokens() -> None:
    rows = ", ".join(f"({number}, 'it''s; {number}')" for number in range(20_000))
    text = f"INSERT INTO t VALUES {rows}"
    (statement,) = split(text + ";")
    assert statement.text == text
    assert not statement.ours


@pytest.mark.parametrize(
    "text", ["RUN f WITH (a = " + "[" * 5000 + "]" * 5000 + ")", "EXPLAIN " * 3000 + "RUN f", "RUN f AS '\ud800'"]
)
def test_hostile_texts_are_the_users_error(text: str) -> None:
    with pytest.raises(StatementError):
        PARSER.parse_one(text, "p", {})
