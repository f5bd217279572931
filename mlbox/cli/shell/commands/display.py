"""How results are shown: ``.mode``, ``.timer``, ``.maxrows``, ``.width``, ``.output``."""

from __future__ import annotations

from mlbox.base.errors import Invalid
from mlbox.cli.render import FORMS
from mlbox.cli.shell.files import files
from mlbox.cli.shell.state import DotCommand, Shell, dot_command


def _mode(shell: Shell, words: list[str]) -> None:
    if words:
        shell.choose(words[0])
    else:
        print(f"{shell.form} (of {', '.join(FORMS)})")


def _timer(shell: Shell, words: list[str]) -> None:
    if words and words[0] not in ("on", "off"):
        raise Invalid(f"the timer is on or off, not {words[0]!r}")
    if words:
        shell.layout.timer = words[0] == "on"
    else:
        print("on" if shell.layout.timer else "off")


def _number(text: str, what: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise Invalid(f"{what} is a whole number of at least 1, not {text!r}")
    return int(text)


def _rows(shell: Shell, words: list[str]) -> None:
    if words:
        shell.layout.max_rows = _number(words[0], ".maxrows")
    else:
        print(shell.layout.max_rows)


def _width(shell: Shell, words: list[str]) -> None:
    if words:
        shell.layout.width = _number(words[0], ".width")
    else:
        print(shell.layout.width)


def _output(shell: Shell, words: list[str]) -> None:
    shell.send_to(words[0] if words else None)


dot_command(
    DotCommand(".mode", "[FORM]", "form of the rows: " + ", ".join(FORMS), _mode, lambda shell, begun: tuple(FORMS))
)
dot_command(
    DotCommand(".timer", "[on|off]", "show the time that a statement took", _timer, lambda shell, begun: ("on", "off"))
)
dot_command(DotCommand(".maxrows", "[N]", "rows that a box shows in full", _rows))
dot_command(DotCommand(".width", "[N]", "characters of a column where not all columns fit", _width))
dot_command(
    DotCommand(
        ".output",
        "[FILE]",
        "write results to a file; without one, to the terminal again",
        _output,
        lambda shell, begun: files(begun),
    )
)
