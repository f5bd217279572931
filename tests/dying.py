"""``mlbox`` that is killed (SIGKILL) when it comes to a given place: ``python dying.py module:Class.function WHEN ..``.

``WHEN`` is ``before`` or ``after`` the call; what follows are the arguments of ``mlbox``.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any


def arm(place: str, when: str) -> None:
    """Put the end into the function."""
    module_name, _, path = place.partition(":")
    owner: Any = importlib.import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = getattr(owner, name)

    def dies(*arguments: Any, **named: Any) -> Any:
        if when == "after":
            original(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dies)


if __name__ == "__main__":
    arm(*sys.argv[1:3])
    from mlbox.cli.main import run

    sys.argv[1:3] = []
    run()
