"""How a verb reaches the house: through the server that owns the home, else by opening the home itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import MlboxError, Unavailable, Where, from_dict
from mlbox.base.home import Home, find_home
from mlbox.base.settings import Settings, load

if TYPE_CHECKING:
    import argparse

    from mlbox.app.house import House


class Door(Protocol):
    """Runs scripts; a result is an object of the envelope of ``POST /sql``."""

    @property
    def project(self) -> str:
        """The project in use."""
        ...

    def run(self, text: str, parameters: Any = None) -> Iterator[dict[str, Any]]:
        """Statement by statement; raises an ``MlboxError`` whose place is in ``text``."""
        ...


class RemoteDoor:
    """Through the server, one request a statement, so that results show as they come."""

    def __init__(self, url: str, project: str, token: str, folder: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.project = project
        self._token = token
        self._folder = folder or os.getcwd()

    def run(self, text: str, parameters: Any = None) -> Iterator[dict[str, Any]]:
        """Split here, carried out there."""
        from mlbox.sql.script import split

        for statement in split(text):
            try:
                body = self._post(statement.text, parameters)
            except MlboxError as error:
                if error.where:
                    error.where = Where.at(text, statement.offset + error.where.offset)
                raise
            self.project = body["project"]
            yield from body["results"]

    def _post(self, text: str, parameters: Any) -> dict[str, Any]:
        body = {"sql": text, "parameters": parameters, "project": self.project, "folder": self._folder, "door": "cli"}
        return request(self.url + "/sql", body, self._token)


def request(url: str, body: dict[str, Any] | None, token: str = "", timeout: float | None = None) -> dict[str, Any]:
    """A JSON request to the server; its errors are raised as what they were there."""
    import urllib.error
    import urllib.request

    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the server is ours; no proxy between
    try:
        with opener.open(urllib.request.Request(url, data, headers), timeout=timeout) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        try:
            told = json.load(error)["error"]
        except (ValueError, KeyError, TypeError):
            raise Unavailable(f"{url} answered {error.code}") from None
        raise from_dict(told) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unavailable(f"the server at {url} does not answer: {reason}", hint="mlbox status; mlbox up") from None


class LocalDoor:
    """Opens the home for the time of the command."""

    def __init__(self, house: House, project: str) -> None:
        from mlbox.base.command import Caller
        from mlbox.sql.session import Session

        self._session = Session(
            house.catalog, house.dispatcher, Caller(project=project, door="cli"), base_folder=os.getcwd()
        )

    @property
    def project(self) -> str:
        """The project in use."""
        return self._session.project

    def run(self, text: str, parameters: Any = None) -> Iterator[dict[str, Any]]:
        """Carried out in this process."""
        from mlbox.api.render import result_body

        for outcome in self._session.run(text, parameters):
            yield result_body(outcome)


def settings_of(arguments: argparse.Namespace, **flags: Any) -> tuple[Home, Settings]:
    """The home that is meant and the settings that hold for it."""
    home = find_home(arguments.home)
    settings, _ = load(home.path / "mlbox.toml", flags=flags)
    return home, settings


@contextmanager
def open_door(arguments: argparse.Namespace, project: str = "default") -> Iterator[Door]:
    """A door to the home that is meant, whoever owns it."""
    home, settings = settings_of(arguments)
    server = home.server()
    if server is not None:
        yield RemoteDoor(str(server["url"]), project, settings.token)
        return
    from mlbox.app.house import House

    house = House.open(home, settings)
    try:
        yield LocalDoor(house, project)
    finally:
        house.close()
