"""The HTTP server, in the owner's process: in the foreground for ``mlbox up``, in a thread for a one-shot command.

A one-shot command listens only when a run must call home.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mlbox.app.serving import Serving, choose_port
from mlbox.base.errors import Invalid

if TYPE_CHECKING:
    from mlbox.api.guard import App
    from mlbox.app.house import House

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Listener:
    """Serves the house over HTTP."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._url = ""
        self._serving: Serving | None = None

    def url(self) -> str:
        """Where the house can be called; starts listening in a thread when nobody has yet."""
        with self._lock:
            if not self._url:
                self.start_thread("127.0.0.1", 0)
            return self._url

    def start_thread(self, host: str, port: int) -> None:
        """Listen on a thread; returns when requests are answered."""
        settings = self._house.settings
        if host not in LOOPBACK and not settings.token:
            raise Invalid(
                f"listening on {host} lets others in, and no token is set",
                hint="set MLBOX_TOKEN (callers send it as Authorization: Bearer …), or listen on 127.0.0.1",
            )
        self._serving = Serving(host, choose_port(host, port), self._build)
        self._url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{self._serving.port}"
        wire = self._house.wire
        more = {} if wire is None else {"pg_port": wire.port}
        self._house.home.write_server(self._url, port=self._serving.port, **more)
        self._serving.start()

    def _build(self) -> App:
        from mlbox.api.application import build
        from mlbox.ui.assets import static_app

        return build(self._house.api_context(), static_app)

    def stop(self) -> None:
        """Stop listening; requests under way are finished."""
        if self._serving is not None:
            self._serving.stop()
        self._url = ""
