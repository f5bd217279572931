"""Talking to a server from a script or notebook: ``mlbox.connect().sql("SELECT ...").rows``."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from mlbox.client.failures import MlboxClientError
from mlbox.client.transport import Refused, Transport, url_of

DEFAULT_URL = "http://127.0.0.1:7070"


class Rows:
    """The result of the last statement; iterating gives its rows as dictionaries."""

    def __init__(self, results: List[Dict[str, Any]]) -> None:
        last = results[-1] if results else {}
        described = last.get("columns") or []
        self.columns: List[str] = [str(entry["name"]) for entry in described]
        self.types: List[str] = [str(entry.get("type", "")) for entry in described]
        self.rows: List[Dict[str, Any]] = [dict(zip(self.columns, row)) for row in last.get("rows") or []]
        self.message = str(last.get("message") or "")
        self.truncated = bool(last.get("truncated"))
        self.results = results
        """Every statement's result as the server sent it."""

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Rows({len(self.rows)} x {self.columns}, {self.message!r})"

    def scalar(self) -> Any:
        """The first value of the first row; None when there is none."""
        return next(iter(self.rows[0].values())) if self.rows else None


class Connection:
    """A server. Safe from several threads."""

    def __init__(self, url: str, token: Optional[str] = None) -> None:
        self.url = url.rstrip("/")
        self._transport = Transport(self.url, token, timeout=None)  # a RUN may take hours

    def sql(
        self,
        text: str,
        parameters: Union[Mapping[str, Any], Sequence[Any], None] = None,
        project: Optional[str] = None,
    ) -> Rows:
        """Send statements; parameters are ``?`` or ``$name`` in them. Raises ``MlboxClientError`` with the server's
        message, hint and code."""
        body: Dict[str, Any] = {"sql": text}
        if parameters is not None:
            body["parameters"] = parameters if isinstance(parameters, Mapping) else list(parameters)
        if project is not None:
            body["project"] = project
        data = json.dumps(body, default=str).encode()
        try:
            answer = self._transport.request("POST", "/sql", data, {"Content-Type": "application/json"})
        except Refused:
            raise
        except MlboxClientError as error:
            raise MlboxClientError(error.message, "start it with: mlbox up", "unavailable") from None
        finally:
            self._transport.close()  # a kept connection that has gone stale would make a statement's fate unknown
        return Rows(list((answer.json() or {}).get("results") or []))


def connect(url: Optional[str] = None, token: Optional[str] = None) -> Connection:
    """A connection to ``url``, else ``MLBOX_URL``, else the server of the ``.mlbox`` of this folder or one above it,
    else of ``~/.mlbox``, else http://127.0.0.1:7070. Nothing is sent yet."""
    return Connection(url or _find(), token or os.environ.get("MLBOX_TOKEN"))


def _find() -> str:
    known = os.environ.get("MLBOX_URL")
    if known:
        return known
    homes = [os.environ["MLBOX_HOME"]] if os.environ.get("MLBOX_HOME") else []
    folder = os.getcwd()
    while True:
        homes.append(os.path.join(folder, ".mlbox"))
        if os.path.dirname(folder) == folder:
            break
        folder = os.path.dirname(folder)
    homes.append(os.path.join(os.path.expanduser("~"), ".mlbox"))
    for home in homes:
        url = url_of(os.path.join(home, "server.json"))
        if url:
            return url
    return DEFAULT_URL
