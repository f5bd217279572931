"""The notation of the grammar as a tree: what the reference prints is what completion and tests walk.

``[ ]`` optional, ``{ | }`` choice, ``a|b|..`` words without braces, ``, ..`` repeats all before it, ``[, ..]`` and
``[THEN ..]`` the last piece; capitals are words of the language, other words stand for something (``SLOTS``) or for
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

SLOTS = frozenset(
    """alias column condition cron endpoint expression feature function handler hub image interval key kind metric
    model monitor n name number other parameter project query run runtime set source statement step table type
    unit value variable vector version""".split()
)
"""Words of the notation that stand for something which the user writes."""


@dataclass(frozen=True, slots=True)
class Words:
    """Words that follow each other."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """A bracket, a comma, an operator."""

    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """Something that the user writes: a name, a value, an expression, a statement."""

    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotes; ``example`` is what the notation shows."""

    example: str


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of them; ``open`` when there are more than the notation lists."""

    items: tuple[Node, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Maybe:
    """It or nothing."""

    item: Node


@dataclass(frozen=True, slots=True)
class Repeat:
    """Once or more."""

    item: Node
    separator: str = ""


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """Each at most once, in any order."""

    items: tuple[Node, ...]


Node = Words | Sign | Slot | Text | Row | Choice | Maybe | Repeat | AnyOrder

_TOKEN = re.compile(r"'[^']*'|\.\.|\w+(?:\|(?:\w+|\.\.))+|\w+|[^\s\w]")
_OPEN, _CLOSE = {"[": "]", "{": "}", "(": ")"}, frozenset("]})")


@cache
def tree(syntax: str) -> Node:
    """The tree of a statement's notation; a line that is not indented begins an alternative."""
    lines = re.split(r"\n(?=\S)", syntax)
    rows = [_in_any_order(_Reader(_TOKEN.findall(line)).row()) for line in lines]
    return rows[0] if len(rows) == 1 else Choice(tuple(rows))


class _Reader:
    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._index = 0

    def _peek(self, distance: int = 0) -> str:
        index = self._index + distance
        return self._tokens[index] if index < len(self._tokens) else ""

    def row(self) -> Row:
        """All up to a closing bracket or a bar."""
        items: list[Node] = []
        while self._peek() and self._peek() not in _CLOSE and self._peek() != "|":
            token = self._peek()
            if items and token == "," and self._peek(1) == "..":
                self._index += 2
                items = [Repeat(_one(_clauses_in_any_order(items)), ",")]
                continue
            self._index += 1
            if token in _OPEN:
                self._bracket(token, items)
            elif token == "..":
                _dots(items)
            else:
                _add(items, _atom(token))
        return Row(tuple(_clauses_in_any_order(items)))

    def _bracket(self, opening: str, items: list[Node]) -> None:
        options = [self.row()]
        while self._peek() == "|":
            self._index += 1
            options.append(self.row())
        self._index += 1  # the closing bracket
        if opening == "[" and len(options) == 1 and options[0].items[-1:] == (_DOTS,):
            _repeat(items, options[0].items[0])
            return
        listed = [_one(option.items) for option in options if option.items != (_DOTS,)]
        inner = Choice(tuple(listed), open=len(listed) < len(options)) if len(options) > 1 else _one(options[0].items)
        if opening == "(":
            items.append(Row((Sign("("), inner if listed else Slot("expression"), Sign(")"))))
        else:
            items.append(Maybe(inner) if opening == "[" else inner)


_DOTS = Sign("..")


def _dots(items: list[Node]) -> None:
    """``SELECT ..`` is a query; elsewhere there is more than the notation lists."""
    last = items[-1] if items else None
    if isinstance(last, Words) and last.keys[-1] == "SELECT":
        items[-1:] = ([Words(last.keys[:-1])] if last.keys[1:] else []) + [Slot("query")]
    else:
        items.append(_DOTS)


def _repeat(items: list[Node], by: Node) -> None:
    """``[, ..]`` repeats the last piece, ``[THEN ..]`` all from the last THEN on, or a last ``[THEN x]``."""
    last = items[-1]
    if by == Sign(","):
        items[-1] = Repeat(last, ",")
        return
    if isinstance(last, Maybe) and isinstance(last.item, Row) and last.item.items[0] == by:
        items[-1] = Maybe(Row((Repeat(last.item),)))
        return
    begins = max(index for index, item in enumerate(items) if item == by)
    items[begins:] = [Repeat(Row(tuple(items[begins:])))]


def _clauses_in_any_order(items: Sequence[Node]) -> list[Node]:
    """Optional clauses that follow each other may change places."""
    found: list[Node] = []
    run: list[Node] = []
    for item in [*items, _DOTS]:
        if isinstance(item, Maybe) and isinstance(item.item, (Row, Words)) and _first_words(item):
            run.append(item)
            continue
        found += [AnyOrder(tuple(run))] if len(run) > 1 else run
        found.append(item)
        run = []
    return found[:-1]


def _one(items: Sequence[Node]) -> Node:
    return items[0] if len(items) == 1 else Row(tuple(items))


def _atom(token: str) -> Node:
    if token.startswith("'"):
        return Text(token[1:-1])
    if "|" in token and len(token) > 1:
        words = token.split("|")
        return Choice(tuple(Words((word.upper(),)) for word in words if word != ".."), open=".." in words)
    if token in SLOTS:
        return Slot(token)
    return Words((token.upper(),)) if token[0].isalnum() else Sign(token)


def _add(items: list[Node], found: Node) -> None:
    """Words that follow each other are one piece."""
    last = items[-1] if items else None
    if isinstance(found, Words) and isinstance(last, Words):
        items[-1] = Words(last.keys + found.keys)
    else:
        items.append(found)


def _in_any_order(row: Row) -> Node:
    """The clauses of a statement behind its head may be written in any order."""
    groups: list[list[Node]] = []
    items = [part for item in row.items for part in (item.items if isinstance(item, AnyOrder) else (item,))]
    for item in items:
        begins = isinstance(item, (Maybe, Choice, Words, Repeat)) and _first_words(item)
        if groups and (not begins or isinstance(groups[-1][-1], Words)):
            groups[-1].append(item)
        else:
            groups.append([item])
    # The head goes up to the first piece that is not a word: the name.
    head = next((n for n, group in enumerate(groups) if any(isinstance(item, (Slot, Text)) for item in group)), None)
    if head is None or len(groups) - head < 3:
        return row
    before = [item for group in groups[: head + 1] for item in group]
    return Row((*before, AnyOrder(tuple(_one(group) for group in groups[head + 1 :]))))


def _first_words(node: Node) -> bool:
    """Whether it begins with a word of the language, whichever way it is read."""
    if isinstance(node, Choice):
        return all(_first_words(item) for item in node.items)
    if isinstance(node, Row):
        return bool(node.items) and not isinstance(node.items[0], Maybe) and _first_words(node.items[0])
    if isinstance(node, (Maybe, Repeat)):
        return _first_words(node.item)
    return isinstance(node, Words)
