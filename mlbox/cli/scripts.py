"""Scripts in files."""

from __future__ import annotations

from pathlib import Path

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.suggest import did_you_mean


def read_script(path: Path) -> str:
    """The text of a script; raises ``NotFound`` with the nearest names, ``Invalid`` for what is no text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        folder = path.parent if path.parent.is_dir() else Path.cwd()
        known = [entry.name for entry in folder.glob("*.sql")]
        raise NotFound(
            f"there is no file {path}", hint=did_you_mean(path.name, known) or "to run a text, use: mlbox sql -c 'TEXT'"
        ) from None
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from None
