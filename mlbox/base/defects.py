"""What is told of a defect of ours: to the owner what happened, to everybody else a number that finds it in the log."""

from __future__ import annotations

import logging

from mlbox.base.command import OWNER
from mlbox.base.errors import Internal, MlboxError
from mlbox.base.ids import new_id
from mlbox.base.telemetry import request_id

_log = logging.getLogger("mlbox")


def told_to(user: str, error: MlboxError) -> MlboxError:
    """The error as ``user`` is told of it: whole to the owner of the server, to others what is public."""
    return error if user == OWNER else error.public


def known(error: Exception, doing: str) -> MlboxError:
    """An error of ours as it is; any other as the defect that it is."""
    return error if isinstance(error, MlboxError) else defect_of(error, doing)


def defect_of(error: Exception, doing: str) -> Internal:
    """Logs ``error`` whole, with the id of the request (a new one where it has none); for all but the owner of the
    server the result tells that id and nothing of what happened: no path, no statement of ours, no type."""
    number = request_id.get() or new_id()
    _log.error("defect while %s (request %s)", doing, number, exc_info=error)
    return Internal(
        f"mlbox failed: {type(error).__name__}: {error}",
        hint=f"this is a defect; the server's log has more under {number}",
    ).kept_from_others(
        "the request met a defect of mlbox",
        f"tell the owner of the server the id {number}: the server's log has what happened",
    )
