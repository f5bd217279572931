"""DuckDB's errors about files that are not there: which file, where it was looked for, and what stands beside it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mlbox.base.access import acting, is_said
from mlbox.base.suggest import nearest

_NOT_FOUND = re.compile(
    r'^No files found that match the pattern "(.*)"|^Cannot open file "(.*)": No such file or directory', re.S
)
_NO_TABLE = re.compile(r'^Table with name "?(.+?)"? does not exist', re.S)
_NO_READER = re.compile(r'^No extension found that is capable of reading the file "(.*)"', re.S)
_LOOKED_AT = 5_000
"""So many names of a folder at most."""


@dataclass(frozen=True, slots=True)
class MissingFile:
    """What is said of it; ``position``: where its name stands in the text, if it does."""

    message: str
    hint: str | None
    position: int | None


def missing_file(message: str, sql: str) -> MissingFile | None:
    """The error of a file that is not there, or of a text in FROM that is no file; None for any other.

    A member may not learn the names of the server's files: for him, and where nobody has said for whom this is, there
    is no hint.
    """
    found, unread = _NOT_FOUND.match(message), _NO_READER.match(message)
    named = found or unread or _NO_TABLE.match(message)
    if named is None:
        return None
    name = next((each for each in named.groups() if each), "")
    place = sql.find(f"'{name}'")
    if found is None and unread is None and (place < 0 or not re.search(r"[./*]", name)):
        return None
    knows = is_said() and acting() is None
    text = f"no file matches {name}" if set("*?[") & set(name) else f"there is no file {name}"
    hint = _beside(name) if knows and "://" not in name.removeprefix("file://") else None
    if unread:
        text, hint = f"the name of {name} does not tell how it is read", f"name the reader: read_csv('{name}')"
    return MissingFile(text, hint, place if place >= 0 else None)


def _beside(name: str) -> str:
    """The nearest names of the folder, or of the folder that is not there either; else where it was looked for."""
    path = Path(name.removeprefix("file://"))
    patterns = [place for place, part in enumerate(path.parts) if set("*?[") & set(part)]
    missing = Path(*path.parts[: patterns[0]]) if patterns else path
    while not missing.parent.is_dir() and missing != missing.parent:
        missing = missing.parent
    if missing.is_dir():  # nothing of it fits the pattern
        return f"the server looked in {missing.absolute()}"
    try:
        with os.scandir(missing.parent) as entries:
            known = [entry.name for entry in islice(entries, _LOOKED_AT) if not entry.name.startswith(".")]
    except OSError:
        known = []
    alike = [each for each in known if each.endswith(missing.suffix)]
    close = [str(missing.parent / each) for each in nearest(missing.name, alike) or nearest(missing.name, known)]
    if close:
        return "did you mean " + " or ".join(close) + "?"
    if missing != path:
        return f"there is no folder {missing.absolute()}; the server reads and writes its own files"
    return f"the server looked in {missing.parent.absolute()}"
