"""Which homes keep their artifacts at one address: each leaves a mark there before its first bytes.

A sweep knows what its own catalog points at, and nothing of another's; so it is refused where there are two marks.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path

from mlbox.base.ids import new_id


class StoreMark:
    """The name of this home among them, kept in ``file`` beside the copies of bytes, which may go.

    A copy of a home is another home: it gets another name.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.name = self._known() or self._new()
        self.content = json.dumps({"home": str(file.absolute().parent), "host": socket.gethostname()}).encode()

    def _known(self) -> str | None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(self._file.read_text())
            if known["inode"] == self._file.stat().st_ino:  # a copied file has another
                return str(known["name"])
        return None

    def _new(self) -> str:
        name = new_id()
        building = self._file.with_suffix(".new")
        with building.open("w") as file:
            json.dump({"name": name, "inode": os.fstat(file.fileno()).st_ino}, file)
        os.replace(building, self._file)
        return name

    @staticmethod
    def told(content: bytes, place: str) -> str:
        """Another home's mark in words."""
        try:
            known = json.loads(content)
            return f"{known['home']} on {known['host']} ({place})"
        except (ValueError, KeyError, TypeError):
            return place
