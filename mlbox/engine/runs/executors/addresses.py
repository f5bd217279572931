"""Addresses of this machine, as others see them."""

from __future__ import annotations

import ipaddress
import socket

from mlbox.base.errors import Invalid


def is_ours(address: str) -> bool:
    """Whether this machine can listen at ``address`` and others reach it there."""
    try:
        if ipaddress.ip_address(address).is_loopback:
            return False
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.bind((address, 0))
    except (ValueError, OSError):
        return False
    return True


def way_to(host: str) -> str:
    """Our address on the way to ``host``; nothing is sent. ``Invalid`` when there is none that others reach."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            address = str(probe.getsockname()[0])
        problem = "it is on this machine's loopback" if ipaddress.ip_address(address).is_loopback else ""
    except OSError as error:
        problem = str(error)
    if problem:
        raise Invalid(
            f"no address of this machine is known that runs at {host} reach: {problem}",
            hint="name one with the setting run_host, or run_url when something stands between",
        )
    return address
