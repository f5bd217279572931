"""The interactive shell as a person has it: real keys on a real pseudo-terminal, read from its screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import Terminal


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home's and a user's folder for the shells of this file, which follow each other."""
    return tmp_path_factory.mktemp("shell")


def opened(place: Path, *arguments: str) -> Terminal:
    return Terminal(
        *("--home", str(place / (arguments[0] if arguments else "home")), "sql"),
        environment={"XDG_STATE_HOME": str(place / "state")},
        folder=place,
    )


@pytest.fixture(scope="module")
def shell(place: Path) -> Iterator[Terminal]:
    with opened(place) as running:
        running.wait_for(".quit leaves")
        yield running
        running.prompt()
        running.enter(".quit")
        assert running.leave() == 0


def test_rows_come_as_a_box_with_their_time(shell: Terminal) -> None:
    told = shell.ask("SELECT 1 AS number, 'x' AS word;")
    assert "│      1 │ x    │" in told
    assert "1 row  ·  " in told and told.endswith(" ms")


def test_a_statement_may_span_lines_and_brackets_hold_semicolons(shell: Terminal) -> None:
    shell.prompt()
    shell.enter("SELECT 40 +")
    shell.wait_for("   ...")
    shell.enter("2 AS answer;")
    assert "42" in shell.prompt()
    shell.enter("EXPLAIN CREATE WORKFLOW w AS (STEP a AS (SELECT 1);")
    shell.enter(");")
    assert "expected" in shell.prompt() or "create" in shell.text  # both lines are one statement
    assert "unclosed" not in shell.text


def test_an_error_points_into_the_line_of_the_user(shell: Terminal) -> None:
    told = shell.ask("SELECT 1 AS a, nix FROM ml.runs;").splitlines()
    line = next(index for index, text in enumerate(told) if text.startswith("  1 | SELECT"))
    assert told[line + 1].index("^") == told[line].index("nix")
    assert told[0].startswith("error: ")
    assert "│ 1 │" in shell.ask("SELECT 1 AS a;")  # and goes on


def test_dot_commands_change_how_rows_look(shell: Terminal) -> None:
    shell.ask(".timer off")
    shell.ask(".mode line")
    assert shell.ask("SELECT 1 AS a, 'two' AS second;").splitlines()[-2:] == ["     a = 1", "second = two"]
    shell.ask(".mode ndjson")
    assert '{"a": 1}' in shell.ask("SELECT 1 AS a;")
    assert "arrow is bytes" in shell.ask(".mode arrow")
    shell.ask(".mode box")
    shell.ask(".maxrows 6")
    assert "… 16 more rows" in shell.ask("FROM range(20);")
    assert "whole number" in shell.ask(".maxrows many")
    told = shell.ask("SELECT 1 AS a;")
    assert told.endswith("1 row")
    shell.ask(".timer on")


def test_a_mistyped_command_gets_a_suggestion(shell: Terminal) -> None:
    assert "did you mean .mode?" in shell.ask(".mod csv")
    assert "did you mean" in shell.ask(".help CREATE MODLE")
    assert "cannot be read" in shell.ask(".read 'open")


def test_help_is_the_grammar_of_the_reference(shell: Terminal) -> None:
    told = shell.ask(".help create project")
    assert "CREATE [OR REPLACE] PROJECT [IF NOT EXISTS] name" in told
    assert ".tables [PATTERN]" in shell.ask(".help")


def test_tables_and_their_columns(shell: Terminal) -> None:
    shell.ask("CREATE TABLE invoices AS SELECT 1 AS id, 2.5 AS amount;")
    assert shell.ask(".tables invo*").splitlines()[-1] == "default.invoices"
    told = shell.ask(".schema invoices").splitlines()
    assert told[-3:] == ["default.invoices", "  id      INTEGER", "  amount  DECIMAL(2,1)"]
    assert "did you mean default.invoices" in shell.ask(".schema invoicse")
    assert "  state " in shell.ask(".schema ml.runs")


def test_results_go_to_a_file_and_scripts_come_from_one(shell: Terminal, place: Path) -> None:
    (place / "two.sql").write_text("SELECT 7 AS seven;\nSELECT\n nix;\n")
    shell.ask(".output out.csv")
    shell.ask(".mode csv")
    told = shell.ask(".read two.sql")
    assert "  3 |  nix;" in told
    shell.ask(".output")
    shell.ask(".mode box")
    assert (place / "out.csv").read_text() == "seven\n7\n"
    assert "did you mean two.sql?" in shell.ask(".read twoo.sql")


def test_completion_offers_tables_columns_files_and_statements(shell: Terminal, place: Path) -> None:
    shell.ask("CREATE TABLE shipments AS SELECT 1 AS weight_in_grams;")
    (place / "harbour.csv").write_text("a\n1\n")
    for typed, offered in (
        ("SELECT * FROM shipm", "shipments"),
        ("SELECT weight FROM shipments WHERE weight_in", "weight_in_grams"),
        ("CREATE ENDP", "ENDPOINT"),
        ("FROM read_csv('harb", "harbour.csv"),
        (".max", ".maxrows"),
    ):
        shell.prompt()
        shell.send(typed)
        shell.wait_below(offered)
        shell.send("\x03")
    shell.prompt()
    shell.send("FROM shipm")
    shell.wait_below("shipments")
    shell.send("\t;\r")
    assert "│ weight_in_grams │" in shell.prompt()


def test_ctrl_c_ends_the_statement_and_not_the_shell(shell: Terminal) -> None:
    shell.prompt()
    shell.enter("SELECT count(*) FROM range(1000000) a, range(10000000) b WHERE a.range * b.range = 7;")
    shell.wait_for("Ctrl-C cancels")
    shell.send("\x03")
    shell.wait_for("error: the statement was cancelled")
    assert "still here" in shell.ask("SELECT 'still here' AS told;")


def test_ctrl_c_at_an_empty_prompt_tells_how_to_leave(shell: Terminal) -> None:
    shell.ask("SELECT 1;")
    shell.send("\x03")
    shell.prompt()
    assert "Ctrl-D leaves" not in shell.text
    shell.send("\x03")
    shell.wait_for("(.quit or Ctrl-D leaves)")


def test_history_outlives_the_shell_and_keeps_no_secret(place: Path) -> None:
    with opened(place, "second") as first:
        first.wait_for(".quit leaves")
        for kept_from_it in (
            "SET SECRET key = 'hunter2';",
            "create or  replace profile lake TYPE http WITH (token = 'hunter2');",
            "CREATE /* of the lake */ PROFILE other TYPE http WITH (token = 'hunter2');",
        ):
            first.ask(kept_from_it)
            first.prompt()
        first.enter("SELECT 'remembered'")
        first.enter("AS word;")
        first.prompt()
        first.send("\x04")
        assert first.leave() == 0
    assert "hunter2" not in (place / "state/mlbox/history").read_text()
    with opened(place, "second") as second:
        second.wait_for(".quit leaves")
        second.prompt()
        second.send("\x1b[A")
        second.wait_for("AS word;")
        second.send("\r")
        assert "│ remembered │" in second.prompt()
        second.send("\x04")
        assert second.leave() == 0


def test_another_home_is_opened_and_a_wrong_one_leaves_the_first(place: Path) -> None:
    with opened(place, "second") as one:
        one.wait_for(".quit leaves")
        one.ask(".mode csv")
        assert "is not a home of mlbox" in one.ask(".open nowhere")
        assert "does not answer" in one.ask(".open http://127.0.0.1:9")
        assert str(place / "second") in one.ask(".open").replace("\n", "")
        one.send("\x04")
        assert one.leave() == 0
