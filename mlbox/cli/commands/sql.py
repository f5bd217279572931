"""``mlbox sql``: statements from the command line, a file, standard input, or a shell."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.suggest import did_you_mean

HELP = "run SQL: a text, a file, standard input, or an interactive shell"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("file", nargs="?", help="a script, or - for standard input; without it a shell")
    parser.add_argument("-c", "--command", metavar="TEXT", help="the statements themselves")
    parser.add_argument("--project", default="default", help="where names without a project are looked up")
    parser.add_argument(
        "--format",
        choices=("box", "csv", "json", "ndjson", "markdown"),
        help="form of the rows (default: box on a terminal, else csv)",
    )
    parser.add_argument("--json", action="store_true", help="the same as --format json, errors too")


def run(arguments: argparse.Namespace) -> int:
    """Each result is printed as soon as it is there; the first error ends the script."""
    from mlbox.cli.door import open_door
    from mlbox.cli.render import print_result

    text = _text(arguments)
    form = "json" if arguments.json else arguments.format or ("box" if sys.stdout.isatty() else "csv")
    with open_door(arguments, arguments.project) as door:
        if text is None:
            from mlbox.cli.shell import shell

            return shell(door, arguments.format or "box")
        for result in door.run(text):
            print_result(result, form)
            sys.stdout.flush()
    return 0


def _text(arguments: argparse.Namespace) -> str | None:
    if arguments.command is not None and arguments.file is not None:
        raise Invalid("give either -c TEXT or a file, not both")
    if arguments.command is not None:
        return str(arguments.command)
    if arguments.file == "-" or (arguments.file is None and not sys.stdin.isatty()):
        return sys.stdin.read()
    if arguments.file is None:
        return None
    path = Path(arguments.file)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        folder = path.parent if path.parent.is_dir() else Path.cwd()
        known = [entry.name for entry in folder.glob("*.sql")]
        raise NotFound(
            f"there is no file {path}", hint=did_you_mean(path.name, known) or "to run a text, use: mlbox sql -c 'TEXT'"
        ) from None
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None
