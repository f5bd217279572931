"""What the line editor asks of the shell at every key: colours, whether the entry is finished, what to offer."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbox.cli.shell import colour
from mlbox.cli.shell.completing import offers
from mlbox.cli.shell.files import files
from mlbox.cli.shell.loop import finished
from mlbox.cli.shell.state import DOT_COMMANDS, Shell
from mlbox.sql.lookup import NoLookup

PIECES = st.sampled_from(
    ["SELECT", "CREATE MODEL m", "FROM", "'a", "'", '"', "$$", "--", "/*", "*/", ";", "(", ")", "\n", "\t", " ",
     "\u00a0", "ü", "日本", "\ud800", "1.5", "$x", "?", ".mode", "E'\\", "::", "RUN f AS (", "\x00"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map("".join))
def test_no_text_breaks_the_line_editor(text: str) -> None:
    assert "".join(part[1] for part in colour.styled(text)) == text
    assert finished(text) in (True, False)


def test_keywords_of_ours_are_coloured_in_our_statements_only() -> None:
    ours = {text: style for style, text, *_ in colour.styled("CREATE ENDPOINT e USING MODEL m@1; -- done")}
    assert ours["ENDPOINT"] == ours["USING"] == ours["MODEL"] == colour.OURS
    assert ours["-- done"] == colour.COMMENT
    plain = {text: style for style, text, *_ in colour.styled("SELECT model, 'x', 1.5 FROM endpoint")}
    assert plain["SELECT"] == colour.KEYWORD and plain["model"] == plain["endpoint"] == ""
    assert plain["'x'"] == colour.STRING and plain["1.5"] == colour.NUMBER


@pytest.mark.parametrize(
    ("text", "is_finished"),
    [
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT ';", False),
        ("SELECT 1 -- ;", False),
        ("CREATE WORKFLOW w AS (STEP a AS (SELECT 1);", False),
        ("CREATE WORKFLOW w AS (STEP a AS (SELECT 1);\n", True),
        (".tables", True),
        ("\\d", True),
        ("quit", True),
        ("", True),
    ],
)
def test_when_enter_hands_an_entry_over(text: str, is_finished: bool) -> None:
    assert finished(text) is is_finished


class Nowhere:
    """A door that is never gone through."""


@pytest.fixture
def shell() -> Shell:
    return Shell(Nowhere())


def offered(shell: Shell, text: str) -> list[str]:
    return [offer.text for offer in offers(shell, text, NoLookup())]


def test_files_are_offered_where_a_file_is_named(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "orders.csv").touch()
    (tmp_path / ".hidden").touch()
    assert offered(shell, "FROM 'da") == ["data/"]
    assert offered(shell, "SELECT * FROM read_csv('data/o") == ["data/orders.csv"]
    assert offered(shell, "CREATE FUNCTION f FROM 'data/") == ["data/orders.csv"]
    assert offered(shell, "SELECT 'da") == []
    assert files(f"{tmp_path}/d") == [f"{tmp_path}/data/"]
    assert files("nowhere/") == [] and files("") == ["data/"] and files(".h") == [".hidden"]


def test_dot_commands_and_their_arguments_are_offered(shell: Shell) -> None:
    assert offered(shell, ".ma") == [".maxrows"]
    assert offered(shell, ".mode nd") == ["ndjson"]
    assert "CREATE ENDPOINT" in offered(shell, ".help create e")
    assert offered(shell, ".nothing x") == []
    assert all(command.summary and name == command.name for name, command in DOT_COMMANDS)
