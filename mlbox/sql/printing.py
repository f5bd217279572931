"""Commands as statements: ``printed(command, project)`` reads back as the same command."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from mlbox.base.command import Command, RunSql
from mlbox.base.errors import Internal
from mlbox.engine.features.commands import InsertFeatures
from mlbox.sql.grammar import REGISTRY
from mlbox.sql.writing import Writer, line, names

Prints = Callable[[Any, Writer], str]


@cache
def printers() -> dict[type[Command], Prints]:
    """How each command is printed; the statements of a noun bring theirs."""
    found: dict[type[Command], Prints] = {RunSql: _plain, InsertFeatures: _insert}
    for _, syntax in REGISTRY:
        found.update(syntax.prints)
    return found


def printed(command: Command, project: str, *, secrets: bool = False) -> str:
    """The statement of ``command`` as one writes it in ``project``; secrets only with ``secrets``."""
    printer = printers().get(type(command))
    if printer is None:
        raise Internal(f"{type(command).__name__} has no spelling")
    return printer(command, Writer(project, secrets=secrets))


def _plain(command: RunSql, write: Writer) -> str:
    return command.query.text


def _insert(command: InsertFeatures, write: Writer) -> str:
    return line(
        "INSERT INTO", write.ref(command.ref), names(command.columns) if command.columns else "", command.query.text
    )
