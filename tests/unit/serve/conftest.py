"""Fixtures of the tests of serving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import onnx_models
import pytest
from serving_house import House, Live, Server


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house with an empty home."""
    built = House(tmp_path)
    yield built
    built.close()


@pytest.fixture
def serve() -> Iterator[Callable[[House], Server]]:
    """Start servers; they are stopped at the end."""
    running: list[Server] = []

    def start(house: House) -> Server:
        running.append(Server(house.endpoints.asgi))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def live(house: House, serve: Callable[[House], Server]) -> Iterator[Live]:
    """The house, served."""
    server = serve(house)
    with httpx.Client(base_url=server.url, timeout=60) as client:
        yield Live(house, server, client)


@pytest.fixture
def scaled() -> Callable[..., bytes]:
    """Makes models: factor times the sum of two features."""
    return onnx_models.scaled
