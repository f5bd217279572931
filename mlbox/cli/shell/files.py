"""Names of files for completion."""

from __future__ import annotations

import os
from pathlib import Path


def files(begun: str) -> list[str]:
    """Paths that begin with ``begun``, as the user would write them; folders end with a slash."""
    head, _, tail = begun.rpartition("/")
    shown = f"{head}/" if "/" in begun else ""
    folder = Path(shown or ".").expanduser()
    try:
        with os.scandir(folder) as entries:
            found = [entry.name + ("/" if entry.is_dir() else "") for entry in entries]
    except OSError:
        return []
    hidden = tail.startswith(".")
    return sorted(shown + name for name in found if name.startswith(tail) and (hidden or not name.startswith(".")))
