"""Filters and orders of MLflow's searches: ``metrics.auc > 0.9 AND tags.team = 'risk'``, ``params.lr DESC``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.engine.catalog.tables.run_search import ATTRIBUTES, Condition, Entity, Order

_ENTITIES: dict[str, Entity] = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
_TOKENS = re.compile(
    r"""\s*(?:
      (?P<operator><=|>=|!=|=|<|>)
    | (?P<string>'(?:[^'\\]|\\.|'')*')
    | (?P<quoted>"[^"]*"|`[^`]*`)
    | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))
    | (?P<word>[\w/\-]+)
    | (?P<mark>[.,()])
    )""",
    re.X,
)
_NAMES = {"run_name": "run_name", "run name": "run_name", "created": "start_time", "created_at": "start_time"}

Token = tuple[str, str]


class _Reader:
    """Goes through the tokens of a filter."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        position = 0
        while position < len(text.rstrip()):
            found = _TOKENS.match(text, position)
            if not found or found.lastgroup is None:
                raise Invalid(f"the filter {text!r} cannot be read at {text[position:].strip()[:20]!r}")
            self.tokens.append((found.lastgroup, found.group(found.lastgroup)))
            position = found.end()
        self.index = 0

    def peek(self) -> Token:
        """The next token."""
        return self.tokens[self.index] if self.index < len(self.tokens) else ("end", "the end")

    def take(self) -> Token:
        """The next token, and step over it."""
        token = self.peek()
        self.index += 1
        return token

    def word(self, word: str) -> bool:
        """Step over a keyword if it is next."""
        kind, text = self.peek()
        if kind == "word" and text.upper() == word:
            self.index += 1
            return True
        return False

    def fail(self, wanted: str) -> Invalid:
        """What is wrong here."""
        found = self.tokens[self.index - 1][1] if 0 < self.index <= len(self.tokens) else "the end"
        return Invalid(
            f"the filter {self.text!r} has {found!r} where {wanted} was expected",
            hint="for example metrics.auc > 0.9 AND params.depth = '6'",
        )


def parse(text: Any) -> list[Condition]:
    """The conditions of a filter; they are joined by AND, which is all that MLflow knows."""
    if text is not None and not isinstance(text, str):
        raise Invalid(f"a filter is text, not {text!r}")
    if not text or not text.strip():
        return []
    reader = _Reader(text)
    found = [_condition(reader)]
    while reader.peek()[0] != "end":
        if not reader.word("AND"):
            reader.take()
            raise reader.fail("AND")
        found.append(_condition(reader))
    return found


def parse_order(clauses: Sequence[str] | None) -> list[Order]:
    """``metrics.auc DESC``, one a clause."""
    found = []
    for clause in clauses or ():
        reader = _Reader(clause)
        entity, key = _identifier(reader)
        descending = reader.word("DESC")
        if not descending:
            reader.word("ASC")
        if reader.peek()[0] != "end":
            reader.take()
            raise reader.fail("ASC or DESC")
        found.append(Order(entity, _known(entity, key), descending))
    return found


def holds(condition: Condition, value: Any) -> bool:
    """Whether ``value`` fits a condition: for searches over a handful of objects."""
    wanted, operator = condition.value, condition.operator
    if operator in ("IS NULL", "IS NOT NULL"):
        return (value is None) == (operator == "IS NULL")
    if value is None:
        return False
    if operator in ("LIKE", "ILIKE"):
        pattern = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in str(wanted))
        return re.fullmatch(pattern, str(value), re.I | re.S if operator == "ILIKE" else re.S) is not None
    if operator in ("IN", "NOT IN"):
        return (value in wanted) == (operator == "IN")
    compare: dict[str, Callable[[Any, Any], bool]] = {
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }
    kind = float if isinstance(wanted, int | float) else str
    try:
        return bool(compare[operator](kind(value), kind(wanted)))
    except (TypeError, ValueError):
        return False


def _condition(reader: _Reader) -> Condition:
    entity, key = _identifier(reader)
    operator = _operator(reader)
    if operator.startswith("IS"):
        return Condition(entity, _known(entity, key), operator)
    value = _values(reader) if operator in ("IN", "NOT IN") else _value(reader)
    numeric = entity == "metric" or (entity == "attribute" and _known(entity, key) in ("start_time", "end_time"))
    if numeric and not isinstance(value, int | float):
        raise Invalid(f"{key} is compared with {value!r}, which is not a number")
    if not numeric and not isinstance(value, list):
        value = str(value)
    key = _known(entity, key)
    if entity == "attribute" and key == "status":
        value = [entry.upper() for entry in value] if isinstance(value, list) else str(value).upper()
    return Condition(entity, key, operator, value)


def _identifier(reader: _Reader) -> tuple[Entity, str]:
    kind, text = reader.take()
    if kind not in ("word", "quoted"):
        raise reader.fail("a name")
    if reader.peek() != ("mark", "."):
        return "attribute", text.strip('`"')
    entity = _ENTITIES.get(text.lower())
    if entity is None:
        raise Invalid(f"there is nothing to search called {text!r}", hint="metrics, params, tags, attributes, datasets")
    reader.take()
    parts = []
    while True:
        kind, text = reader.take()
        if kind not in ("word", "quoted", "number"):
            raise reader.fail("a name")
        parts.append(text.strip('`"') if kind == "quoted" else text)
        if reader.peek() != ("mark", "."):
            return entity, ".".join(parts)
        reader.take()


def _operator(reader: _Reader) -> str:
    kind, text = reader.take()
    if kind == "operator":
        return text
    word = text.upper()
    if kind == "word" and word in ("LIKE", "ILIKE", "IN"):
        return word
    if kind == "word" and word == "NOT" and reader.word("IN"):
        return "NOT IN"
    if kind == "word" and word == "IS":
        no = reader.word("NOT")
        if reader.word("NULL"):
            return "IS NOT NULL" if no else "IS NULL"
    raise reader.fail("a comparison")


def _value(reader: _Reader) -> Any:
    kind, text = reader.take()
    if kind == "string":
        return re.sub(r"\\(.)", r"\1", text[1:-1].replace("''", "'"))
    if kind == "quoted":
        return text[1:-1]
    if kind == "number":
        return float(text) if re.search(r"[.eE]", text) else int(text)
    raise reader.fail("a value in quotes or a number")


def _values(reader: _Reader) -> list[str]:
    if reader.take() != ("mark", "("):
        raise reader.fail("(")
    found = [str(_value(reader))]
    while reader.peek() == ("mark", ","):
        reader.take()
        found.append(str(_value(reader)))
    if reader.take() != ("mark", ")"):
        raise reader.fail(")")
    return found


def _known(entity: Entity, key: str) -> str:
    """The name of a column as the search has it."""
    if entity == "dataset" and key not in ("name", "digest", "context"):
        raise Invalid(f"a data set has no {key!r}", hint="datasets.name, datasets.digest, datasets.context")
    if entity != "attribute":
        return key
    return _NAMES.get(key.lower(), key)


def check_attributes(conditions: Sequence[Condition | Order]) -> None:
    """Raise ``Invalid`` for a column that runs do not have."""
    for condition in conditions:
        if condition.entity == "attribute" and condition.key not in ATTRIBUTES:
            raise Invalid(f"a run has no attribute {condition.key!r}", hint=f"known: {', '.join(sorted(ATTRIBUTES))}")


STATES = {
    "RUNNING": "running",
    "SCHEDULED": "pending",
    "FINISHED": "completed",
    "FAILED": "error",
    "KILLED": "cancelled",
}
"""MLflow's words for states, and ours."""
