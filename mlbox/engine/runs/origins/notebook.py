"""A Jupyter notebook: the marked cells, or all of them, as one file.

A cell whose first line is ``# mlbox: code`` is marked; one that begins with ``# mlbox: ignore`` is left out. When none
is marked, all code cells count. Lines of magics and of the shell (``%``, ``!``) become comments.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.suggest import did_you_mean
from mlbox.engine.runs.origins.base import ORIGINS, Fetched, Place

_MARK = re.compile(r"#\s*mlbox:\s*(?P<word>code|ignore)\b")
_MAGIC = re.compile(r"\s*[%!]|\s*\w+\s*=\s*!")


class NotebookOrigin:
    """Read as JSON (nbformat 4); nothing is run."""

    summary = "`train.ipynb`: a notebook; cells that begin with `# mlbox: code`, else all but `# mlbox: ignore`"

    def matches(self, text: str) -> bool:
        """By its ending."""
        return text.lower().endswith(".ipynb") and "://" not in text

    def fetch(self, place: Place) -> Fetched:
        """The file of its cells, with the notebook's name."""
        path = Path(place.base, place.text).expanduser()
        if not path.is_file():
            near = [entry.name for entry in path.parent.glob("*.ipynb")] if path.parent.is_dir() else []
            raise NotFound(f"there is no file {path}", hint=did_you_mean(path.name, near))
        try:
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            sources = [_text(cell) for cell in cells if cell["cell_type"] == "code"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise Invalid(f"{path.name} is not a notebook: {error!r}") from None
        target = place.scratch / f"{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}.py"
        target.write_text("\n\n".join(chosen(sources)) + "\n", encoding="utf-8")
        return Fetched(target)


def _text(cell: dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def chosen(sources: list[str]) -> list[str]:
    """The cells that make the function, without magics."""
    words = []
    for source in sources:
        found = _MARK.match(source.lstrip())
        words.append(found["word"] if found else "")
    wanted = "code" if "code" in words else ""
    kept = [source for source, word in zip(sources, words, strict=True) if word == wanted]
    return [_without_magics(source) for source in kept if source.strip()]


def _without_magics(source: str) -> str:
    if source.lstrip().startswith("%%"):  # a cell magic makes the whole cell something else
        return "\n".join(f"# {line}" for line in source.splitlines())
    return "\n".join(f"# {line}" if _MAGIC.match(line) else line for line in source.splitlines())


ORIGINS.add("notebook", NotebookOrigin())
