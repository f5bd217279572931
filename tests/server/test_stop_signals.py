"""A request to end reaches the server, whichever of its threads the kernel gives it to."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys

import pytest
from real_server import Server

TGKILL = {"x86_64": 234, "aarch64": 131}.get(platform.machine())


@pytest.mark.skipif(sys.platform != "linux" or TGKILL is None, reason="tgkill is a call of Linux")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_any_thread_ends_the_server(own_server: Server, number: signal.Signals) -> None:
    pid = own_server.process.pid
    threads = {int(name) for name in os.listdir(f"/proc/{pid}/task")} - {pid}
    assert threads
    libc = ctypes.CDLL(None, use_errno=True)
    # the newest that is still there: some work for a moment only
    assert any(libc.syscall(TGKILL, pid, thread, int(number)) == 0 for thread in sorted(threads, reverse=True))
    assert own_server.process.wait(timeout=60) == 0
