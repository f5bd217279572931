"""Dot commands between the statements of a script: a file, standard input, ``.read``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from fresh_home import fresh_home

from mlbox.cli.main import main
from mlbox.cli.shell.script import parts


class Script:
    """``mlbox sql`` of a text on a home of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.folder, self._capsys, self._patch = folder, capsys, patch

    def run(self, text: str, *more: str, piped: bool = False) -> tuple[int, str, str]:
        script = self.folder / "script.sql"
        script.write_text(text)
        self._patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        named = "-" if piped else "script.sql"
        status = main(["--home", str(self.folder / "home"), "sql", named, *more])
        told = self._capsys.readouterr()
        return status, told.out, told.err


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scripts")
    fresh_home(folder / "home")
    return folder


@pytest.fixture
def script(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.chdir(home)
    return Script(home, capsys, monkeypatch)


@pytest.mark.parametrize("piped", [False, True])
def test_forms_change_between_statements(script: Script, piped: bool) -> None:
    text = "SELECT 1 AS a;\n.mode json\nSELECT 2 AS b;\n.timer on\n.mode csv\nSELECT 3 AS c"
    status, out, err = script.run(text, piped=piped)
    assert status == 0
    assert out == 'a\n1\n[\n  {\n    "b": 2\n  }\n]\nc\n3\n'
    assert err.endswith(" ms\n") and err.count("ms") == 1


def test_read_output_and_quit(script: Script) -> None:
    Path("inner.sql").write_text(".mode ndjson\nSELECT 7 AS x;\n")
    text = ".read inner.sql\n.output rows.csv\n.mode csv\nSELECT 8 AS y;\n.output\n.quit\nnonsense;"
    status, out, _ = script.run(text)
    assert (status, out) == (0, '{"x": 7}\n')
    assert Path("rows.csv").read_text() == "y\n8\n"


def test_an_error_is_told_at_its_line(script: Script) -> None:
    status, out, err = script.run("SELECT 1 AS a;\n.mode json\n\nSELECT nope;\nSELECT 2")
    assert status == 1 and out == "a\n1\n"
    assert "script.sql, line 4: there is no column nope" in err and "4 | SELECT nope;" in err
    status, _, err = script.run("SELECT 1;\n.mdoe json")
    assert status == 1 and "script.sql, line 2: there is no command .mdoe" in err and "did you mean .mode" in err
    Path("inner.sql").write_text("\nSELECT nope;\n")
    status, _, err = script.run(".read inner.sql")
    assert status == 1 and "error: inner.sql, line 2: there is no column nope" in err


def test_what_makes_no_sense_in_a_script_is_refused(script: Script) -> None:
    status, _, err = script.run("SELECT 1;\n.open elsewhere\nSELECT 2")
    assert status == 1 and ".open is for the shell on a terminal" in err and "--home" in err
    status, _, err = script.run(".mode json\nSELECT $a", "--param", "a=1")
    assert status == 1 and "--param is for scripts without dot commands" in err
    Path("self.sql").write_text(".read self.sql\n")
    status, _, err = script.run(".read self.sql")
    assert status == 1 and "scripts read one another" in err


@pytest.mark.parametrize(
    ("text", "dots"),
    [
        (".mode csv\nSELECT 1", [".mode csv"]),
        ("-- a note\n.mode csv\n;\n.timer on", [".mode csv", ".timer on"]),
        ("SELECT 1\n.mode csv", []),  # the statement before it has no end
        ("SELECT ';\n.mode csv\n';\n.width 3", [".width 3"]),
        ("SELECT 1; /*\n.mode csv\n*/ SELECT 2", []),
        ("SELECT 1;\n -- it's\n.mode csv\nSELECT 2", [".mode csv"]),
        ("CREATE WORKFLOW w AS (STEP a AS (SELECT 1;\n.mode csv\n)); SELECT 1", []),
        ("SELECT\n.5", []),
    ],
)
def test_which_lines_are_dot_commands(text: str, dots: list[str]) -> None:
    found = list(parts(text))
    assert [text[start:stop] for start, stop, is_dot in found if is_dot] == dots
    whole = "".join(text[start:stop] for start, stop, _ in found)
    assert whole.replace("\n", "") == text.replace("\n", "")
