"""How user code that answers requests can fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlbox.base.errors import Invalid, MlboxError, SystemError


class CodeFailed(SystemError):
    """The user's own code behind an endpoint raised, or returned what is no answer."""

    code = "code_failed"


def of_reply(who: str, error: Mapping[str, Any]) -> MlboxError:
    """What a process says went wrong in ``who``'s code."""
    message, hint = str(error.get("message") or error.get("type")), error.get("hint")
    if error.get("refused"):
        return Invalid(message, hint=hint)
    place = f" ({error['file']}, line {error['line']})" if error.get("line") else ""
    if error.get("type") == "WrongCall":
        return CodeFailed(f"{who}: {message}", hint=hint)
    kind = f"{error.get('type')}: " if error.get("type") else ""
    first = message.strip().splitlines()[0] if message.strip() else ""
    return CodeFailed(f"{who}: {kind}{first}{place}", hint=hint or "the traceback is in the endpoint's log: ml.logs")
