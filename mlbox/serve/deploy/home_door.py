"""How a replica reaches the home that it is of."""

from __future__ import annotations

import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import IO, TYPE_CHECKING

from mlbox.base.errors import Invalid, NotFound, Unauthorized, Unavailable
from mlbox.serve.deploy.bundle import Bundle, decoded

if TYPE_CHECKING:
    from mlbox.engine.storage.artifacts import ArtifactStore

_SECONDS = 60


class HomeDoor:
    """One deployment of one home. Raises ``Unavailable`` while the home is away."""

    def __init__(self, url: str, deployment: str, token: str) -> None:
        self._base = f"{url.rstrip('/')}/replica-api/{deployment}"
        self._token = token

    def bundle(self) -> Bundle:
        """What to be."""
        with self._open("bundle") as response:
            return decoded(response.read())

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
    def _open(self, path: str, body: bytes | None = None) -> Iterator[IO[bytes]]:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/msgpack"}
        request = urllib.request.Request(f"{self._base}/{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:
                yield response
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode(errors="replace")
            kinds = {401: Unauthorized, 404: NotFound}
            if error.code >= 500 or error.code == 429:
                raise Unavailable(f"the home at {self._base} answers {error.code}: {said}") from None
            raise kinds.get(error.code, Invalid)(f"the home refuses ({error.code}): {said}") from None
        except (OSError, HTTPException) as error:
            raise Unavailable(f"the home at {self._base} does not answer: {error}") from None
