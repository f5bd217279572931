"""Completion in the line editor: the language's own, files inside quotes, and the dot commands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from mlbox.base.errors import MlboxError
from mlbox.cli.shell.files import files
from mlbox.cli.shell.state import DOT_COMMANDS, Shell

if TYPE_CHECKING:
    from prompt_toolkit.completion import Completer

    from mlbox.sql.lookup import Lookup

FILE_FOLLOWS = re.compile(r"(?:\b(?:FROM|TO|JOIN)\s*|\bread_\w+\s*\(\s*\[?\s*|,\s*)\Z|\bglob\s*\(\s*\Z", re.I)
"""What stands before a string that is the name of a file."""

WORTH = re.compile(r"(?:[\w.'/]|^\.\w+ )\Z")
"""What must have been typed for a menu to come unasked: a word, or a path, has begun."""


class Offer(NamedTuple):
    """A candidate that replaces the text from ``start`` on."""

    text: str
    start: int
    detail: str = ""


def offers(shell: Shell, text: str, lookup: Lookup) -> Iterable[Offer]:
    """What may stand at the end of ``text``."""
    if text.lstrip().startswith("."):
        yield from _dot_offers(shell, text.lstrip(), len(text) - len(text.lstrip()))
        return
    begun = _begun_file(text)
    from mlbox.sql.complete import complete

    found = complete(text, len(text), lookup)
    for candidate in found.candidates:
        yield Offer(candidate.text, found.start, candidate.detail or candidate.kind)
    if begun is not None and not found.candidates:
        for name in files(begun):
            yield Offer(name, len(text) - len(begun), "folder" if name.endswith("/") else "file")


def _begun_file(text: str) -> str | None:
    """The string at the end of ``text`` as far as it is typed, where it is the name of a file."""
    from mlbox.sql.lexer import pieces, string_closed

    cut = pieces(text)
    if not cut or cut[-1].label != "string":
        return None
    opened = text[cut[-1].start :]
    if not opened.startswith("'") or string_closed(opened):
        return None
    return opened[1:] if FILE_FOLLOWS.search(text[: cut[-1].start]) else None


def _dot_offers(shell: Shell, line: str, indent: int) -> Iterable[Offer]:
    name, space, rest = line.partition(" ")
    if not space:
        for known, command in DOT_COMMANDS:
            if known.startswith(name):
                yield Offer(known, indent, command.summary)
        return
    if name not in DOT_COMMANDS:
        return
    complete = DOT_COMMANDS.get(name).complete
    begun = rest.lstrip()
    start = indent + len(line) - len(begun)
    for text in complete(shell, begun) if complete else ():
        if text.lower().startswith(begun.lower()):
            yield Offer(text, start)


def completer(shell: Shell, lookup: Lookup) -> Completer:
    """For the line editor; it looks names up on a thread of its own, so that typing never waits."""
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter
    from prompt_toolkit.document import Document

    class SqlCompleter(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            text = document.text_before_cursor
            if not complete_event.completion_requested and not WORTH.search(text):
                return
            try:
                for offer in offers(shell, text, lookup):
                    position = offer.start - len(text)
                    yield Completion(offer.text, start_position=position, display_meta=offer.detail)
            except MlboxError:
                return

    return ThreadedCompleter(SqlCompleter())
