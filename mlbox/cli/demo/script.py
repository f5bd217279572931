"""The example's script in sections: a line ``-- ## Title`` begins one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from mlbox.base.errors import Internal


@dataclass(frozen=True, slots=True)
class Section:
    """Consecutive statements under a title."""

    title: str
    text: str


def example_folder() -> Path:
    """``examples/flights``: in the executable and the wheel beside the package, in a checkout above it."""
    package = Path(str(files("mlbox")))
    candidates = [package / "examples" / "flights", package.parent / "examples" / "flights"]
    if getattr(sys, "frozen", False):
        candidates.insert(0, Path(getattr(sys, "_MEIPASS", "")) / "examples" / "flights")
    for folder in candidates:
        if (folder / "project.sql").is_file():
            return folder
    raise Internal("the demo's files are missing from this installation")


def sections(text: str) -> list[Section]:
    """The sections of a script; what stands before the first title is dropped."""
    found: list[Section] = []
    for part in text.split("-- ## ")[1:]:
        title, _, body = part.partition("\n")
        found.append(Section(title.strip(), body))
    return found


def excerpt(statement: str, lines: int = 4) -> str:
    """A statement for the screen: without comments in front, the first lines."""
    kept = statement.strip().splitlines()
    while kept and (not kept[0].strip() or kept[0].lstrip().startswith("--")):
        kept.pop(0)
    shown = [line[:118] for line in kept[:lines]]
    if len(kept) > lines:
        shown.append(f"… ({len(kept) - lines} more lines)")
    return "\n".join(shown)
