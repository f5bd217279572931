"""The interactive shell."""

from __future__ import annotations

from pathlib import Path

from mlbox.base.errors import MlboxError
from mlbox.cli.door import Door
from mlbox.cli.render import FORMATS, print_error, print_result

HELP = """\
Statements end with a semicolon and may span lines.
  .help [WORDS]   the syntax of a statement, or this text
  .mode FORM      box, csv, json, ndjson, markdown
  .quit           leave (Ctrl-D too); Ctrl-C drops what is typed"""


def _complete(text: str) -> bool:
    stripped = text.strip()
    words = ("quit", "exit", "help")
    return not stripped or stripped.startswith(".") or stripped.endswith(";") or stripped.lower() in words


def shell(door: Door, form: str) -> int:
    """Read, run, print, until the end of input."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.filters import Condition
    from prompt_toolkit.history import FileHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.lexers import PygmentsLexer
    from pygments.lexers.sql import SqlLexer

    keys = KeyBindings()
    history = Path("~/.local/state/mlbox/history").expanduser()
    history.parent.mkdir(parents=True, exist_ok=True)
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)), lexer=PygmentsLexer(SqlLexer), multiline=True, key_bindings=keys
    )

    @keys.add("enter", filter=Condition(lambda: _complete(session.default_buffer.text)))
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    print("mlbox SQL. End statements with a semicolon; .help helps, .quit leaves.")
    while True:
        try:
            text = session.prompt(f"{door.project}> ", prompt_continuation="   ... ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return 0
        word = text.rstrip(";").strip().lower()
        if word in ("quit", "exit", "help"):
            text = f".{word}"
        if text.startswith("."):
            if text.split()[0] in (".quit", ".exit"):
                return 0
            form = _dot(text, form)
            continue
        try:
            for result in door.run(text):
                print_result(result, form)
        except MlboxError as error:
            print_error(error)
        except KeyboardInterrupt:
            print("interrupted; the statement may go on at the server")


def _dot(text: str, form: str) -> str:
    words = text.split()
    if words[0] == ".mode":
        if len(words) == 2 and words[1] in FORMATS:
            return words[1]
        print(f"mode is {form}; known: {', '.join(FORMATS)}")
    elif words[0] == ".help":
        print(_help(" ".join(words[1:])) if len(words) > 1 else HELP)
    else:
        print(f"unknown command {words[0]}; .help lists them")
    return form


def _help(words: str) -> str:
    from mlbox.sql.statements import REGISTRY

    found = [syntax for name, syntax in REGISTRY if words.upper() in name.upper()]
    return "\n\n".join(f"{syntax.summary}\n{syntax.syntax}" for syntax in found) or f"there is no statement {words!r}"
