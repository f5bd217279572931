"""How a verb reaches the house: through the server that owns the home, else by opening the home itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import MlboxError, NotFound, Unavailable, Where, from_dict
from mlbox.base.home import Home, find_home
from mlbox.base.ids import new_id
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.base.settings import Settings, load
from mlbox.engine.security.owner import kept_token

if TYPE_CHECKING:
    import argparse

    from mlbox.app.house import House
    from mlbox.base.command import Caller
    from mlbox.sql.session import Session

ARROW = "application/vnd.apache.arrow.stream"


class Door(Protocol):
    """Runs scripts; a result is an object of the envelope of ``POST /sql``.

    With ``arrow``, a result with rows has them under ``stream`` as the bytes of an Arrow IPC stream instead.
    """

    @property
    def project(self) -> str:
        """The project in use."""
        ...

    @property
    def place(self) -> str:
        """The home or the address, for people."""
        ...

    def run(self, text: str, parameters: Any = None, *, arrow: bool = False) -> Iterator[dict[str, Any]]:
        """Statement by statement; raises an ``MlboxError`` whose place is in ``text``."""
        ...

    def ask(self, query: str) -> list[list[Any]]:
        """Rows of a query beside whatever is being run; safe from another thread."""
        ...

    def log(self, run_id: str, offset: int) -> bytes:
        """What a run has printed, from byte ``offset`` on."""
        ...

    def cancel(self) -> bool:
        """End the statement that is being run, from another thread; whether there was one."""
        ...

    def progress(self) -> float | None:
        """How far it is, from 0 to 1, where somebody knows."""
        ...


class RemoteDoor:
    """Through the server, one request a statement, so that results show as they come."""

    def __init__(self, url: str, project: str, token: str, folder: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.project = project
        self._token = token
        self._folder = folder or os.getcwd()
        self._under_way: str | None = None

    @property
    def place(self) -> str:
        """The address."""
        return self.url

    def run(self, text: str, parameters: Any = None, *, arrow: bool = False) -> Iterator[dict[str, Any]]:
        """Split here, carried out there."""
        from mlbox.sql.parameters import refuse_unused, used
        from mlbox.sql.script import split

        refuse_unused(text, parameters)
        for statement in split(text):
            try:
                body = self._post(statement.text, used(statement.text, parameters), arrow)
            except MlboxError as error:
                if error.where:
                    error.where = Where.at(text, statement.offset + error.where.offset)
                raise
            self.project = body["project"]
            yield from body["results"]

    def ask(self, query: str) -> list[list[Any]]:
        """A request of its own."""
        body = {"sql": query, "project": self.project, "door": "cli"}
        rows: list[list[Any]] = request(self.url + "/sql", body, self._token)["results"][-1]["rows"]
        return rows

    def log(self, run_id: str, offset: int) -> bytes:
        """As the server has it."""
        with _open(f"{self.url}/runs/{run_id}/log?offset={offset}", None, self._token) as response:
            text: bytes = response.read()
            return text

    def cancel(self) -> bool:
        """By the id that was sent with the statement."""
        if self._under_way is None:
            return False
        with suppress(NotFound):  # it has ended meanwhile
            request(f"{self.url}/sql/{self._under_way}/cancel", {}, self._token)
        return True

    def progress(self) -> float | None:
        """As the server tells it."""
        listed = request(f"{self.url}/sql", None, self._token)["statements"]
        return next((known["progress"] for known in listed if known["query_id"] == self._under_way), None)

    def _post(self, text: str, parameters: Any, arrow: bool) -> dict[str, Any]:
        query_id = new_id()
        body = {
            "sql": text,
            "parameters": parameters,
            "project": self.project,
            "folder": self._folder,
            "door": "cli",
            "query_id": query_id,
        }
        self._under_way = query_id
        try:
            if not arrow:
                return request(self.url + "/sql", body, self._token)
            with _open(self.url + "/sql", body, self._token, accept=ARROW) as response:
                told: dict[str, Any] = json.loads(response.headers["X-Mlbox-Result"])
                stream = self._whole(response, query_id)
            return {"project": told["project"], "results": [{**told, "stream": stream} if stream else told]}
        finally:
            self._under_way = None

    def _whole(self, response: Any, query_id: str) -> bytes:
        """The body; one that broke off is told as the error that the server kept."""
        try:
            body: bytes = response.read()
            return body
        except (OSError, HTTPException) as error:
            kept = request(f"{self.url}/sql/{query_id}", None, self._token)["error"]
            raise from_dict(kept) if kept else _silent(self.url, error) from None


def _open(
    url: str, body: dict[str, Any] | None, token: str, *, accept: str = "application/json", timeout: float | None = None
) -> Any:
    """A request to the server; its errors are raised as what they were there."""
    import urllib.error
    import urllib.request

    headers = {"Content-Type": "application/json", "Accept": accept}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the server is ours; no proxy between
    try:
        return opener.open(urllib.request.Request(url, data, headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        try:
            told = json.load(error)["error"]
        except (ValueError, KeyError, TypeError):
            raise Unavailable(f"{url} answered {error.code}") from None
        raise from_dict(told) from None
    except (OSError, ValueError) as error:
        raise _silent(url, error) from None


def _silent(url: str, error: Exception) -> Unavailable:
    reason = getattr(error, "reason", error)
    return Unavailable(f"the server at {url} does not answer: {reason}", hint="mlbox status; mlbox up")


def request(url: str, body: dict[str, Any] | None, token: str = "", timeout: float | None = None) -> dict[str, Any]:
    """A JSON request to the server; its errors are raised as what they were there."""
    with _open(url, body, token, timeout=timeout) as response:
        try:
            answer: dict[str, Any] = json.load(response)
            return answer
        except (OSError, ValueError) as error:
            raise _silent(url, error) from None


class LocalDoor:
    """Opens the home for the time of the command."""

    def __init__(self, house: House, project: str) -> None:
        from mlbox.base.command import Caller

        self._house = house
        self._session = self._new_session(Caller(project=project, door="cli"))
        self._under_way: str | None = None

    def _new_session(self, caller: Caller) -> Session:
        from mlbox.sql.session import Session

        return Session(self._house.catalog, self._house.dispatcher, caller, base_folder=os.getcwd())

    @property
    def project(self) -> str:
        """The project in use."""
        return self._session.project

    @property
    def place(self) -> str:
        """The home."""
        return str(self._house.home.path)

    def run(self, text: str, parameters: Any = None, *, arrow: bool = False) -> Iterator[dict[str, Any]]:
        """Carried out in this process."""
        from mlbox.api import forms, render

        with self._house.ongoing.begin(text, self._session.caller) as underway:
            self._under_way = underway.id
            try:
                for outcome in self._session.run(text, parameters):
                    table = outcome.result.table
                    if arrow and table is not None:
                        yield {**render.told(outcome), "stream": forms.whole(table, forms.Arrow())}
                    else:
                        yield render.result_body(outcome)
            finally:
                self._under_way = None

    def ask(self, query: str) -> list[list[Any]]:
        """In a session of its own."""
        from mlbox.api import render

        table = next(iter(self._new_session(self._session.caller).run(query))).result.table
        return [list(row) for row in render.rows(table)] if table is not None else []

    def log(self, run_id: str, offset: int) -> bytes:
        """The file itself."""
        path = self._house.home.logs / f"{run_id}.log"
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()

    def cancel(self) -> bool:
        """Interrupts the query, cancels the run."""
        return self._under_way is not None and self._house.ongoing.cancel(self._under_way)

    def progress(self) -> float | None:
        """As the statement itself tells it."""
        found = self._house.ongoing.find(self._under_way) if self._under_way is not None else None
        return found.progress if found is not None else None


def settings_of(arguments: argparse.Namespace, **flags: Any) -> tuple[Home, Settings]:
    """The home that is meant and the settings that hold for it."""
    home = find_home(arguments.home)
    settings, _ = load(home.path / "mlbox.toml", flags=flags)
    return home, replace(settings, token=settings.token or kept_token(home))


@contextmanager
def open_door(arguments: argparse.Namespace, project: str = DEFAULT_PROJECT) -> Iterator[Door]:
    """A door to the home that is meant, whoever owns it."""
    home, settings = settings_of(arguments)
    with door_of(home, settings, project) as door:
        yield door


@contextmanager
def door_of(home: Home, settings: Settings, project: str = DEFAULT_PROJECT) -> Iterator[Door]:
    """A door to ``home``, whoever owns it."""
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


@contextmanager
def door_to(target: str, project: str = DEFAULT_PROJECT) -> Iterator[Door]:
    """A door to a server's address or a home's folder; raises ``NotFound`` for a folder that is no home."""
    if target.startswith(("http://", "https://")):
        settings, _ = load()
        request(target.rstrip("/") + "/health", None, settings.token, timeout=10)
        yield RemoteDoor(target, project, settings.token)
        return
    home = find_home(target)
    if not home.catalog_file.is_file():
        raise NotFound(f"{home.path} is not a home of mlbox", hint="mlbox --home DIR up makes one")
    settings, _ = load(home.path / "mlbox.toml")
    with door_of(home, settings, project) as door:
        yield door
