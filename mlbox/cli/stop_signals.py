"""Waiting for Ctrl-C or a request to end."""

from __future__ import annotations

import signal
import socket


class StopSignals:
    """From its making on, SIGINT and SIGTERM end ``wait()`` and nothing else. Made by the main thread.

    The kernel may hand a signal to any thread. A lock that the main thread waits for would then sleep on, and with
    it the handler, which Python runs in the main thread only; the descriptor is written by whichever thread was hit.
    """

    def __init__(self) -> None:
        self._told, wakes = socket.socketpair()
        wakes.setblocking(False)
        self._wakes = wakes  # kept, for the interpreter knows only its number
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)

    def wait(self) -> None:
        """Until one of the two has come, also one that came before."""
        wanted = {signal.SIGINT, signal.SIGTERM}
        while not wanted.intersection(self._told.recv(64)):
            pass
