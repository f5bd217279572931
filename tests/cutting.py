"""A way to a server that breaks: connections through it are cut after so many bytes, or stand still."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

PIECE = 1 << 16


class Cutting:
    """``url`` leads to the server at ``to``. ``budgets`` are the bytes that the next connections may carry, in either
    direction together, before they are cut; when the list is empty they are whole. ``sent`` and ``fetched`` count.
    ``before_cut`` is called first: the two ends of a connection may hold megabytes that nobody has read yet."""

    def __init__(
        self,
        to: str,
        budgets: list[int],
        *,
        stand_still: bool = False,
        before_cut: Callable[[], object] = lambda: None,
    ) -> None:
        self.to = to
        self.budgets = budgets
        self.stand_still = stand_still
        self.before_cut = before_cut
        self.sent = self.fetched = 0
        self.cut = threading.Event()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No further connections."""
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                parts = urlsplit(self.to)
                try:
                    far = socket.create_connection((parts.hostname, parts.port))
                except OSError:
                    near.close()
                    continue
                budget = [self.budgets.pop(0) if self.budgets else 1 << 60]
                for way in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._carry, args=(*way, budget), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, up: bool, budget: list[int]) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE):
                with self._lock:
                    budget[0] -= len(data)
                    self.sent += len(data) if up else 0
                    self.fetched += 0 if up else len(data)
                    over = budget[0] < 0
                if over:
                    self.before_cut()
                    self.cut.set()
                    if self.stand_still:
                        return
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
