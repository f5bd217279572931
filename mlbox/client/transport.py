"""HTTP to the server: one kept-alive connection a thread, and patience: a server that restarts is waited for."""

from __future__ import annotations

import os
import time
from _thread import _local

from mlbox.client.failures import MlboxClientError, Undelivered
from mlbox.client.quick_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Dict, Optional, Union

    Body = Union[bytes, Callable[[], BinaryIO], None]
    """Bytes, or a function that opens them anew for each attempt."""

TIMEOUT_SECONDS = 60.0
_PIECE = 1 << 20
_AWAY = frozenset({502, 503, 504})


class Response:
    """A complete answer; ``headers`` by lower-case name."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> Any:
        """The body as JSON; None when it is empty."""
        return loads(self.body.decode()) if self.body else None


class Refused(MlboxClientError):
    """The server answered, and the answer is no. ``status`` is the HTTP status, ``body`` what it said."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.body = body
        said: Dict[str, Any] = {}
        try:
            parsed = loads(body.decode())
            said = parsed["error"] if isinstance(parsed.get("error"), dict) else {"message": parsed.get("detail")}
        except (ValueError, AttributeError, KeyError):
            pass
        self.error = said
        message = str(said.get("message") or f"the server answered {status}: {body[:200].decode(errors='replace')}")
        super().__init__(message, said.get("hint"), str(said.get("code") or "refused"))


class Transport:
    """Requests to one server. ``server_file`` (the home's ``server.json``) is read again before each new attempt,
    because a server that was restarted may have another address."""

    def __init__(
        self,
        url: str,
        token: Optional[str] = None,
        server_file: Optional[str] = None,
        timeout: Optional[float] = TIMEOUT_SECONDS,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._token = token
        self._server_file = server_file
        self._local: Any = _local()
        self.reachable = True
        """Whether the last attempt of any thread got an answer."""

    @property
    def url(self) -> str:
        """The address used for the next attempt."""
        return self._url

    def request(
        self,
        method: str,
        path: str,
        body: Body = None,
        headers: Optional[Dict[str, str]] = None,
        patience: float = 0.0,
    ) -> Response:
        """Send until there is an answer, for up to ``patience`` seconds. The request must be harmless to repeat
        unless ``patience`` is 0. Raises ``Refused`` for 4xx and 5xx, ``Undelivered`` when nobody answered."""
        from http.client import HTTPException  # the largest part of a run's start, and not every run sends something

        deadline = time.monotonic() + patience
        pause = 0.05
        while True:
            try:
                response = self._attempt(method, path, body, headers or {})
                if response.status < 400:
                    self.reachable = True
                    return response
                reason: MlboxClientError = Refused(response.status, response.body)
                if response.status not in _AWAY:
                    self.reachable = True
                    raise reason
            except (OSError, HTTPException) as error:
                self._drop()
                text = str(error) or type(error).__name__
                reason = Undelivered(f"the server at {self._url} does not answer: {text}", code="unavailable")
                reason.__cause__ = error
            self.reachable = False
            self._find_again()
            left = deadline - time.monotonic()
            if left <= 0:
                raise reason
            time.sleep(min(pause, left))
            pause = min(pause * 2, 2.0)

    def stream(self, path: str, headers: Dict[str, str], take: Callable[[int, bytes], None]) -> Dict[str, str]:
        """Hand the body of an answer on as it comes, with the status; the headers of the answer. Raises ``Refused``,
        and ``Undelivered`` when it breaks off; nothing is tried again."""
        from http.client import HTTPException

        self._drop()
        try:
            connection, prefix = self._connection()
            sent = {**headers, **({"Authorization": f"Bearer {self._token}"} if self._token else {})}
            connection.request("GET", prefix + path, None, sent)
            answer = connection.getresponse()
            if answer.status >= 400:
                raise Refused(answer.status, answer.read())
            told = {name.lower(): value for name, value in answer.getheaders()}
            left = int(told.get("content-length") or 0)
            while True:
                piece = answer.read(_PIECE)
                if not piece:
                    break
                left -= len(piece)
                take(answer.status, piece)
            if left > 0:
                raise ConnectionError(f"the answer broke off, {left:,} bytes are missing")
            return told
        except (ConnectionError, TimeoutError, HTTPException) as error:
            self._find_again()
            reason = Undelivered(f"the server at {self._url} does not answer: {error}", code="unavailable")
            raise reason from error
        finally:
            self._drop()

    def close(self) -> None:
        """Close this thread's connection."""
        self._drop()

    def use_token(self, token: str) -> None:
        """Say another token from now on; the connection stays."""
        self._token = token

    def without_timeout(self) -> Transport:
        """Another one to the same server, which waits for an answer for as long as it takes."""
        return Transport(self._url, self._token, self._server_file, timeout=None)

    def forget(self) -> None:
        """Leave connections to the parent after a fork."""
        self._local = _local()

    def _attempt(self, method: str, path: str, body: Body, headers: Dict[str, str]) -> Response:
        from http.client import HTTPException

        fresh = getattr(self._local, "connection", None) is None
        try:
            return self._exchange(method, path, body, headers)
        except (ConnectionError, HTTPException):
            # a kept-alive connection that the server has closed meanwhile says nothing about the server
            if fresh:
                raise
            self._drop()
            return self._exchange(method, path, body, headers)

    def _exchange(self, method: str, path: str, body: Body, headers: Dict[str, str]) -> Response:
        connection, prefix = self._connection()
        sent = dict(headers)
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        if callable(body):
            with body() as stream:
                sent["Content-Length"] = str(os.fstat(stream.fileno()).st_size - stream.tell())
                answer = self._answer(connection, method, prefix + path, stream, sent)
        else:
            answer = self._answer(connection, method, prefix + path, body, sent)
        data = answer.read()
        if answer.will_close:
            self._drop()
        return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)

    @staticmethod
    def _answer(connection: Any, method: str, path: str, body: Any, headers: Dict[str, str]) -> Any:
        try:
            connection.request(method, path, body, headers)
        except (BrokenPipeError, ConnectionResetError) as error:
            try:
                return connection.getresponse()  # the server had enough of the body, and says why
            except Exception:
                raise error from None
        return connection.getresponse()

    def _connection(self) -> Any:
        from http.client import HTTPConnection, HTTPSConnection
        from urllib.parse import urlsplit

        known = getattr(self._local, "connection", None)
        if known is not None and self._local.url == self._url:
            return known, self._local.prefix
        self._drop()
        parts = urlsplit(self._url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise MlboxClientError(f"{self._url!r} is no address of a server", "it looks like http://127.0.0.1:7070")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname, parts.port, timeout=self._timeout, blocksize=1 << 16)
        self._local.connection, self._local.url, self._local.prefix = connection, self._url, parts.path
        return connection, parts.path

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _find_again(self) -> None:
        if not self._server_file:
            return
        url = url_of(self._server_file)
        if url:
            self._url = url


def url_of(server_file: str) -> Optional[str]:
    """The address in a ``server.json``; None when there is none that can be read."""
    try:
        with open(server_file, encoding="utf-8") as file:
            url = loads(file.read())["url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(url).rstrip("/")
