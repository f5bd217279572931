"""The grammar for people and tools: what ``.help CREATE MODEL`` prints, and its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from mlbox.base.suggest import nearest
from mlbox.sql.grammar import REGISTRY, StatementSyntax, notation
from mlbox.sql.notation import AnyOrder, Choice, Maybe, Node, Repeat, Row, Slot, Words


@dataclass(frozen=True, slots=True)
class Entry:
    """A statement: its words, what the user writes between them, and the reference's text."""

    name: str
    summary: str
    syntax: str
    examples: tuple[str, ...]
    later: tuple[str, ...]
    """Clauses that this version refuses to carry out."""
    keywords: tuple[str, ...]
    slots: tuple[str, ...]


@cache
def manual() -> tuple[Entry, ...]:
    """All statements, by name."""
    return tuple(_entry(syntax) for _, syntax in REGISTRY)


def _entry(syntax: StatementSyntax) -> Entry:
    pieces = list(_pieces(notation(syntax)))
    return Entry(
        syntax.name,
        syntax.summary,
        syntax.syntax,
        syntax.examples,
        syntax.later,
        tuple(dict.fromkeys(key for piece in pieces if isinstance(piece, Words) for key in piece.keys)),
        tuple(dict.fromkeys(piece.name for piece in pieces if isinstance(piece, Slot))),
    )


def _pieces(node: Node) -> Iterator[Node]:
    if isinstance(node, (Row, Choice, AnyOrder)):
        for item in node.items:
            yield from _pieces(item)
    elif isinstance(node, (Maybe, Repeat)):
        yield from _pieces(node.item)
    else:
        yield node


@cache
def keywords() -> frozenset[str]:
    """Every word of the language, for highlighting."""
    return frozenset(key for entry in manual() for key in entry.keywords)


def help_text(words: str) -> str:
    """What is known of the statements that ``words`` name (``create model``, ``model``): summary, syntax, examples."""
    wanted = words.upper().rstrip(";").split()
    names = {entry.name.upper(): entry for entry in manual()}
    found = [entry for name, entry in names.items() if name.split()[: len(wanted)] == wanted]
    found = found or [entry for name, entry in names.items() if all(word in name.split() for word in wanted)]
    if not found:
        close = nearest(" ".join(wanted), names)
        hint = f"; did you mean {' or '.join(close)}?" if close else ""
        return f"there is no statement {words!r}{hint}"
    return "\n\n".join(_shown(entry, examples=len(found) == 1) for entry in found)


def _shown(entry: Entry, *, examples: bool) -> str:
    lines = [entry.summary, entry.syntax]
    if examples and entry.examples:
        lines += ["", "for example", *(f"  {example}" for example in entry.examples)]
    if examples and entry.later:
        lines += ["", f"not executed yet: {', '.join(entry.later)}"]
    return "\n".join(lines)
