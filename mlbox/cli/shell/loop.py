"""The interactive shell: read, run, print, until the end of input."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.errors import MlboxError, NotFound
from mlbox.cli.door import Door
from mlbox.cli.render import print_error
from mlbox.cli.shell.state import Leave, Shell, run_dot
from mlbox.sql.lookup import SqlLookup

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import History
    from prompt_toolkit.key_binding import KeyPressEvent

BARE = ("quit", "exit", "help")
"""Words that mean the dot command of that name."""


def shell(door: Door, form: str) -> int:
    """Talk until the user leaves; the exit status."""
    state = Shell(door)
    if form != "box":
        state.choose(form)
    lookup = SqlLookup(lambda query: state.door.ask(query), lambda: state.door.project)
    session = _session(state, lookup)
    print(f"mlbox SQL on {door.place}\nStatements end with a semicolon; .help helps, .quit leaves.")
    idle = 0
    try:
        while True:
            try:
                text = session.prompt(lambda: f"{state.door.project}> ", prompt_continuation="   ... ").strip()
            except KeyboardInterrupt:
                idle += 1
                if idle > 1 and not session.default_buffer.text:
                    print("(.quit or Ctrl-D leaves)")
                continue
            except EOFError:
                return 0
            idle = 0
            try:
                execute(state, text)
            except Leave:
                return 0
            except MlboxError as error:
                print_error(error)
            except KeyboardInterrupt:
                print()
            lookup.forget()
    finally:
        state.close()


PSQL = {
    "\\?": ".help",
    "\\d": ".tables",
    "\\dt": ".tables",
    "\\h": ".help",
    "\\i": ".read",
    "\\q": ".quit",
    "\\timing": ".timer",
}
"""What users of psql type out of habit."""


def execute(state: Shell, text: str) -> None:
    """One entry: a dot command, or statements. Raises ``MlboxError``, and ``Leave`` at the end."""
    word = text.rstrip(";").strip().lower()
    if word in BARE:
        text = f".{word}"
    command, _, rest = text.strip().rstrip(";").partition(" ")
    if command in PSQL:
        text = f"{'.schema' if command.endswith('d') and rest else PSQL[command]} {rest}".strip()
    elif text.startswith("\\"):
        raise NotFound(f"there is no command {command}", hint="commands begin with a dot: .help lists them")
    if not text.startswith("."):
        state.run(text)
        return
    run_dot(state, text)


def finished(text: str) -> bool:
    """Whether Enter hands the text over: a dot command, or a semicolon outside of strings and brackets; behind a
    bracket that is never closed, a semicolon and an empty line."""
    from mlbox.sql.lexer import pieces

    stripped = text.strip()
    if not stripped or stripped.startswith((".", "\\")) or stripped.lower() in BARE:
        return True
    if not stripped.endswith(";"):
        return False
    try:
        cut = pieces(stripped)
    except MlboxError:
        return True
    if cut[-1].label != "operator":
        return False
    operators = "".join(stripped[piece.start : piece.stop] for piece in cut if piece.label == "operator")
    depth = sum(map(operators.count, "([{")) - sum(map(operators.count, ")]}"))
    return depth <= 0 or text.endswith("\n")


def _session(state: Shell, lookup: SqlLookup) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.key_binding import KeyBindings

    from mlbox.cli.shell.colour import sql_colours
    from mlbox.cli.shell.completing import completer

    keys = KeyBindings()
    session: PromptSession[str] = PromptSession(
        history=_history(),
        lexer=sql_colours(),
        completer=completer(state, lookup),
        multiline=True,
        key_bindings=keys,
        reserve_space_for_menu=6,
    )

    @keys.add("enter", filter=Condition(lambda: finished(session.default_buffer.text)))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return session


@cache
def private() -> re.Pattern[str]:
    """Statements in whose text credentials may stand."""
    from mlbox.sql.grammar import starts

    gap = r"(?:\s|/\*.*?\*/|--[^\n]*\n)+"
    texts = [gap.join(words) for words, syntax in starts().items() if syntax.private]
    texts = [text.replace("CREATE", f"CREATE(?:{gap}OR{gap}REPLACE)?", 1) for text in texts]
    return re.compile(rf"\b(?:{'|'.join(texts)})\b", re.I | re.S)


def history_file() -> Path:
    """Where the entries are kept (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "mlbox" / "history"


def _history() -> History:
    """Entries of former sessions; what holds a secret is not kept. Without a file that can be written, none."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    class Discreet(FileHistory):
        def store_string(self, string: str) -> None:
            if not private().search(string):
                super().store_string(string)

    path = history_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError:
        return InMemoryHistory()
    return Discreet(str(path))
