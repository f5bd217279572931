"""The corpus of statements: entries with the outcomes that they must have (``tests/sql/corpus``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

CORPUS = Path(__file__).parent / "sql" / "corpus"


class Entry(NamedTuple):
    """A statement with the outcome that it must have."""

    text: str
    parameters: Any
    outcome: str


def entries(name: str) -> list[Entry]:
    """The entries of a file: blocks between blank lines, an optional line ``-- with`` with parameters as JSON."""
    found = []
    for block in (CORPUS / name).read_text().strip().split("\n\n"):
        lines = block.split("\n")
        parameters = json.loads(lines.pop(0).removeprefix("-- with")) if lines[0].startswith("-- with") else None
        outcome = lines.pop()
        assert outcome.startswith(("-- => ", "-- error ")), block
        found.append(Entry("\n".join(lines), parameters, outcome.removeprefix("-- ")))
    return found


def plain() -> list[str]:
    """DuckDB's own statements, separated by lines of four dashes."""
    return [text for text in (CORPUS / "plain.sql").read_text().split("\n----\n") if text.strip()]
