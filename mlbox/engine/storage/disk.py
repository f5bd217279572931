"""Errors of the disk that bytes are stored on."""

from __future__ import annotations

import errno

from mlbox.base.errors import MlboxError, SystemError, Unavailable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk, what the user may have of it, or what the process may write."""


def is_full(error: OSError) -> bool:
    """Whether it takes no more bytes."""
    return error.errno in FULL


def disk_error(error: OSError) -> MlboxError:
    """As users see it. A full disk passes, so that what was to be stored can be sent again."""
    if is_full(error):
        return Unavailable("the disk of the artifact store is full", hint="free some space, then try again")
    return SystemError(f"the artifact store cannot be written: {error.strerror}")


def named(error: MlboxError, what: str) -> MlboxError:
    """The same error about something that people know by a name, where the store knows a hash only."""
    return type(error)(f"{what}: {error.message}", hint=error.hint, details=error.details)
