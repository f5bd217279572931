"""Whatever is sent, the parser answers with a statement or with a ``StatementError``, soon."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlbox.base.errors import UserError
from mlbox.sql.script import parse, split

CORPUS = Path(__file__).parents[2] / "sql" / "corpus"
ODD = [
    "'", '"', "$$", "$1", "$x", "?", ";", "(", ")", "[", "]", "{", "}", "--", "/*", "*/", "\\", "\0", "\n", "\t", " ",
    "@", ".", ",", "=", ":=", "=>", "->", "::", "é", "\u202e", "\U0001f600", "\ufeff", "0x", "1e999", "9" * 400,
    "E'\\'", "SELECT", "CREATE", "OR REPLACE", "WITH", "AS", "EXPLAIN ANALYZE", "STEP", "((((((((", "]]]]", "%", "#",
]  # fmt: skip


def inputs(count: int, seed: int) -> Iterator[str]:
    """Statements of the corpus with pieces cut out, doubled, swapped, and oddities put in."""
    chance = random.Random(seed)
    files = [file.read_text() for file in sorted(CORPUS.glob("*.sql"))]
    texts = [text for file in files for text in file.split(";\n") if text.strip()]
    words = sorted({word for text in texts for word in text.split()})
    for _ in range(count):
        text = chance.choice(texts)[:600]
        for _ in range(chance.randint(1, 6)):
            start = chance.randint(0, len(text))
            stop = min(len(text), start + chance.randint(0, 20))
            match chance.randint(0, 5):
                case 0:
                    text = text[:start] + text[stop:]
                case 1:
                    text = text[:stop] + text[start:]
                case 2:
                    text = text[:start] + chance.choice(ODD) + text[start:]
                case 3:
                    text = f"{text[:start]} {chance.choice(words)} {text[stop:]}"
                case 4:
                    text = text[:start]
                case _:
                    text = text[:start] + chance.choice(ODD) * chance.randint(1, 200) + text[stop:]
        yield text


def carry(count: int, seed: int) -> None:
    answered = 0
    for number, text in enumerate(inputs(count, seed)):
        try:
            for statement in split(text):
                parse(statement, "default", tolerant=True)
            answered += 1
        except UserError:
            continue
        except Exception as error:
            raise AssertionError(f"input {number} of seed {seed}: {text!r}") from error
    assert 0 < answered < count


def test_a_semicolon_with_an_odd_character_behind_it_ends() -> None:
    for text in (";\ufeff", "SELECT 1;\ufeff", ";;\ufeff;", "\ufeff"):
        assert len(split(text)) <= 3


@pytest.mark.timeout(300)
def test_changed_statements() -> None:
    carry(20_000, seed=20)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
def test_a_million_inputs() -> None:
    carry(1_000_000, seed=1_000)
