"""The card of a run in a notebook."""

from __future__ import annotations

from typing import Any

import pytest

from mlbox.client import card

ROW: dict[str, Any] = {
    "id": "01a2176e490570d491213086842a563b", "name": "fit", "project": "flights", "function": "train",
    "function_version": 3, "state": "completed", "duration_ms": 61_500.0, "runtime": "local", "error": None,
    "reason": None,
}  # fmt: skip
URL = "http://127.0.0.1:7070/ui/runs/01a2176e490570d491213086842a563b"


def test_it_has_state_facts_values_and_the_link() -> None:
    html = card.html(ROW, {"rate": 0.1}, {"auc": 0.912345678, "odd": None}, URL)
    for part in (URL, "✓ completed", "flights · train@3 · 1 min 1 s · local", "0.912346", "rate", ">–<"):
        assert part in html
    assert "script" not in html and "src=" not in html


def test_nothing_in_it_is_markup() -> None:
    row = {**ROW, "name": "<b>", "error": "<script>alert(1)</script>", "state": "error"}
    html = card.html(row, {"<i>": "<u>"}, {}, "http://x/'><script>")
    assert "&lt;script&gt;" in html
    for part in ("<b><", "<script", "<i>", "<u>", "'>'"):
        assert part not in html.replace("<b><a", "")


def test_what_is_much_is_counted() -> None:
    html = card.html(ROW, {}, {f"m{number}": number for number in range(20)}, URL)
    assert "m11" in html and "m12" not in html and "and 8 more" in html
    assert "…" in card.short("x" * 100) and len(card.short("x" * 100)) == 60


@pytest.mark.parametrize(("state", "sign"), [("error", "✕"), ("running", "…"), ("cancelled", "⊘")])
def test_every_state_has_a_sign_and_a_run_that_goes_on_no_duration(state: str, sign: str) -> None:
    row = {**ROW, "state": state, "duration_ms": None, "runtime": None, "function": None, "name": None}
    html = card.html(row, {}, {}, URL)
    assert f"{sign} {state}" in html and ">flights</div>" in html and "01a2176e4905" in html
