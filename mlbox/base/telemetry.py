"""What a piece of work belongs to: the id of its request, and its span where traces are configured.

Both follow the work through tasks and threads as context variables do. Without a tracer a span costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

REQUEST_ID = "x-request-id"
FOLLOWED = "mlbox.followed"
"""Where the scope of a request has itself as :class:`Followed`."""
LONGEST_ID = 200
"""Characters of a request's id that are kept of what a caller sends."""

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""Of the request that is worked for; empty where it is none, or nobody has asked to follow it."""


class Followed:
    """A request that is followed: its id, and whether the caller gave it."""

    __slots__ = ("given", "id")

    def __init__(self, identity: str, given: bool) -> None:
        self.id = identity
        self.given = given


class Span(Protocol):
    """A piece of work that is measured."""

    def set_attribute(self, key: str, value: Any) -> None:
        """Say something about it."""
        ...


class Tracer(Protocol):
    """Makes spans and hands them to a collector."""

    def span(self, name: str, attributes: Mapping[str, Any]) -> AbstractContextManager[Any]:
        """A piece of work within the one that is under way."""
        ...

    def served(self, name: str, headers: Mapping[str, str]) -> AbstractContextManager[Any]:
        """A request of others; it goes on with the trace that its headers tell (W3C Trace Context)."""
        ...

    def headers(self) -> dict[str, str]:
        """What a request to others carries, so that they go on with the trace."""
        ...

    def ids(self) -> tuple[str, str]:
        """Trace and span under way in hexadecimal digits; empty where there is none."""
        ...

    def close(self) -> None:
        """Hand over what there is."""
        ...


class _Active:
    tracer: Tracer | None = None


def tracer() -> Tracer | None:
    """The tracer of this process, if one is configured."""
    return _Active.tracer


def trace_with(chosen: Tracer | None) -> None:
    """Make spans with it from now on."""
    _Active.tracer = chosen


def span(name: str, **attributes: Any) -> AbstractContextManager[Any]:
    """A piece of work within the one that is under way; nothing without a tracer."""
    active = _Active.tracer
    return _NOTHING if active is None else active.span(name, attributes)


def carried(work: Callable[[], T]) -> Callable[[], T]:
    """``work`` for another thread, which then belongs to the same request."""
    if _Active.tracer is None and not request_id.get():
        return work
    return partial(copy_context().run, work)


def outgoing() -> dict[str, str]:
    """Headers for a request to others that is made for the one that is worked for."""
    headers = {} if _Active.tracer is None else _Active.tracer.headers()
    identity = request_id.get()
    if identity:
        headers[REQUEST_ID] = identity
    return headers


def cleaned(given: str) -> str:
    """What of a caller's id can stand in headers and logs: printable ASCII, so many characters."""
    return "".join(each for each in given[:LONGEST_ID] if " " < each <= "~")


_NOTHING: AbstractContextManager[Any] = nullcontext()
