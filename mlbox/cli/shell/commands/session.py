"""Where the shell is connected, and scripts: ``.open``, ``.read``, ``.quit``."""

from __future__ import annotations

from pathlib import Path

from mlbox.base.errors import Invalid, MlboxError
from mlbox.cli.door import door_to
from mlbox.cli.scripts import read_script
from mlbox.cli.shell.files import files
from mlbox.cli.shell.script import run_script
from mlbox.cli.shell.state import DotCommand, Leave, Shell, dot_command


def _open(shell: Shell, words: list[str]) -> None:
    if words:
        shell.reopen(door_to(words[0]))
    print(shell.door.place)


def _read(shell: Shell, words: list[str]) -> None:
    if not words:
        raise Invalid(".read takes a file", hint=".read script.sql")
    try:
        run_script(shell, read_script(Path(words[0]).expanduser()))
    except MlboxError as error:
        if error.where and "script" not in error.details:
            error.message = f"{words[0]}, line {error.where.line}: {error.message}"
            error.details = {**error.details, "script": words[0]}
        raise


def _quit(shell: Shell, words: list[str]) -> None:
    raise Leave


dot_command(
    DotCommand(
        ".open",
        "[HOME|URL]",
        "go to another home or server; without one, say which it is",
        _open,
        lambda shell, begun: files(begun),
        terminal_only=True,
    )
)
dot_command(DotCommand(".read", "FILE", "run the statements of a file", _read, lambda shell, begun: files(begun)))
dot_command(DotCommand(".quit", "", "leave (Ctrl-D too)", _quit))
dot_command(DotCommand(".exit", "", "the same as .quit", _quit))
