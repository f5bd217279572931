"""Tokens: what the toolkit sees of a text."""

from __future__ import annotations

import pytest

from mlbox.sql.lexer import RESERVED, string_closed, string_value, tokenize
from mlbox.sql.script import split


def keys(text: str) -> list[str]:
    return [token.key or token.text for token in tokenize(text)]


def test_offsets_are_characters() -> None:
    text = "RUN größe WITH (x = '日本', y = 🙂z) -- ü\nAS \u00a0n"
    for token in tokenize(text, 100):
        assert text[token.start - 100 : token.stop - 100] == token.text
    assert [token.text for token in tokenize(text)][-2:] == ["AS", "n"]


def test_dots_parameters_and_operator_runs_are_single_tokens() -> None:
    assert keys("a.b=$1,?x::int[]") == ["A", ".", "B", "=", "$1", ",", "?", "X", "::", "INT", "[", "]"]
    assert keys("{'a':-1}") == ["{", "'a'", ":", "-", "1", "}"]
    assert keys("m@-3") == ["M", "@", "-", "3"]
    assert keys("90%,") == ["90", "%", ","]
    assert [token.kind for token in tokenize("$name $$x$$ $2 ?")] == ["parameter", "string", "parameter", "parameter"]


def test_comments_vanish_also_nested_ones() -> None:
    assert keys("a -- b; c\n/* d /* e */ f */ g") == ["A", "G"]


def test_words_in_quotes_have_no_key() -> None:
    quoted, string = tokenize("\"FROM\" 'FROM'")
    assert (quoted.kind, quoted.key, string.kind, string.key) == ("quoted", "", "string", "")


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("'it''s'", "it's"),
        ("''", ""),
        ("$$a 'b' $c$$", "a 'b' $c"),
        ("$tag$ $$ $tag$", " $$ "),
        (r"E'a\n\t\\n\''", "a\n\t\\n'"),
        (r"'a\n'", r"a\n"),
    ],
)
def test_values_of_strings(token: str, value: str) -> None:
    (found,) = tokenize(token)
    assert found.kind == "string"
    assert string_closed(found.text)
    assert string_value(found.text) == value


@pytest.mark.parametrize("text", ["'abc", "'", "$$abc", "$$abc$", "$t$ abc $$", "E'abc"])
def test_open_strings_are_known(text: str) -> None:
    (found,) = tokenize(text)
    assert not string_closed(found.text)


def test_reserved_words_are_duckdbs() -> None:
    import duckdb

    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT upper(keyword_name) FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
        ).fetchall()
    assert {word for (word,) in rows} == RESERVED


@pytest.mark.parametrize("blank", ["\x1c", "\x1f", "\x85", "\u00a0", "\u2028", "\u3000"])
def test_blanks_of_unicode_are_no_tokens(blank: str) -> None:
    for text in (blank, f"SELECT 1{blank}", f"{blank};{blank}RUN train", f"RUN{blank} train", f"SELECT '{blank}'"):
        assert all(token.text.strip() for token in tokenize(text))
        split(text)
