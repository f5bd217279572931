"""What a call of MLflow's API is, what it is given, and how its errors are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mlbox.api.context import ApiContext
from mlbox.base.command import Caller, Command, Result
from mlbox.base.errors import Invalid, MlboxError
from mlbox.engine.runs.experiments import Experiments
from mlbox.engine.runs.tracking import Tracking

Data = Mapping[str, Any]
"""The fields of a request, from its JSON body or its query."""


@dataclass(frozen=True, slots=True)
class Door:
    """One request: for which project, on whose behalf."""

    context: ApiContext
    caller: Caller

    @property
    def project(self) -> str:
        """The project in the address."""
        return self.caller.project

    @property
    def tracking(self) -> Tracking:
        """Runs."""
        return self.context.tracking

    @property
    def experiments(self) -> Experiments:
        """Experiments."""
        return self.context.tracking.experiments

    def dispatch(self, command: Command) -> Result:
        """Carry a command out."""
        return self.context.dispatcher.dispatch(command, self.caller)


Call = Callable[[Door, Data], Data]

CALLS: dict[tuple[str, str], Call] = {}
"""By HTTP method and path below ``/api/2.0/mlflow/``; ``{x}`` in a path is a field ``x``."""


def call(method: str, path: str) -> Callable[[Call], Call]:
    """Register a call."""

    def add(function: Call) -> Call:
        CALLS[method, path] = function
        return function

    return add


def find(method: str, path: str) -> tuple[Call, dict[str, str]] | None:
    """The call of a path, and the fields that the path holds."""
    exact = CALLS.get((method, path))
    if exact is not None:
        return exact, {}
    parts = path.split("/")
    for (known_method, known), function in CALLS.items():
        if known_method != method or "{" not in known:
            continue
        pattern = known.split("/")
        if len(pattern) == len(parts) and all(p == q or p.startswith("{") for p, q in zip(pattern, parts, strict=True)):
            return function, {p[1:-1]: q for p, q in zip(pattern, parts, strict=True) if p.startswith("{")}
    return None


_CODES = {
    "not_found": "RESOURCE_DOES_NOT_EXIST",
    "already_exists": "RESOURCE_ALREADY_EXISTS",
    "unauthorized": "UNAUTHENTICATED",
    "forbidden": "PERMISSION_DENIED",
    "not_executed": "NOT_IMPLEMENTED",
    "conflict": "INVALID_STATE",
    "unavailable": "TEMPORARILY_UNAVAILABLE",
}


def error_body(error: MlboxError) -> dict[str, str]:
    """Our error as MLflow's clients read it."""
    known = "INTERNAL_ERROR" if error.http_status >= 500 else "INVALID_PARAMETER_VALUE"
    return {"error_code": _CODES.get(error.code, known), "message": error.with_hint}


def text(data: Data, *names: str) -> str:
    """A field that must be there, under one of its names."""
    for name in names:
        if data.get(name) not in (None, ""):
            return str(data[name])
    raise Invalid(f"the request needs the field {names[0]!r}")


def moment(milliseconds: Any) -> datetime | None:
    """Milliseconds since 1970 as a time."""
    if milliseconds in (None, ""):
        return None
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (TypeError, ValueError, OverflowError):
        raise Invalid(f"{milliseconds!r} is no time in milliseconds") from None


def milliseconds(at: datetime | None) -> int | None:
    """A time as milliseconds since 1970."""
    return None if at is None else int(at.timestamp() * 1000)


def objects(data: Data, name: str) -> list[Data]:
    """A field that is a list of objects; none when it is not there."""
    given = data.get(name) or []
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise Invalid(f"{name} is a list of objects, not {given!r}")
    return given


def names(data: Data, name: str) -> list[str]:
    """A field that is a list of texts; none when it is not there."""
    given = data.get(name) or []
    return [str(entry) for entry in (given if isinstance(given, list) else [given])]


def pairs(data: Data, name: str) -> dict[str, str]:
    """A field that is ``[{"key": .., "value": ..}]``, as a dictionary."""
    return {text(entry, "key"): str(entry.get("value", "")) for entry in objects(data, name)}


def listed(known: Mapping[str, Any]) -> list[dict[str, str]]:
    """The inverse of :func:`pairs`."""
    return [{"key": str(key), "value": as_text(value)} for key, value in known.items()]


def as_text(value: Any) -> str:
    """A value as MLflow has it: text."""
    import json

    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, default=str)
    return str(value)


def page(data: Data, longest: int, usual: int) -> tuple[int, int]:
    """Offset and limit of a search; a page token is the offset."""
    try:
        limit = int(data.get("max_results") or usual)
        offset = int(data.get("page_token") or 0)
    except (TypeError, ValueError):
        raise Invalid("max_results is a number, and page_token what the search before gave") from None
    if offset < 0:
        raise Invalid(f"page_token is {offset}; it is what the search before gave")
    if not 0 < limit <= longest:
        raise Invalid(f"max_results is {limit}; it goes from 1 to {longest}")
    return offset, limit


def with_token(body: dict[str, Any], offset: int, limit: int, found: int) -> dict[str, Any]:
    """``body`` with the token of the next page, when there is one."""
    return {**body, "next_page_token": str(offset + limit)} if found > limit else body
