"""Hints made from facts: the nearest known names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from mlbox.base.errors import NotFound
from mlbox.base.names import Ref


def nearest(word: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Known names that resemble ``word``, best first; case does not count."""
    by_folded = {name.lower(): name for name in known}
    return [by_folded[match] for match in get_close_matches(word.lower(), list(by_folded), n=limit, cutoff=0.6)]


def did_you_mean(word: str, known: Iterable[str], *, kind: str = "") -> str | None:
    """One sentence for a hint: the nearest names, else the known ones when they are few, else nothing."""
    names = sorted(set(known))
    close = nearest(word, names)
    if close:
        return "did you mean " + " or ".join(close) + "?"
    if not names:
        return f"there is no {kind} yet" if kind else None
    if len(names) <= 12:
        return "known: " + ", ".join(names)
    return None


def no_such(kind: str, ref: Ref, known: Iterable[str], shown: str = "") -> NotFound:
    """The error for an object that is not there; ``known`` are the names of its kind in its project."""
    return NotFound(
        f"there is no {kind} {shown or ref}",
        hint=did_you_mean(ref.name, known, kind=kind),
        details={"kind": kind, "name": ref.name},
    )
