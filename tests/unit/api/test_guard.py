"""The guard in front of everything, as a foreign page or a rebound name would meet it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mlbox.api.guard import Guard, host_of
from mlbox.base.command import OWNER
from mlbox.base.errors import Unauthorized


async def answer(
    headers: dict[str, str], *, method: str = "POST", path: str = "/sql", token: str = "", hosts: tuple[str, ...] = ()
) -> int:
    """Status of a request that passes the guard, 200 when it reaches the application."""
    statuses: list[int] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }

    def identify(user: str, secret: str) -> str:
        if token and secret != token:
            raise Unauthorized("a token is needed")
        return OWNER

    await Guard(inner, hosts=hosts, identify=identify)(scope, receive, send)
    return statuses[0]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:7070", **JSON}, 200),
        ({"Host": "localhost:7070", **JSON}, 200),
        ({"Host": "[::1]:7070", **JSON}, 200),
        ({"Host": "127.0.0.1:7070", "Origin": "http://127.0.0.1:7070", **JSON}, 200),
        ({"Host": "evil.example:7070", **JSON}, 403),
        ({"Host": "127.0.0.1.evil.example", **JSON}, 403),
        ({**JSON}, 403),
        ({"Host": "127.0.0.1:7070", "Origin": "http://evil.example", **JSON}, 403),
        ({"Host": "127.0.0.1:7070", "Origin": "http://127.0.0.1:9999", **JSON}, 403),
        ({"Host": "127.0.0.1:7070", "Origin": "null", **JSON}, 403),
        ({"Host": "127.0.0.1:7070", "Content-Type": "text/plain"}, 403),
        ({"Host": "127.0.0.1:7070", "Content-Type": "application/x-www-form-urlencoded"}, 403),
        ({"Host": "127.0.0.1:7070", "Content-Type": "multipart/form-data; boundary=x"}, 403),
        ({"Host": "127.0.0.1:7070", "Origin": "http://127.0.0.1:7070"}, 403),
    ],
)
def test_who_is_let_in(headers: dict[str, str], status: int) -> None:
    """Our own pages and programs are; foreign pages, rebound names and forms are not."""
    assert asyncio.run(answer(headers)) == status


def test_a_token_is_demanded_where_one_is_set() -> None:
    """Of all paths but health and the run API, which has tokens of its own."""
    ours = {"Host": "localhost", **JSON}
    assert asyncio.run(answer(ours, token="secret")) == 401
    assert asyncio.run(answer({**ours, "Authorization": "Bearer wrong"}, token="secret")) == 401
    assert asyncio.run(answer({**ours, "Authorization": "Bearer secret"}, token="secret")) == 200
    assert asyncio.run(answer({**ours, "Authorization": "Bearer gehéim"}, token="secret")) == 401
    assert asyncio.run(answer({"Host": "localhost"}, token="secret", method="GET", path="/health")) == 200
    assert asyncio.run(answer(ours, token="secret", path="/run-api/x/events")) == 200


def test_more_names_can_be_allowed() -> None:
    """The setting allowed_hosts."""
    headers = {"Host": "mlbox.internal:80", **JSON}
    assert asyncio.run(answer(headers)) == 403
    assert asyncio.run(answer(headers, hosts=("mlbox.internal",))) == 200


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("a:1", "a"),
        ("http://a:1", "a"),
        ("[::1]:80", "[::1]"),
        ("http://[::1]:80", "[::1]"),
        ("", ""),
        ("null", "null"),
    ],
)
def test_host_of(value: str, host: str) -> None:
    """Of headers and origins."""
    assert host_of(value) == host
