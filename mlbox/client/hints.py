"""Hints: how a returned value is kept, written ``[*|**]name[:kind[:format]]``."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from mlbox.client.failures import WrongCall, nearest

_FRAMES = ("parquet", "csv", "json", "feather")
FORMATS: Dict[str, Tuple[str, ...]] = {
    "metric": (),
    "metrics": (),
    "param": (),
    "tag": (),
    "model": (),
    "dataset": _FRAMES,
    "table": _FRAMES,
    "plot": ("png", "svg", "pdf", "json", "html"),
    "artifact": ("json", "npy", "npz", "txt", "pickle", *_FRAMES[:2], "feather"),
    "file": ("json", "npy", "npz", "txt", "pickle", *_FRAMES[:2], "feather"),
    "document": ("json", "txt", "md"),
    "object": ("pickle",),
}
"""As what a returned value can be kept, and the formats that may be chosen; packagers of the user's add words."""

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_SEVERAL = ("*", "**")


class Hint(NamedTuple):
    """How one returned value is to be kept; without a kind its type decides. ``bundle``: ``*`` for each element of a
    list, ``**`` for each entry of a dictionary."""

    name: str
    kind: Optional[str] = None
    format: Optional[str] = None
    bundle: str = ""


def parse(hints: Sequence[str], own: Sequence[str] = ()) -> List[Hint]:
    """Hints as they are written; ``own`` are words that packagers have added. ``WrongCall`` for what is no hint, a
    kind that there is not, and a format that the kind does not have."""
    return [parse_one(str(hint), own) for hint in hints]


def parse_one(text: str, own: Sequence[str] = ()) -> Hint:
    """See :func:`parse`."""
    found = split(text)
    if found.kind is not None and found.kind not in FORMATS and found.kind not in own:
        told = nearest(found.kind, [*FORMATS, *own])
        raise WrongCall(f"there is no kind {found.kind!r} to keep {found.name!r} as", told)
    return check_format(found)


def split(text: str) -> Hint:
    """The parts of a hint, whatever the kind is."""
    bundle = "**" if text.startswith("**") else "*" if text.startswith("*") else ""
    parts = text[len(bundle) :].split(":")
    name, kind, form = (*parts, "", "")[:3]
    wrong = (
        len(parts) > 3 or not (name or bundle == "**") or any(part and not _WORD.match(part) for part in (kind, form))
    )
    if wrong or (not kind and form):
        raise WrongCall(f"{text!r} is no hint", "name, name:kind or name:kind:format; *name, **name for bundles")
    return Hint(name, kind or None, form.lower() or None, bundle)


def check_format(hint: Hint) -> Hint:
    """Raise ``WrongCall`` for a format that a kind of ours does not have."""
    known = FORMATS.get(hint.kind or "")
    if hint.format is not None and known is not None and hint.format not in known:
        told = nearest(hint.format, known) if known else f"write {hint.name}:{hint.kind}"
        raise WrongCall(f"{hint.name!r}: a {hint.kind} has no format {hint.format!r}", told)
    return hint
