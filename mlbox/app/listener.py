"""The HTTP server, in the owner's process: in the foreground for ``mlbox up``, in a thread for a one-shot command.

A one-shot command listens only when a run must call home.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox import __version__
from mlbox.app.serving import Serving, choose_port
from mlbox.base.errors import Invalid
from mlbox.engine.catalog.tables import endpoints
from mlbox.serve import tracing

if TYPE_CHECKING:
    from mlbox.api.guard import App
    from mlbox.app.house import House
    from mlbox.app.workers import Workers

MOST_WORKERS = 64
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Listener:
    """Serves the house over HTTP."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._url = ""
        self._serving: Serving | None = None
        self._workers: Workers | None = None
        self._port = 0

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
        tracing.begin(settings, __version__, "server")
        workers = self._workers = self._make_workers()
        if workers is None:
            port = choose_port(host, port)
            self._serving = Serving(host, port, self._build)
        else:
            port = workers.bind(host, port)
            self._serving = Serving("127.0.0.1", choose_port("127.0.0.1", 0), self._build)
        self._url = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}"
        self._port = port
        self.tell(())
        self._serving.start()

    def _make_workers(self) -> Workers | None:
        """As many as the settings say, or an endpoint asks for; ``None`` where the server is enough."""
        count = self._house.settings.workers
        if not count:
            with self._house.catalog.read() as cursor:
                count = max((int(row.options.get("workers") or 1) for row in endpoints.load(cursor)), default=1)
        if count == 1:
            return None
        if not 1 <= count <= MOST_WORKERS:
            raise Invalid(f"workers = {count}", hint=f"1 to {MOST_WORKERS}; 0 leaves it to the endpoints")
        from mlbox.app.workers import Workers

        return Workers(self._house, count)

    def begin(self) -> None:
        """Let the workers answer; the house is ready behind them."""
        if self._workers is not None and self._serving is not None:
            self._workers.start(f"http://127.0.0.1:{self._serving.port}")

    def end(self) -> None:
        """Let the workers finish."""
        if self._workers is not None:
            self._workers.stop()

    def tell(self, pids: Sequence[int]) -> None:
        """Write down who answers where."""
        wire = self._house.wire
        more: dict[str, Any] = {} if wire is None else {"pg_port": wire.port}
        if self._workers is not None:
            more["workers"] = list(pids)
        self._house.home.write_server(self._url, port=self._port, **more)

    def _build(self) -> App:
        from mlbox.api.application import build
        from mlbox.ui.assets import static_app

        return build(self._house.api_context(), static_app)

    def stop(self) -> None:
        """Stop listening; requests under way are finished."""
        if self._serving is not None:
            self._serving.stop()
        self._url = ""
