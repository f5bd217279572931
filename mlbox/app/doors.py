"""Where runs call home: local processes at the main address, containers and clusters at a second one.

Behind the second one is only the run API, and each of its calls needs the token of one run. Its address is kept in the
home, since containers that outlive the server know no other.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from typing import TYPE_CHECKING

from mlbox.app.serving import Serving, choose_port
from mlbox.base.errors import Conflict, MlboxError

if TYPE_CHECKING:
    from mlbox.api.guard import App
    from mlbox.app.house import House

_log = logging.getLogger("mlbox")


class Doors:
    """The addresses for runs, opened when they are first asked for."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._lock = threading.Lock()
        self._open: dict[str, Serving] = {}

    def url(self) -> str:
        """For processes of this machine."""
        return self._house.listener.url()

    def remote_url(self, host: str) -> str:
        """For runs elsewhere, which reach this machine at ``host`` (the settings may say where instead)."""
        settings = self._house.settings
        host = settings.run_host or host
        with self._lock:
            serving = self._open.get(host) or self._listen(host, settings.run_port or self._known().get(host, 0))
        return settings.run_url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{serving.port}"

    def reopen(self) -> None:
        """Listen again where the last server did; what cannot be had is told in the server's log."""
        for host, port in self._known().items():
            with self._lock:
                if host in self._open:
                    continue
                try:
                    self._listen(host, port)
                except MlboxError as error:
                    _log.warning("runs that were started before cannot call home to %s: %s", host, error.message)

    def stop(self) -> None:
        """Stop listening; runs go on, and what they log waits with them."""
        with self._lock:
            for serving in self._open.values():
                serving.stop()
            self._open.clear()

    def _listen(self, host: str, port: int) -> Serving:
        try:
            port = choose_port(host, port)
        except Conflict as error:
            if self._house.settings.run_port or not port:
                hint = "the settings run_host and run_port say where containers and clusters reach the run API"
                raise Conflict(f"the run API cannot listen for runs elsewhere: {error.message}", hint=hint) from None
            port = choose_port(host, 0)
        serving = Serving(host, port, lambda: self._build(host))
        serving.start()
        self._open[host] = serving
        self._keep({**self._known(), host: port})
        return serving

    def _build(self, host: str) -> App:
        from mlbox.api.application import build_run_api
        from mlbox.api.guard import host_of

        settings = self._house.settings
        names = [f"[{host}]" if ":" in host else host, host_of(settings.run_url).partition("/")[0]]
        return build_run_api(self._house.api_context(), [*names, *settings.allowed_hosts.split(",")])

    def _known(self) -> dict[str, int]:
        try:
            body = json.loads(self._house.home.run_api_file.read_text())
            return {str(host): int(port) for host, port in body.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _keep(self, known: dict[str, int]) -> None:
        file = self._house.home.run_api_file
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(known))
        os.replace(temporary, file)
