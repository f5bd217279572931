"""The tree of errors. Everything that mlbox raises on purpose is one of these.

    MlboxError
    ├── UserError               the request is wrong; exit 1, HTTP 4xx
    │   ├── StatementError      the text of a statement is wrong (line and column are known)
    │   ├── Invalid             a value is wrong
    │   │   └── TooLarge        a body, or what it unpacks to, is beyond its limit
    │   ├── NotFound            a name does not exist (nearest names are in the hint)
    │   ├── AlreadyExists       a name is taken
    │   ├── Conflict            right request, wrong moment or state
    │   ├── Unauthorized        who are you?
    │   ├── Forbidden           you may not
    │   ├── NotExecuted         the language has this statement, this version does not run it
    │   ├── RunFailed           the user's own code failed
    │   ├── Cancelled           somebody or a time limit ended it
    │   └── HomeError           the home cannot be opened (owned by another server, newer version)
    └── SystemError             mlbox or its surroundings failed; exit 2, HTTP 5xx
        ├── Unavailable         try again: a resource is away for the moment (transient)
        └── Internal            a defect of mlbox

``transient`` says whether the same request may succeed later without a change; retries obey it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Where:
    """A place in the user's text: line and column count from 1, offset counts characters from 0."""

    line: int
    column: int
    offset: int
    text: str = ""
    """The whole line, for the caret."""

    @classmethod
    def at(cls, source: str, offset: int) -> Where:
        """The place of character ``offset`` in ``source``."""
        offset = max(0, min(offset, len(source)))
        start = source.rfind("\n", 0, offset) + 1
        end = source.find("\n", offset)
        line_text = source[start:] if end < 0 else source[start:end]
        return cls(source.count("\n", 0, offset) + 1, offset - start + 1, offset, line_text)


class MlboxError(Exception):
    """Base of all: ``message`` says what was wrong, ``hint`` what to do next, ``where`` the place in the text."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    exit_status: ClassVar[int] = 2
    transient: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        where: Where | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.details = details or {}
        self.option: str | None = None
        """The option or parameter that is wrong; from it the place in the statement is found."""
        self._public: tuple[str, str | None] | None = None

    def of_option(self, name: str) -> Self:
        """The same, about an option or parameter of a statement."""
        self.option = self.option or name
        return self

    def kept_from_others(self, public: str, hint: str | None = None) -> Self:
        """The same, of which all but the owner of the server are told ``public`` instead: the message or its hint has
        an address or a path of the server."""
        self._public = (public, hint)
        return self

    @property
    def public(self) -> MlboxError:
        """As it is told to others than the owner of the server."""
        if self._public is None:
            return self
        message, hint = self._public
        return type(self)(message, hint=hint, where=self.where)

    @property
    def with_hint(self) -> str:
        """What was wrong, and what to do next, in one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message

    def to_dict(self) -> dict[str, Any]:
        """The JSON envelope's ``error`` value; the same for every door."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            body["hint"] = self.hint
        if self.where:
            body["where"] = {
                "line": self.where.line,
                "column": self.where.column,
                "offset": self.where.offset,
                "text": self.where.text,
            }
        if self.details:
            body["details"] = self.details
        return body


class UserError(MlboxError):
    """The request is wrong; sending it again unchanged will not help."""

    code = "user_error"
    http_status = 400
    exit_status = 1


class StatementError(UserError):
    """The text of a statement cannot be understood."""

    code = "statement"


class Invalid(UserError):
    """A value is wrong."""

    code = "invalid"


class TooLarge(Invalid):
    """The body is larger than the limit."""

    code = "too_large"
    http_status = 413

    @classmethod
    def than(cls, limit: int, what: str = "body") -> TooLarge:
        """The error of a body beyond ``limit`` bytes."""
        hint = "send the rows in several requests, or raise the setting max_request_mb"
        return cls(f"the {what} is larger than {limit:,} bytes", hint=hint)


class NotFound(UserError):
    """A name does not exist."""

    code = "not_found"
    http_status = 404


class AlreadyExists(UserError):
    """A name is taken."""

    code = "already_exists"
    http_status = 409


class Conflict(UserError):
    """The request is right, the state of things is not."""

    code = "conflict"
    http_status = 409


class Unauthorized(UserError):
    """A token is missing or unknown."""

    code = "unauthorized"
    http_status = 401


class Forbidden(UserError):
    """The caller is known and may not do this."""

    code = "forbidden"
    http_status = 403


class NotExecuted(UserError):
    """The language has this statement; this version does not run it."""

    code = "not_executed"
    http_status = 501


class RunFailed(UserError):
    """The user's own code failed; ``details`` holds the run's id and the traceback of that code."""

    code = "run_failed"
    http_status = 422


class Cancelled(UserError):
    """The statement was ended before its time, by somebody or by a limit; what it had acknowledged stays."""

    code = "cancelled"
    http_status = 409


class HomeError(UserError):
    """The home cannot be opened."""

    code = "home"
    http_status = 409


class SystemError(MlboxError):
    """mlbox or its surroundings failed."""

    code = "system_error"


class Unavailable(SystemError):
    """A resource is away for the moment; the same request may succeed later."""

    code = "unavailable"
    http_status = 503
    transient = True


class Internal(SystemError):
    """A defect of mlbox."""

    code = "internal"


_BY_CODE: dict[str, type[MlboxError]] = {}


def _collect(kind: type[MlboxError]) -> None:
    _BY_CODE[kind.code] = kind
    for child in kind.__subclasses__():
        _collect(child)


def from_dict(body: dict[str, Any]) -> MlboxError:
    """The error that ``to_dict`` described: how a client of the server raises what the server raised."""
    code = str(body.get("code"))
    if code not in _BY_CODE:  # a module that has an error of its own may have come since
        _collect(MlboxError)
    kind = _BY_CODE.get(code, MlboxError)
    where = body.get("where")
    return kind(
        str(body.get("message", "unknown error")),
        hint=body.get("hint"),
        where=Where(**where) if where else None,
        details=body.get("details"),
    )
