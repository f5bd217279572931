"""The command line. Each verb is a file of ``cli/commands``; this one finds them and renders errors."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import re
import sys
from types import ModuleType
from typing import NoReturn

from mlbox import __version__
from mlbox.base.errors import MlboxError

EPILOG = """\
first steps:
  mlbox demo                   an example from raw rows to monitored predictions
  mlbox up                     start the server and the dashboard; all state is in one folder
  mlbox import orders.csv      a file becomes a table
  mlbox sql                    the shell; .help tells more    mlbox sql -c 'SELECT 42'    one statement
  mlbox VERB --help            what a verb takes

exit status: 0 done, 1 your error, 2 ours, 130 interrupted
help on statements: in the shell (mlbox sql), .help CREATE MODEL   documentation: docs/index.md
"""


class _Parser(argparse.ArgumentParser):
    """A command line that cannot be read is the user's error, so it ends with 1; argparse's own status is 2."""

    def error(self, message: str) -> NoReturn:
        """Say how it is used and what was wrong."""
        from mlbox.base.suggest import nearest

        self.print_usage(sys.stderr)
        wrong = re.search(r"invalid choice: '(.*?)'|unrecognized arguments: (-[^ =]+)", message)
        hint = ""
        if wrong:
            word = wrong[1] or wrong[2]
            owners = [f"mlbox {name}" for name, child in self._verbs() if word in child._option_string_actions]
            close = nearest(word, self._words())
            if owners:
                hint = f"hint: {word} is an option of {', '.join(owners)}; mlbox VERB --help tells what a verb takes\n"
            elif close:
                hint = f"hint: did you mean {' or '.join(close)}?\n"
        self.exit(1, f"error: {message}\n{hint}")

    def _words(self) -> set[str]:
        """Options and values that this parser and those of its verbs know."""
        found: set[str] = set()
        for action in self._actions:
            found.update(action.option_strings)
            found.update(map(str, action.choices or ()))
        for _, child in self._verbs():
            found.update(child._option_string_actions)
        return found

    def _verbs(self) -> list[tuple[str, argparse.ArgumentParser]]:
        return [
            (name, child)
            for action in self._actions
            if isinstance(action, argparse._SubParsersAction)
            for name, child in action.choices.items()
        ]


def verbs() -> dict[str, ModuleType]:
    """Modules of the verbs, by name. A verb has ``HELP``, ``configure(parser)`` and ``run(arguments) -> int``; it is
    called as its file, or ``NAME`` where that is no name of a module."""
    package = importlib.import_module("mlbox.cli.commands")
    modules = [
        importlib.import_module(f"{package.__name__}.{found.name}") for found in pkgutil.iter_modules(package.__path__)
    ]
    named = {getattr(module, "NAME", module.__name__.rpartition(".")[2]): module for module in modules}
    return dict(sorted(named.items()))


def parser() -> argparse.ArgumentParser:
    """The whole command line, for parsing and for the reference page."""
    root = _Parser(
        prog="mlbox",
        description="The whole ML platform in one executable, driven by SQL.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    root.add_argument("--version", action="version", version=f"mlbox {__version__}")
    root.add_argument(
        "--home", metavar="DIR", help="folder of all state (default: .mlbox here or above, else ~/.mlbox)"
    )
    commands = root.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for name, module in verbs().items():
        child = commands.add_parser(
            name, help=module.HELP, description=module.HELP, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        module.configure(child)
        child.add_argument("--home", default=argparse.SUPPRESS, help=argparse.SUPPRESS)  # after the verb as well
        child.set_defaults(carry_out=module.run)
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    root = parser()
    parsed = root.parse_args(arguments)
    if parsed.verb is None:
        root.print_help()
        return 0
    try:
        return int(parsed.carry_out(parsed))
    except MlboxError as error:
        from mlbox.cli.render import print_error

        print_error(error, as_json=getattr(parsed, "json", False))
        return error.exit_status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError as error:
        if _reader_is_gone():
            return 0
        return _defect(error)
    except Exception as error:
        return _defect(error)


def _reader_is_gone() -> bool:
    """Whether who reads our output has stopped (``mlbox … | head``); then nobody is to be told."""
    import select

    output = sys.stdout.fileno()
    asked = select.poll()
    asked.register(output, select.POLLOUT)
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in asked.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def _defect(error: Exception) -> int:
    """What no verb expected is a defect of ours; ``MLBOX_DEBUG=1`` shows where."""
    from mlbox.base.errors import Internal
    from mlbox.cli.render import print_error

    if os.environ.get("MLBOX_DEBUG"):
        raise error
    told = Internal(
        f"mlbox failed: {type(error).__name__}: {error}", hint="MLBOX_DEBUG=1 shows where; please report it"
    )
    print_error(told)
    return told.exit_status


def run() -> None:
    """Entry point of the executable."""
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # native libraries complain on standard error when the interpreter takes them apart
