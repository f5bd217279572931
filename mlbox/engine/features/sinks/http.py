"""A webhook: rows are posted as a list of JSON objects."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.features.sinks.base import SINKS, Row, Sink, Target, text_of

TIMEOUT = 10.0
"""Seconds for an answer."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class HttpSink:
    """One address; any answer of 2xx says that it has the rows."""

    def __init__(self, target: Target) -> None:
        self._uri = target.uri
        self._token = target.options.get("token")
        handlers = [urllib.request.ProxyHandler({})] if urlsplit(target.uri).hostname in LOOPBACK else []
        self._opener = urllib.request.build_opener(*handlers)

    def write(self, rows: Sequence[Row]) -> None:
        """One POST. 408, 429 and 5xx may be tried again."""
        body = f"[{','.join(map(text_of, rows))}]".encode()
        headers = {"Content-Type": "application/json", "User-Agent": "mlbox"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self._uri, data=body, headers=headers, method="POST")
        try:
            with self._opener.open(request, timeout=TIMEOUT):
                pass
        except urllib.error.HTTPError as error:
            kind = Unavailable if error.code in (408, 429) or error.code >= 500 else Invalid
            raise kind(f"{self._uri} answers {error.code} {error.reason}") from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self._uri} cannot be reached: {getattr(error, 'reason', error)}") from None

    def close(self) -> None:
        """Nothing is open."""


class _Kind:
    def check(self, target: Target) -> None:
        """A host, and known options."""
        if not urlsplit(target.uri).hostname:
            raise Invalid(f"{target.uri!r} has no host", hint="as https://hooks.example.org/x")
        if set(target.options) - {"token"}:
            raise Invalid("a webhook has no option but token")

    def open(self, target: Target) -> Sink:
        """Connects at each write."""
        return HttpSink(target)


KIND = _Kind()
SINKS.add("http", KIND)
SINKS.add("https", KIND)
