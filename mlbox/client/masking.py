"""Keeps the values of secrets out of what a run prints: each is replaced by asterisks of the same length.

What goes around Python's own streams (a library that writes to the file descriptor) is masked by the server when the
run has ended.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

NAMES = "MLBOX_SECRETS"
SHORTEST = 4
"""Characters from which on a value is looked for; as in the server."""


def values() -> List[str]:
    """The values to hide, the longest first."""
    names = [name for name in os.environ.get(NAMES, "").split(",") if name]
    found = [os.environ[name] for name in names if len(os.environ.get(name, "")) >= SHORTEST]
    return sorted(found, key=len, reverse=True)


def mask(value: Any, hidden: List[str]) -> Any:
    """``value`` with the texts in it masked; lists and dictionaries are gone through."""
    if isinstance(value, str):
        for each in hidden:
            value = value.replace(each, "*" * len(each))
        return value
    if isinstance(value, dict):
        return {name: mask(item, hidden) for name, item in value.items()}
    if isinstance(value, list):
        return [mask(item, hidden) for item in value]
    return value


class MaskedStream:
    """A text stream that masks what is written to it."""

    def __init__(self, stream: Any, hidden: List[str]) -> None:
        self._stream = stream
        self._hidden = hidden

    def write(self, text: str) -> int:
        """Write ``text``, masked; the number of characters that were given."""
        self._stream.write(mask(text, self._hidden))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Line by line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def mask_streams() -> None:
    """From here on, where the function has secrets."""
    hidden = values()
    if hidden:
        sys.stdout = MaskedStream(sys.stdout, hidden)  # a stream to whoever prints
        sys.stderr = MaskedStream(sys.stderr, hidden)
