"""``mlbox sql``: statements from the command line, a file, standard input, or a shell."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Cancelled, Invalid, MlboxError

if TYPE_CHECKING:
    from mlbox.cli.door import Door

HELP = "run SQL: a text, a file, standard input, or an interactive shell"
INTERRUPTED = 130


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    from mlbox.cli.render import FORMS

    parser.add_argument("file", nargs="?", help="a script, or - for standard input; without it a shell")
    parser.add_argument("-c", "--command", metavar="TEXT", help="the statements themselves")
    parser.add_argument("--project", default="default", help="where names without a project are looked up")
    parser.add_argument(
        "--format", choices=tuple(FORMS), help="form of the rows (default: box on a terminal, else csv)"
    )
    parser.add_argument(
        "--param",
        action="append",
        metavar="[NAME=]VALUE",
        help="value of $NAME, or of the next ? or $1; JSON where it is some, else text; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="the same as --format json, errors too")


def run(arguments: argparse.Namespace) -> int:
    """Each result is printed as soon as it is there; the first error ends the script."""
    from mlbox.cli.conduct import Conducted
    from mlbox.cli.door import open_door
    from mlbox.cli.progress import watcher
    from mlbox.cli.render import print_error, print_result
    from mlbox.cli.shell.script import has_dots

    text = _text(arguments)
    form = "json" if arguments.json else arguments.format or ("box" if sys.stdout.isatty() else "csv")
    if form == "arrow" and sys.stdout.isatty():
        raise Invalid("arrow is bytes, which a terminal cannot show", hint="send them on: --format arrow > rows.arrow")
    with open_door(arguments, arguments.project) as door:
        if text is None:
            from mlbox.cli.shell.loop import shell

            return shell(door, arguments.format or "box")
        if arguments.command is None and has_dots(text):
            return _script(door, text, form, arguments)
        conducted = Conducted(door, text, _parameters(arguments.param), arrow=form == "arrow")
        try:
            for result in conducted.results(watcher(door, text)):
                print_result(result, form)
                sys.stdout.flush()
        except Cancelled as error:
            if not conducted.interrupted:
                raise
            print_error(error, as_json=arguments.json)
            return INTERRUPTED
        except MlboxError as error:
            _place(error, arguments)
            raise
    return 0


def _script(door: Door, text: str, form: str, arguments: argparse.Namespace) -> int:
    """Statements with dot commands between them; the first error ends both."""
    from mlbox.cli.render import Layout, print_error
    from mlbox.cli.shell.script import run_script
    from mlbox.cli.shell.state import Leave, Shell

    if arguments.param:
        raise Invalid("--param is for scripts without dot commands", hint="take .mode and its like out: --format csv")
    shell = Shell(door, form, Layout(timer=form == "box"))
    try:
        run_script(shell, text)
    except Leave:
        pass
    except Cancelled as error:
        if not shell.interrupted:
            raise
        print_error(error, as_json=arguments.json)
        return INTERRUPTED
    except MlboxError as error:
        _place(error, arguments)
        raise
    finally:
        shell.close()
    return 0


def _place(error: MlboxError, arguments: argparse.Namespace) -> None:
    """Say the file and the line where a person reads it."""
    if error.where and not arguments.json and arguments.file not in (None, "-") and "script" not in error.details:
        error.message = f"{arguments.file}, line {error.where.line}: {error.message}"


def _parameters(given: Sequence[str] | None) -> dict[str, Any] | list[Any] | None:
    """By name, or in their order."""
    if not given:
        return None
    pairs = [_NAMED.match(entry) for entry in given]
    if not any(pairs):
        return [_value(entry) for entry in given]
    if not all(pairs):
        raise Invalid("--param: some have names and some have none", hint="give all of them as NAME=VALUE")
    return {found[1]: _value(found[2]) for found in pairs if found}


_NAMED = re.compile(r"\$?([A-Za-z_]\w*)=(.*)\Z", re.DOTALL)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(arguments: argparse.Namespace) -> str | None:
    from mlbox.cli.scripts import read_script

    if arguments.command is not None and arguments.file is not None:
        raise Invalid("give either -c TEXT or a file, not both")
    if arguments.command is not None:
        return str(arguments.command)
    if arguments.file == "-" or (arguments.file is None and not sys.stdin.isatty()):
        return _standard_input()
    return None if arguments.file is None else read_script(Path(arguments.file))


def _standard_input() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"standard input is not UTF-8 text: {error.reason} at byte {error.start}") from None
