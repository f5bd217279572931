"""A command line that cannot be read is the user's error: exit status 1."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import Terminal

from mlbox.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sqll"], "hint: did you mean sql?"),
        (["sql", "-f", "x.sql"], "unrecognized arguments: -f\nhint: -f is an option of mlbox logs"),
        (["up", "--prot", "3"], "unrecognized arguments: --prot 3\nhint: did you mean --port"),
        (["up", "--port", "many"], "invalid int value: 'many'"),
        (["sql", "--format", "xml"], "invalid choice: 'xml'"),
        (["logs"], "the following arguments are required"),
    ],
)
def test_a_mistyped_command_line_ends_with_1(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    told = capsys.readouterr().err
    assert caught.value.code == 1
    assert told.startswith("usage: mlbox") and says in told


def test_help_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert ".help CREATE MODEL" in capsys.readouterr().out


def test_settings_are_explained_by_name(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    home = ["--home", str(tmp_path)]
    assert main([*home, "config", "explain", "pg-port"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main([*home, "config"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 20
    assert main([*home, "config", "explain", "prot"]) == 1
    assert "did you mean port" in capsys.readouterr().err


def test_an_unknown_variable_is_noted(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLBOX_PROT", "1")
    main(["--home", str(tmp_path), "doctor"])
    assert "MLBOX_PROT is no setting; did you mean MLBOX_PORT" in capsys.readouterr().out
    assert main(["--home", str(tmp_path), "status"]) == 0
    assert f"start it with: mlbox --home {tmp_path} up" in capsys.readouterr().out


def test_an_error_in_a_script_names_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = tmp_path / "s.sql"
    script.write_text("SELECT 1;\nSELECT * FORM t;\n")
    assert main(["--home", str(tmp_path / "home"), "sql", str(script)]) == 1
    told = capsys.readouterr().err
    assert f"{script}, line 2: syntax error" in told and "did you mean FROM?" in told


def test_without_a_verb_the_first_steps_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    told = capsys.readouterr().out
    assert "first steps:" in told and "mlbox up" in told


COMPLETED = {
    "bash": 'eval "$(cat)"; for line in "mlbox sq" "mlbox sql --format js" "mlbox --home /tmp up --po"; do '
    'COMP_WORDS=($line); COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )); _mlbox; echo "${COMPREPLY[*]}"; done',
    "fish": "source -; for line in 'mlbox sq' 'mlbox sql --format js' 'mlbox up --po'; "
    "complete -C $line | string split -f1 \\t; end",
}


@pytest.mark.parametrize("shell", COMPLETED)
def test_shells_complete_verbs_options_and_values(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    done = subprocess.run(
        [shell, "-c", COMPLETED[shell]], input=script, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["sql", "json", "--port"]


def test_zsh_completes_by_the_tab_key(tmp_path: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    program = f'eval "$({sys.executable} -m mlbox completion zsh)"; PS1="ready> "\r'
    with Terminal("-f", "-i", program=("zsh",), environment={"HOME": str(tmp_path)}) as zsh:
        zsh.enter("autoload -U compinit && compinit -u -D")
        zsh.enter(program)
        zsh.wait_for("\nready>")
        zsh.send("mlbox sql --format js\t")
        zsh.wait_for("mlbox sql --format json")
