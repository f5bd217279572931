"""Output of engines that can only follow a stream, read by offset.

A thread follows the stream of a run into a bounded buffer. Whoever asks for the offset that comes next gets it from
there; after a restart of the server the stream is opened anew and what is known already is skipped.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress

_BUFFER_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20
_LAST_WAIT_SECONDS = 30.0

Open = Callable[[], Iterator[bytes] | None]
"""Opens the whole output of a run from its first byte and follows it to its end; None: there is none now."""


class _Tail:
    def __init__(self, chunks: Iterator[bytes], skip: int) -> None:
        self.offset = skip
        """Of the first byte that has not been taken."""
        self.closed = False
        self.done = False
        self.failed = False
        self._chunks = chunks
        self._buffer: deque[bytes] = deque()
        self._size = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._follow, args=(skip,), name="run-output", daemon=True).start()

    def take(self, wait: bool) -> bytes:
        """What is there, at most 1 MiB; with ``wait`` nothing means the end."""
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._buffer or self.done, _LAST_WAIT_SECONDS)
            parts, size = [], 0
            while self._buffer and size < _CHUNK_BYTES:
                part = self._buffer.popleft()
                if size + len(part) > _CHUNK_BYTES:
                    self._buffer.appendleft(part[_CHUNK_BYTES - size :])
                    part = part[: _CHUNK_BYTES - size]
                parts.append(part)
                size += len(part)
            self._size -= size
            self.offset += size
            self._changed.notify_all()
            return b"".join(parts)

    def close(self) -> None:
        """Stop following."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()
        close = getattr(self._chunks, "close", None)
        if close is not None:
            with suppress(Exception):  # a generator that runs, a socket that is gone
                close()

    def _follow(self, skip: int) -> None:
        try:
            for chunk in self._chunks:
                kept, skip = chunk[skip:], max(0, skip - len(chunk))
                if not kept:
                    continue
                with self._changed:
                    self._changed.wait_for(lambda: self._size < _BUFFER_BYTES or self.closed)
                    if self.closed:
                        return
                    self._buffer.append(kept)
                    self._size += len(kept)
                    self._changed.notify_all()
        except Exception:  # whatever the engine's library raises when the connection breaks: opened anew
            self.failed = True
        finally:
            with self._changed:
                self.done = True
                self._changed.notify_all()


class Following:
    """The outputs of all runs of an executor."""

    def __init__(self) -> None:
        self._tails: dict[str, _Tail] = {}
        self._lock = threading.Lock()

    def read(self, key: str, offset: int, open_output: Open, *, ended: bool) -> tuple[bytes, int]:
        """Output of run ``key`` from ``offset`` on, and the offset after it. When the run has ``ended``, nothing means
        that there is no more."""
        with self._lock:
            tail = self._tails.get(key)
        if tail is None or tail.offset != offset:
            self.forget(key)
            chunks = open_output()
            if chunks is None:
                return b"", offset
            tail = _Tail(chunks, offset)
            with self._lock:
                self._tails[key] = tail
        data = tail.take(wait=ended)
        if not data and tail.done and (tail.failed or not ended):
            self.forget(key)
            if ended:  # the connection broke: all is there, so it can be read again
                return self.read(key, offset, open_output, ended=ended)
        return data, offset + len(data)

    def forget(self, key: str) -> None:
        """Stop following a run."""
        with self._lock:
            tail = self._tails.pop(key, None)
        if tail is not None:
            tail.close()
