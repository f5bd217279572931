"""How a replica reaches the home that it is of."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.client import HTTPException
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

import msgspec

from mlbox.base.errors import Conflict, Invalid, NotFound, Unauthorized, Unavailable
from mlbox.serve.deploy.bundle import Bundle, decoded

if TYPE_CHECKING:
    from mlbox.engine.storage.artifacts import ArtifactStore

_SECONDS = 60.0
FEATURE_SECONDS = 2.0
"""For which a request waits for the home."""


class HomeDoor:
    """One deployment of one home. Raises ``Unavailable`` while the home is away."""

    def __init__(self, url: str, deployment: str, token: str) -> None:
        self._base = f"{url.rstrip('/')}/replica-api/{deployment}"
        self._token = token

    def bundle(self, version: str) -> Bundle:
        """What to be."""
        with self._open(f"bundle/{version}") as response:
            return decoded(response.read())

    @property
    def wheels(self) -> str:
        """The address of the home's wheels, with what opens it."""
        scheme, _, rest = self._base.partition("://")
        return f"{scheme}://replica:{quote(self._token, safe='')}@{rest}/wheels"

    def features(self, vector: str, question: bytes) -> bytes:
        """Features of keys; ``Unavailable`` without an answer within ``FEATURE_SECONDS``."""
        with self._open(f"features/{vector}", question, FEATURE_SECONDS) as response:
            return response.read()

    def append(self, project: str, table: str, moment: datetime, event: str) -> None:
        """Add an event to a table of the home; ``Unavailable`` when it cannot say that it has it."""
        body = msgspec.msgpack.encode([moment, event])
        with self._open(f"tables/{table}", body, FEATURE_SECONDS) as response:
            response.read()

    def fetch(self, digest: str, artifacts: ArtifactStore) -> None:
        """Bring bytes that are not here; they are compared with their name."""
        if artifacts.has(digest):
            return
        with self._open(f"blobs/{digest}") as response, artifacts.writer() as writer:
            shutil.copyfileobj(response, writer, 1 << 20)
            writer.commit(digest)

    def send(self, replica: str, number: int, body: bytes) -> None:
        """Hand in predictions."""
        with self._open(f"predictions/{replica}/{number}", body) as response:
            response.read()

    @contextmanager
    def _open(self, path: str, body: bytes | None = None, seconds: float = _SECONDS) -> Iterator[IO[bytes]]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/msgpack"}
        request = urllib.request.Request(f"{self._base}/{quote(path)}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                yield response
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            kinds = {401: Unauthorized, 404: NotFound, 409: Conflict}
            if error.code >= 500 or error.code == 429:
                raise Unavailable(f"the home at {self._base} answers {error.code}: {said}") from None
            raise kinds.get(error.code, Invalid)(f"the home refuses ({error.code}): {said}") from None
        except (OSError, HTTPException) as error:
            raise Unavailable(f"the home at {self._base} does not answer: {error}") from None
