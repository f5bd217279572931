"""The owner's token: the setting, else a file of the home that only its user can read.

A home with members must know its owner from others on the same machine, who reach the same port.
"""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings


def owner_file(home: Home) -> Path:
    """Where it is kept."""
    return home.path / "owner.token"


def kept_token(home: Home) -> str:
    """What the file holds, for whoever may read it; empty when there is none."""
    try:
        return owner_file(home).read_text().strip()
    except OSError:
        return ""


def owner_token(home: Home, settings: Settings, *, needed: bool) -> str:
    """Empty when nobody has to be told apart; the file is made when it is needed first."""
    if settings.token or not needed:
        return settings.token
    if not kept_token(home):
        handle = os.open(owner_file(home), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"mlbox_{token_urlsafe(32)}\n")
    return kept_token(home)
