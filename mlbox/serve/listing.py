"""The endpoints of a server as the protocol's clients list them: names, and Triton's index of the repository."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.errors import Invalid

if TYPE_CHECKING:
    from mlbox.serve.directory import Directory, Slot

SEES = "mlbox.sees"
"""Where a scope has what tells whether its sender sees a project; without it nothing is listed."""

Sees = Callable[[str], bool]


def _nobody(project: str) -> bool:
    return False


def seen(directory: Directory, sees: Sees | None) -> list[Slot]:
    """Slots that the sender may know of, by name."""
    may = sees or _nobody
    return sorted((slot for slot in directory.slots() if may(slot.row.project)), key=lambda slot: slot.name)


def names(directory: Directory, sees: Sees | None) -> dict[str, Any]:
    """``{"models": ["project.endpoint", ..]}``, as KServe's server has it."""
    return {"models": [slot.name for slot in seen(directory, sees)]}


def index(directory: Directory, sees: Sees | None, body: bytes) -> list[dict[str, Any]]:
    """Triton's index: an entry for each endpoint and version that is loaded; ``{"ready": true}`` leaves out those that
    do not answer. An endpoint that was not asked yet since the start has no version."""
    try:
        asked = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("ready"), bool | None):
        raise Invalid("the body of a question for the index is an object", hint='{"ready": true}, or no body')
    found: list[dict[str, Any]] = []
    for slot in seen(directory, sees):
        ready = slot.row.state == "ready"
        if asked.get("ready") is True and not ready:
            continue
        state = {"state": "READY"} if ready else {"state": "UNAVAILABLE", "reason": slot.row.state}
        versions = sorted({str(arm.version) for arm in slot.runtime.arms}) if slot.runtime is not None else []
        entries = [{"name": slot.name, "version": version, **state} for version in versions]
        found += entries or [{"name": slot.name, **state}]
    return found
