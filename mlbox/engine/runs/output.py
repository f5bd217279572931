"""The log of a run: one file for all its attempts, whoever writes it.

A local process writes its output there itself. The output of a remote one is copied, and the place reached at the
engine must survive the death of the server without a gap or a repeat. So it is never written down beside the data: it
follows from the length of the file. ``<run>.place`` says "at this length of the file the engine's output stood at that
offset"; the copied bytes add the same to both. Lines of our own in between need a new ``place``, written before them.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlbox.base.home import Home

CHUNK = 1 << 20
SHORTEST = 4
"""Characters from which on a secret is looked for: a shorter one is everywhere, and masking it would tell where."""
Read = Callable[[int], tuple[bytes, int]]
"""Output from an offset on, and the offset after it; nothing when there is no more for the moment."""


_READS_AT_ONCE = 16


class Output:
    """The logs of all runs of a home. Safe in threads; one process owns a home."""

    def __init__(self, home: Home) -> None:
        self._folder = home.logs
        self._lock = threading.Lock()

    def path(self, run_id: str) -> Path:
        """Output of all attempts of a run."""
        return self._folder / f"{run_id}.log"

    def say(self, run_id: str, text: str) -> None:
        """A line of our own. Raises ``OSError``."""
        data = text.encode("utf-8", "replace")
        with self._lock:
            if data and self._place_file(run_id).exists():
                size, offset = self._size(run_id), self._offset(run_id)
                self._keep_place(run_id, size + len(data), offset)
            self._append(run_id, data)

    def begin(self, run_id: str) -> None:
        """From here on the output of an engine is copied, from its start."""
        with self._lock:
            self._keep_place(run_id, self._size(run_id), 0)

    def copy(self, run_id: str, read: Read, *, whole: bool) -> None:
        """Append what the engine has: all of it (``whole``, when no more comes), or some of it, since a run may write
        as fast as we read."""
        count = 0
        while whole or count < _READS_AT_ONCE:
            count += 1
            with self._lock:
                offset = self._offset(run_id)
            data, _ = read(offset)
            if not data:
                return
            with self._lock:
                if self._offset(run_id) == offset:
                    self._append(run_id, data)

    def mask(self, run_id: str, values: Iterable[str]) -> None:
        """Overwrite every occurrence of ``values`` with as many asterisks; offsets stay what they are."""
        wanted = [value.encode() for value in by_length(values)]
        path = self.path(run_id)
        if not wanted or not path.is_file():
            return
        with self._lock, path.open("r+b") as file:
            overlap, start = max(map(len, wanted)) - 1, 0
            while True:
                file.seek(start)
                piece = file.read(CHUNK + overlap)
                clean = piece
                for value in wanted:
                    clean = clean.replace(value, b"*" * len(value))
                if clean != piece:
                    file.seek(start)
                    file.write(clean)
                if len(piece) <= CHUNK:
                    return
                start += CHUNK

    def end(self, run_id: str) -> None:
        """Nothing more is copied."""
        self._place_file(run_id).unlink(missing_ok=True)

    def _offset(self, run_id: str) -> int:
        try:
            place = json.loads(self._place_file(run_id).read_text())
        except (OSError, ValueError):
            return 0
        return int(place["offset"]) + max(0, self._size(run_id) - int(place["size"]))

    def _keep_place(self, run_id: str, size: int, offset: int) -> None:
        file = self._place_file(run_id)
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps({"size": size, "offset": offset}))
        os.replace(temporary, file)

    def _append(self, run_id: str, data: bytes) -> None:
        with self.path(run_id).open("ab") as file:
            file.write(data)

    def _size(self, run_id: str) -> int:
        with suppress(OSError):
            return self.path(run_id).stat().st_size
        return 0

    def _place_file(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.place"


def by_length(secrets: Iterable[str]) -> list[str]:
    """Those that are looked for, the longest first: one that holds another must not be left half."""
    return sorted((secret for secret in secrets if len(secret) >= SHORTEST), key=len, reverse=True)


def masked(value: Any, secrets: Iterable[str]) -> Any:
    """``value`` with asterisks for every secret in its texts."""
    if isinstance(value, str):
        for secret in by_length(secrets):
            value = value.replace(secret, "***")
        return value
    if isinstance(value, Mapping):
        return {name: masked(item, secrets) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(item, secrets) for item in value]
    return value
