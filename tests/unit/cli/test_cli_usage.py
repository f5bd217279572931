"""A command line that cannot be read is the user's error: exit status 1."""

from __future__ import annotations

import pytest

from mlbox.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sqll"], "invalid choice: 'sqll'"),
        (["up", "--prot", "3"], "unrecognized arguments: --prot 3"),
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
