"""The executors of a home."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlbox.engine.runs.executors.base import EXECUTORS, Executor

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings


def executor_name(runtime: str) -> str:
    """The executor of a runtime. What a function of SQL has to run is a process that waits for its query."""
    return "local" if runtime == "sql" else runtime


class Engines:
    """The executors of this home, each made when it is first asked for."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._home = home
        self._settings = settings
        self._made: dict[str, Executor] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Executor:
        """The executor called ``name``; ``NotFound`` with the nearest names."""
        name = executor_name(name)
        with self._lock:
            if name not in self._made:
                self._made[name] = EXECUTORS.get(name)(home=self._home, settings=self._settings)
            return self._made[name]

    def names(self) -> list[str]:
        """All executors."""
        return EXECUTORS.names()

    def remote_names(self) -> list[str]:
        """Executors whose runs are elsewhere."""
        return [name for name in EXECUTORS.names() if self.get(name).capabilities.remote]
