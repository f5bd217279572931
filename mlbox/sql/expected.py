"""What may come next in a statement that is being written: its tokens walked along the tree of its notation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from mlbox.sql.lexer import Token
from mlbox.sql.notation import Choice, Maybe, Node, Repeat, Row, Sign, Slot, Text, Words
from mlbox.sql.times import is_unit

FREE = frozenset(("condition", "expression", "query", "statement"))
"""Slots that hold any SQL."""
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(slots=True)
class Expected:
    """What may follow the last token."""

    words: set[tuple[str, ...]] = field(default_factory=set)
    """Words of the language that follow each other."""
    slots: set[tuple[str, int]] = field(default_factory=set)
    """What the user may write, with the index of the token where it began."""
    texts: set[str] = field(default_factory=set)
    """Texts in quotes, as the notation shows them."""
    signs: set[str] = field(default_factory=set)


def expected(node: Node, tokens: Sequence[Token], kinds: Collection[tuple[str, ...]] = ()) -> Expected:
    """What may follow ``tokens``, the beginning of a statement whose notation is ``node``.

    ``kinds`` are the words that name kinds of objects, for DESCRIBE.
    """
    walk = _Walk(tokens, kinds)
    for _ in walk.ends(node, 0):
        pass
    return walk.found


def accepts(node: Node, tokens: Sequence[Token], kinds: Collection[tuple[str, ...]] = ()) -> bool:
    """Whether the notation takes the whole statement."""
    return any(end == len(tokens) for end in _Walk(tokens, kinds).ends(node, 0))


class _Walk:
    """Every way in which the tokens can be read; the places where they run out are what is looked for."""

    def __init__(self, tokens: Sequence[Token], kinds: Collection[tuple[str, ...]]) -> None:
        self._tokens = tokens
        self._kinds = kinds
        self._count = len(tokens)
        self.found = Expected()

    def ends(self, node: Node, at: int) -> Iterator[int]:
        """Where ``node`` may end when it begins at token ``at``."""
        if isinstance(node, Words):
            yield from self._words(node, at)
        elif isinstance(node, (Sign, Text)):
            yield from self._single(node, at)
        elif isinstance(node, Slot):
            yield from dict.fromkeys(self._slot(node.name, at))
        elif isinstance(node, Row):
            yield from self._row(node.items, at)
        elif isinstance(node, Choice):
            for item in node.items:
                yield from self.ends(item, at)
            if node.open:
                yield from self._slot("name", at)
        elif isinstance(node, Maybe):
            yield at
            yield from self.ends(node.item, at)
        elif isinstance(node, Repeat):
            yield from self._repeat(node, at)
        else:
            yield from self._any_order(node.items, at)

    def _words(self, node: Words, at: int) -> Iterator[int]:
        for distance, key in enumerate(node.keys):
            if at + distance >= self._count:
                self.found.words.add(node.keys[distance:])
                return
            if self._tokens[at + distance].key != key:
                return
        yield at + len(node.keys)

    def _single(self, node: Sign | Text, at: int) -> Iterator[int]:
        if at >= self._count:
            if isinstance(node, Sign):
                self.found.signs.add(node.text)
            else:
                self.found.texts.add(node.example)
            return
        token = self._tokens[at]
        if isinstance(node, Text):
            yield from self._text(at)
        elif token.key == node.text:
            yield at + 1

    def _row(self, items: Sequence[Node], at: int) -> Iterator[int]:
        places = {at}
        for item in items:
            places = {end for place in places for end in self.ends(item, place)}
        yield from places

    def _repeat(self, node: Repeat, at: int) -> Iterator[int]:
        done: set[int] = set()
        places = {at}
        while places:
            ends = {end for place in places for end in self.ends(node.item, place)} - done
            done |= ends
            yield from ends
            if node.separator:
                ends = {after for end in ends for after in self._single(Sign(node.separator), end)}
            places = {end for end in ends if end > at}

    def _any_order(self, items: Sequence[Node], at: int) -> Iterator[int]:
        states = {(at, frozenset(range(len(items))))}
        seen = set(states)
        while states:
            place, left = states.pop()
            yield place
            for index in left:
                for end in self.ends(items[index], place):
                    state = (end, left - {index})
                    if end > place and state not in seen:
                        seen.add(state)
                        states.add(state)

    def _slot(self, name: str, at: int) -> Iterator[int]:
        if at >= self._count:
            self.found.slots.add((name, at))
            return
        if name in FREE:
            yield from self._free(name, at)
        elif name == "value":
            yield from self._value(at)
        elif name == "type":
            yield from self._type(at)
        elif name == "kind":
            for noun in self._kinds:
                yield from self._words(Words(noun), at)
        elif name in ("number", "n"):
            sign = self._tokens[at].key in ("-", "+")
            if at + sign < self._count and self._tokens[at + sign].kind in ("number", "parameter"):
                yield at + sign + 1
        elif name == "interval":
            yield from self._interval(at)
        elif self._tokens[at].kind in ("word", "quoted", "parameter", "string") or (
            name == "version" and self._tokens[at].kind == "number"
        ):
            yield from self._dotted(name, at)

    def _dotted(self, name: str, at: int) -> Iterator[int]:
        """``a``, ``a.b``, ``a.b.c``; behind a dot the name goes on."""
        yield at + 1
        while at + 1 < self._count and self._tokens[at + 1].key == ".":
            at += 2
            if at >= self._count:
                self.found.slots.add((name, at))
                return
            yield at + 1

    def _text(self, at: int) -> Iterator[int]:
        """A text; also what may stand for one: a parameter, a name, a time."""
        token = self._tokens[at]
        if token.key in ("TIMESTAMP", "TIMESTAMPTZ", "DATE") and at + 1 < self._count:
            yield at + 2
        if token.kind in ("string", "parameter", "number"):
            yield at + 1
        elif token.kind in ("word", "quoted"):
            yield from self._dotted("name", at)

    def _free(self, name: str, at: int) -> Iterator[int]:
        """Any tokens; a bracket that is open at the end keeps all in it."""
        self.found.slots.add((name, at))
        depth = 0
        for index in range(at, self._count):
            key = self._tokens[index].key
            depth += (key in _OPENING) - (key in _CLOSING)
            if depth < 0:
                # What stands in closed brackets is behind the place that is being completed.
                self.found.slots.discard((name, at))
                return
            if depth == 0:
                yield index + 1

    def _value(self, at: int) -> Iterator[int]:
        token = self._tokens[at]
        if token.key in _OPENING:
            yield from self._bracketed(at)
            return
        if token.kind == "operator" and token.key not in ("-", "+"):
            return
        yield at + 1
        behind = self._tokens[at + 1] if at + 1 < self._count else None
        if behind is None:
            return
        joined = token.key in ("-", "+", "TIMESTAMP", "DATE") or is_unit(behind)
        if joined:
            yield at + 2
        if behind.key == ".":
            yield min(at + 3, self._count)
        if token.key == "INTERVAL":
            yield from self._interval(at)
        if behind.key == "(" and token.kind == "word":  # DECIMAL(18, 3)
            yield from self._bracketed(at + 1)

    def _type(self, at: int) -> Iterator[int]:
        """``DOUBLE PRECISION``, ``DECIMAL(18, 3)``, ``VARCHAR[]``, ``TIMESTAMP WITH TIME ZONE``."""
        if self._tokens[at].kind not in ("word", "quoted"):
            return
        place = at + 1
        yield place
        if place < self._count and self._tokens[place].key in ("PRECISION", "VARYING"):
            place += 1
            yield place
        while place < self._count and self._tokens[place].key in ("(", "["):
            closed = list(self._bracketed(place))
            if not closed:
                return
            place = closed[0]
            yield place
        if place + 2 < self._count and self._tokens[place + 1].key == "TIME":
            yield place + 3

    def _bracketed(self, at: int) -> Iterator[int]:
        depth = 0
        for index in range(at, self._count):
            key = self._tokens[index].key
            depth += (key in _OPENING) - (key in _CLOSING)
            if depth == 0:
                yield index + 1
                return

    def _interval(self, at: int) -> Iterator[int]:
        if self._tokens[at].key == "INTERVAL":
            at += 1
        if at >= self._count:
            self.found.slots.add(("interval", at))
            return
        if self._tokens[at].kind not in ("number", "string", "parameter"):
            if is_unit(self._tokens[at]):
                yield at + 1
            return
        if at + 1 >= self._count:
            self.found.slots.add(("unit", at + 1))
        elif is_unit(self._tokens[at + 1]):
            yield at + 2
        yield at + 1
