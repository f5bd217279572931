"""Cutting texts: nothing is lost, no piece is too long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlbox.engine.search.splitting import pieces


def test_paragraphs_come_before_sentences_and_words() -> None:
    text = "One two three. Four five.\n\nSix seven eight nine ten."
    assert pieces(text, 40, 0) == ["One two three. Four five.", "Six seven eight nine ten."]
    assert pieces("One two three. Four five six.", 20, 0) == ["One two three.", "Four five six."]
    assert pieces("abcdefghij", 4, 0) == ["abcd", "efgh", "ij"]


def test_a_piece_repeats_the_end_of_the_one_before_from_a_word_on() -> None:
    assert pieces("alpha beta gamma delta", 16, 7) == ["alpha beta", "beta gamma delta"]


def test_a_short_text_is_one_piece_and_an_empty_one_is_none() -> None:
    assert pieces("  short ", 100, 10) == ["short"]
    assert pieces(" \n ", 100, 10) == []


@given(st.text(alphabet="ab .\n", max_size=200), st.integers(1, 30), st.data())
def test_all_of_the_text_is_in_its_pieces_in_order(text: str, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    found = pieces(text, size, overlap)
    assert all(len(piece) <= size for piece in found)
    joined, at = "".join(text.split()), 0
    for piece in found:
        letters = "".join(piece.split())
        place = joined.rfind(letters, 0, at + len(letters))  # it begins at latest where the one before ended
        assert place >= 0
        at = max(at, place + len(letters))
    assert at == len(joined)
