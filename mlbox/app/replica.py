"""A replica: a home of its own, made from the bundle of a deployment, that answers for one endpoint."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.app.house import House
from mlbox.app.serving import Serving, choose_port
from mlbox.base.errors import Unavailable
from mlbox.base.home import Home
from mlbox.base.ids import new_id
from mlbox.serve.deploy.bundle import install
from mlbox.serve.deploy.ending import CLOSE_SECONDS, DELIVER_SECONDS, DRAIN_SECONDS, finish_seconds
from mlbox.serve.deploy.features import BundledReaders
from mlbox.serve.deploy.replica import ReplicaApp
from mlbox.serve.deploy.spool import Spool
from mlbox.serve.runtimes.base import DEFAULT_SECONDS, ending_seconds

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.serve.deploy.bundle import Bundle, Private
    from mlbox.serve.deploy.home_door import HomeDoor

_log = logging.getLogger("mlbox.serve")
FETCH_SECONDS = 120.0
"""How long the home may be away when a replica starts."""


class Replica:
    """``start`` returns when it answers, which is when its runtime is warm; then ``stop``, once.

    ``folder`` outlives a crash of the process: predictions that wait are in it, and environments that were built.
    """

    def __init__(self, folder: Path, settings: Settings, door: HomeDoor) -> None:
        self._folder = folder
        self._settings = settings
        self._door = door
        self._house: House | None = None
        self._app: ReplicaApp | None = None
        self._serving: Serving | None = None
        self._readers: BundledReaders | None = None
        self._request_seconds = DEFAULT_SECONDS
        self._spool = Spool(folder / "spool", door.send)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._serving is not None
        return self._serving.port

    def start(self, version: str, host: str, port: int) -> str:
        """Fetch, build, warm, listen; what answers now."""
        bundle = self._fetch(version)
        self._request_seconds = ending_seconds(bundle.endpoint)
        if bundle.private is not None:
            self._take_sources(bundle.private)
        for old in self._folder.glob("home-*"):
            shutil.rmtree(old, ignore_errors=True)
        house = self._house = House.open(self._home(), self._settings)
        for digest in sorted(bundle.digests):
            self._door.fetch(digest, house.artifacts)
        install(bundle, house.catalog, house.runs.secrets)
        self._readers = BundledReaders(bundle, self._folder, self._door.features)
        house.endpoints.shop = replace(house.endpoints.shop, features=self._readers, append=self._door.append)
        house.endpoints.recorder.deliver = self._spool.write
        self._spool.start()
        house.endpoints.start()
        name = f"{bundle.project}.{bundle.endpoint.name}"
        house.endpoints.ensure(house.endpoints.directory.find(name))
        app = self._app = ReplicaApp(house.endpoints.asgi, bundle.callers)
        self._serving = Serving(host, choose_port(host, port), lambda: app)  # type: ignore[arg-type,return-value]
        self._serving.start()
        return name

    def stop(self, drain: float = DRAIN_SECONDS) -> int:
        """Say not ready, answer on for a while, end, and hand in; how many deliveries are left behind."""
        if self._app is not None and self._serving is not None:
            self._app.drain()
            threading.Event().wait(drain)
            self._serving.stop(finish_seconds(self._request_seconds))
        if self._house is not None:
            self._house.endpoints.recorder.flush()  # into the spool, whatever hangs below
            self._close(self._house)
        if self._readers is not None:
            self._readers.close()
        left = self._spool.stop(DELIVER_SECONDS) if self._app is not None else 0
        if left:
            _log.error("the home does not answer: %d deliveries of predictions stay in %s", left, self._folder)
        return left

    def _close(self, house: House) -> None:
        """A step that hangs must not take the time in which predictions are handed in."""
        closing = threading.Thread(target=house.close, name="closing", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            _log.error("something of the endpoint does not end within %g s: it is left behind", CLOSE_SECONDS)

    def _take_sources(self, private: Private) -> None:
        """Where packages come from; what the container was told itself counts more."""
        told = dict(private.packages)
        if private.certificates:
            file = self._folder / "certificates.pem"
            file.write_text(private.certificates)
            told.update(SSL_CERT_FILE=str(file), PIP_CERT=str(file))
        for name, value in told.items():
            os.environ.setdefault(name, value)
        if private.wheels and not self._settings.package_wheelhouse:
            # no variable of this process: those are seen by the code of functions
            self._settings = replace(self._settings, package_wheelhouse=self._door.wheels)

    def _home(self) -> Home:
        """A new one, with the environments of those before."""
        home = Home(self._folder / f"home-{new_id()}")
        kept = self._folder / "environments"
        kept.mkdir(parents=True, exist_ok=True)
        home.path.mkdir(parents=True)
        home.environments.symlink_to(kept)
        return home

    def _fetch(self, version: str) -> Bundle:
        give_up = time.monotonic() + FETCH_SECONDS
        while True:
            try:
                return self._door.bundle(version)
            except Unavailable:
                if time.monotonic() > give_up:
                    raise
                time.sleep(1)
