"""What answered before goes, whatever has become of its requests, and on a server that nobody asks too."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from serving_house import House, Live, served
from waiting import wait_until

from mlbox.base.names import Ref
from mlbox.serve.commands import DropEndpoint

CODE = """
import time
def score(x):
    if x == 5: raise ValueError("no")
    if x == 7: time.sleep(600)
    return 1
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    house = House(tmp_path_factory.mktemp("retiring"))
    with served(house) as live:
        yield live


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Python finds by itself no objects that hold each other, as where hardly anything is made."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _leave(live: Live, endpoint: str) -> None:
    """Go away while the code is in it."""
    host, port = live.server.url.removeprefix("http://").split(":")
    slot = live.house.endpoints.directory.find(endpoint)
    with closing(socket.create_connection((host, int(port)))) as connection:
        body = b'{"rows": [{"x": 7}]}'
        head = f"POST /v2/models/{endpoint}/infer HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        wait_until(lambda: slot.meter.waiting == 1)


def _ask(live: Live, endpoint: str, status: int, x: object) -> None:
    assert live.rows(endpoint, {"x": [x]}).status_code == status


WAYS: dict[str, Callable[[Live, str], None]] = {
    "wrong": lambda live, endpoint: _ask(live, endpoint, 400, [1, 2]),
    "failed": lambda live, endpoint: _ask(live, endpoint, 500, 5),
    "late": lambda live, endpoint: _ask(live, endpoint, 503, 7),
    "left": _leave,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("end", ["replaced", "dropped"])
def test_the_process_of_what_answered_before_ends(shared: Live, uncollected: None, way: str, end: str) -> None:
    house, name = shared.house, f"{way}_{end}"
    house.function(name, CODE)
    house.endpoint(name, function=name, options={"timeout_ms": 1000 if way in ("late", "left") else 60_000})
    WAYS[way](shared, name)
    wait_until(lambda: house.endpoints.directory.find(name).meter.waiting == 0)
    if end == "replaced":
        house.function(name, "def score(x):\n    return 2\n")
        house.endpoint(name, function=name, replace=True)
    else:
        house.do(DropEndpoint(ref=Ref("default", name)))
    processes = house.endpoints.pools.processes
    wait_until(lambda: f"function default.{name}@1" not in processes())
