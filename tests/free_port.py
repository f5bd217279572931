"""A port for a server that must be told one."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

_HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """One of loopback that nobody has at this moment, and that the kernel gives to nobody by itself: until its server
    has it, which may take seconds, somebody else's socket would get it."""
    lowest = int(_HANDED_OUT.read_text().split()[0]) if _HANDED_OUT.exists() else 0
    chance = random.SystemRandom()  # not the one that others seed
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", chance.randrange(10_000, lowest) if lowest > 20_000 else 0))
            return int(probe.getsockname()[1])
