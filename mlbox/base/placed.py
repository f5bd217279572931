"""Values by name that know where they stand in the user's text: what is wrong with one is told with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import Any

from mlbox.base.command import Command
from mlbox.base.errors import Invalid, MlboxError, Where
from mlbox.base.object_stores import CREDENTIALS


class Placed(dict[str, Any]):
    """A dictionary that was read from a text; equal to any other of the same items."""

    def __init__(self, items: Mapping[str, Any] | None = None, source: str = "") -> None:
        super().__init__(items or {})
        self.source = source
        self.offsets: dict[str, int] = {}
        """Characters from the begin of ``source``, by name in lower case."""

    def where(self, name: str) -> Where | None:
        """The place of a name."""
        offset = self.offsets.get(name.lower())
        return None if offset is None else Where.at(self.source, offset)

    def folded(self) -> Placed:
        """The same with names in lower case."""
        found = Placed({name.lower(): value for name, value in self.items()}, self.source)
        found.offsets = self.offsets
        return found


def locate(error: MlboxError, command: Command) -> None:
    """Give an error about an option the place where the command's text has it; one that has a place keeps it.

    Of a text in which credentials stand it shows no line.
    """
    if error.where is None and error.option is not None:
        options = list(_placed(command))
        found = next((place for each in options if (place := each.where(error.option))), None)
        if found is not None and (command.private or any(map(_holds_credentials, options))):
            found = replace(found, text="")
        error.where = found


@contextmanager
def about(name: str) -> Iterator[None]:
    """What is wrong within is wrong with this option."""
    try:
        yield
    except Invalid as error:
        raise error.of_option(name) from None


def _holds_credentials(options: Placed) -> bool:
    return any(name.lower() in CREDENTIALS and isinstance(value, str) for name, value in options.items())


def _placed(value: object) -> Iterator[Placed]:
    if isinstance(value, Placed):
        yield value
    elif is_dataclass(value):
        for entry in fields(value):
            yield from _placed(getattr(value, entry.name))
