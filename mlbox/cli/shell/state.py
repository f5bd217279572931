"""What the shell remembers between two lines, and the dot commands that change it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.registry import Registry
from mlbox.base.suggest import did_you_mean
from mlbox.cli.conduct import Conducted
from mlbox.cli.progress import watcher
from mlbox.cli.render import FORMS, Layout, print_result

if TYPE_CHECKING:
    from mlbox.cli.door import Door


class Leave(Exception):
    """The shell is to be left."""


@dataclass
class Shell:
    """A session of statements and dot commands: where it is connected and how it prints."""

    door: Door
    form: str = "box"
    layout: Layout = field(default_factory=Layout)
    interrupted: bool = False
    """Whether Ctrl-C asked for the end of the last statements."""
    nested: int = 0
    """How many scripts read one another at the moment."""
    _doors: ExitStack = field(default_factory=ExitStack)
    _file: TextIO | None = None

    @property
    def out(self) -> TextIO:
        """Where results go."""
        return self._file or sys.stdout

    def run(self, text: str) -> None:
        """Carry out a script and print its results as they come; raises ``MlboxError``."""
        conducted = Conducted(self.door, text, arrow=self.form == "arrow")
        try:
            for result in conducted.results(watcher(self.door, text)):
                print_result(result, self.form, self.out, self.layout)
                self.out.flush()
                if self.layout.timer and self.form != "box":
                    print(f"{result.get('elapsed_ms', 0):.1f} ms", file=sys.stderr)
        finally:
            self.interrupted = conducted.interrupted

    def reopen(self, door: AbstractContextManager[Door]) -> None:
        """Go through another door; the former stays when this one does not open."""
        opened = ExitStack()
        entered = opened.enter_context(door)
        self._doors.close()
        self._doors, self.door = opened, entered

    def send_to(self, path: str | None) -> None:
        """Results go to a file, or to the terminal again."""
        file = None
        if path is not None:
            try:
                file = open(path, "w", encoding="utf-8")  # closed when the output changes
            except OSError as error:
                raise Invalid(f"{path} cannot be written: {error.strerror}") from None
        if self._file is not None:
            self._file.close()
        self._file = file
        if file is None and self.form == "arrow" and sys.stdout.isatty():
            self.form = "box"

    def choose(self, form: str) -> None:
        """Print in another form."""
        if form == "arrow" and self._file is None and sys.stdout.isatty():
            raise Invalid("arrow is bytes, which a terminal cannot show", hint="send them to a file: .output FILE")
        if form not in FORMS:
            raise Invalid(f"there is no form {form!r}", hint=f"known: {', '.join(FORMS)}")
        self.form = form

    def close(self) -> None:
        """At the end."""
        if self._file is not None:
            self._file.close()
        self._doors.close()


@dataclass(frozen=True, slots=True)
class DotCommand:
    """A command of the shell itself; ``run`` gets the words after its name and raises ``UserError``."""

    name: str
    usage: str
    """The arguments, as help shows them."""
    summary: str
    run: Callable[[Shell, list[str]], None]
    complete: Callable[[Shell, str], Iterable[str]] | None = None
    """What may stand at the place of a begun argument."""
    terminal_only: bool = False
    """Whether scripts may not have it."""


DOT_COMMANDS: Registry[DotCommand] = Registry("dot command", "mlbox.cli.shell.commands")
"""By name, with the dot; a file of ``cli/shell/commands`` adds one."""


def dot_command(command: DotCommand) -> DotCommand:
    """Register a dot command."""
    return DOT_COMMANDS.add(command.name, command)


def run_dot(shell: Shell, text: str) -> None:
    """Carry out one dot command with its arguments; raises ``MlboxError``, and ``Leave`` at the end."""
    try:
        name, *words = shlex.split(text)
    except ValueError as error:
        raise Invalid(f"the line cannot be read: {error}") from None
    name = name.rstrip(";")
    if name not in DOT_COMMANDS:
        hint = did_you_mean(name, DOT_COMMANDS.names()) or ".help lists them"
        raise NotFound(f"there is no command {name}", hint=hint)
    DOT_COMMANDS.get(name).run(shell, words)
