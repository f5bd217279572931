"""Artifacts in an object store; the folder of the home is a cache of what was written or read here.

What is acknowledged is in the object store: bytes are hashed into the folder first, then sent, and only then named.
What is read is fetched whole, compared with its hash, and kept.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from mlbox.base.clock import as_utc
from mlbox.base.errors import Invalid, MlboxError, NotFound, SystemError, Unavailable
from mlbox.base.ids import new_id
from mlbox.base.object_stores import for_fsspec, type_of, without_credentials
from mlbox.base.settings import Settings
from mlbox.engine.storage.artifacts import CHUNK, ArtifactStore, Blob, check_digest, is_digest
from mlbox.engine.storage.claims import Kept
from mlbox.engine.storage.sharing import StoreMark

T = TypeVar("T")
WHOLE_OR_NOT = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl"})
"""Protocols of stores in which an object appears when its upload is complete; elsewhere it is renamed at the end."""


Access = Callable[[], Mapping[str, Any]]
"""Gives the options of the file system, when the store is opened first."""


def store_at(address: str, options: str, folder: Path, access: Access | None = None) -> ArtifactStore:
    """The store of the settings ``artifact_store`` and ``artifact_store_options``; without an address the folder.

    ``access`` is asked for options at the first use, and again until it has given them.
    """
    return RemoteStore(address, options, folder, access) if address else ArtifactStore(folder)


def store_of(settings: Settings, folder: Path, access: Access) -> ArtifactStore:
    """The store of the settings; ``access`` gives the options of the profile that they may name."""
    by_profile = access if settings.artifact_store_profile else None
    return store_at(settings.artifact_store, settings.artifact_store_options, folder, by_profile)


class RemoteStore(ArtifactStore):
    """``<address>/<first two digits>/<digest>``. Raises ``Unavailable`` while the object store cannot be used."""

    def __init__(self, address: str, options: str, folder: Path, access: Access | None = None) -> None:
        super().__init__(folder)
        self._cache = ArtifactStore(folder)
        self._address = address
        self._options, self._access = options, access
        self._connected: tuple[Any, str] | None = None
        self._secret: Mapping[str, Any] = {}
        if access is None:
            self._connection()  # a wrong address is told at the start
        self._fetching = threading.Lock()
        self._mark = StoreMark(folder.with_name(f"{folder.name}.store.json"))
        self._marked = False

    def _connection(self) -> tuple[Any, str]:
        if self._connected is None:
            if self._access is not None:
                self._secret = self._access()
            self._connected = _connect(self._address, self._options, self._secret)
        return self._connected

    @property
    def _files(self) -> Any:
        return self._connection()[0]

    @property
    def _root(self) -> str:
        return self._connection()[1]

    @property
    def _whole(self) -> bool:
        protocol = self._files.protocol
        return not WHOLE_OR_NOT.isdisjoint((protocol,) if isinstance(protocol, str) else protocol)

    def has(self, digest: str) -> bool:
        """Whether these bytes are in the object store: what is only here does not count as kept."""
        return self._size(digest) is not None

    def size(self, digest: str) -> int:
        """Number of bytes; ``NotFound``."""
        found = self._size(digest)
        if found is None:
            raise NotFound(
                f"there are no bytes with the SHA-256 {digest[:12]}… in {self._address}", details={"digest": digest}
            ).kept_from_others(f"there are no bytes with the SHA-256 {digest[:12]}…")
        return found

    def path(self, digest: str) -> Path:
        """A local copy, fetched when it is not here; where it would be when it is nowhere."""
        place = self._cache.path(digest)
        if not place.is_file():
            self._fetch(digest)
        return place

    def open(self, digest: str) -> BinaryIO:
        """As the local store. A local copy that was changed is fetched anew."""
        self.path(digest)
        try:
            return self._cache.open(digest)
        except SystemError:
            self._cache.delete(digest)
            self._fetch(digest)
            return self._cache.open(digest)

    def delete(self, digest: str) -> bool:
        """Remove the bytes here and there; whether they were there."""
        present = self.has(digest)
        self._cache.delete(digest)
        if present:
            self._ask(lambda: self._files.rm_file(self._place(digest)))
        return present

    def all(self) -> Iterator[Kept]:
        """What is in the object store; what it does not tell the time of is left out."""
        self._files.invalidate_cache()
        found: dict[str, dict[str, Any]] = self._ask(lambda: self._files.find(self._root, detail=True))
        for place, told in found.items():
            digest, at = place.rpartition("/")[2], moment_of(told)
            if place.endswith(f"{digest[:2]}/{digest}") and is_digest(digest) and at is not None:
                yield Kept(digest, int(told["size"]), at)

    def sharers(self) -> list[str]:
        """Other homes that keep their artifacts at this address, in words; ours is entered when it is not yet."""
        self._enter()
        found = []
        for place in self._ask(lambda: self._files.ls(f"{self._root}/homes", detail=False)):
            name = str(place).rpartition("/")[2]
            if name and name != self._mark.name:
                found.append(self._mark.told(self._ask(partial(self._files.cat_file, place)), f"homes/{name}"))
        return found

    def copies(self) -> list[Kept]:
        """What is here; ``at`` is when it was written or read last."""
        found = []
        for kept in self._cache.all():
            with suppress(FileNotFoundError):
                found.append(replace(kept, at=max(kept.at, self.copy(kept.digest).stat().st_atime)))
        return found

    def copy(self, digest: str) -> Path:
        """Where the copy of an object is, or would be; nothing is fetched."""
        return self._cache.path(digest)

    def _enter(self) -> None:
        """Tell other homes that ours keeps something here."""
        if not self._marked:
            folder = f"{self._root}/homes"
            self._ask(lambda: self._files.makedirs(folder, exist_ok=True))
            self._ask(lambda: self._files.pipe_file(f"{folder}/{self._mark.name}", self._mark.content))
            self._marked = True

    def _adopt(self, incoming: Path, blob: Blob) -> None:
        self._enter()
        if self._size(blob.digest) == blob.size:
            self.claims.touch(blob.digest)
        if self._size(blob.digest) != blob.size:
            self._ask(lambda: self._send(incoming, self._place(blob.digest)))
        self._cache._adopt(incoming, blob)

    def _send(self, incoming: Path, place: str) -> None:
        if self._whole:
            self._files.put_file(str(incoming), place)
            return
        unfinished = f"{self._root}/incoming/{new_id()}"
        for path in (unfinished, place):
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._files.put_file(str(incoming), unfinished)
        self._files.mv(unfinished, place)

    def _fetch(self, digest: str) -> None:
        with self._fetching:
            if self._cache.has(digest) or self._size(digest) is None:
                return
            try:
                self._cache.put_stream(self._chunks(self._place(digest)), digest)
            except Invalid:
                raise SystemError(
                    f"artifact {digest[:12]}… was changed in {self._address}: its bytes do not match its hash",
                    hint=f"restore {self._place(digest)} from a backup, or log the artifact again",
                    details={"digest": digest},
                ).kept_from_others(
                    f"artifact {digest[:12]}… was changed: its bytes do not match its hash", "log the artifact again"
                ) from None

    def _chunks(self, place: str) -> Iterator[bytes]:
        source = self._ask(lambda: self._files.open(place, "rb"))
        with source:
            while chunk := self._ask(lambda: source.read(CHUNK)):
                yield chunk

    def _size(self, digest: str) -> int | None:
        place = self._place(check_digest(digest))

        def look() -> int | None:
            self._files.invalidate_cache()  # others write there too
            try:
                return int(self._files.info(place)["size"])
            except FileNotFoundError:
                return None

        return self._ask(look)

    def _place(self, digest: str) -> str:
        return f"{self._root}/{digest[:2]}/{digest}"

    def _ask(self, act: Callable[[], T]) -> T:
        """Each kind of store has errors of its own."""
        try:
            return act()
        except MlboxError:
            raise
        except Exception as error:
            raise Unavailable(
                without_credentials(
                    f"the artifact store {self._address} cannot be used: {type(error).__name__}: {error}", self._secret
                ),
                hint="look at its address, its credentials and the network, then try again",
            ).kept_from_others("the artifact store cannot be used", "the owner of the server is told why") from None


def moment_of(told: dict[str, Any]) -> float | None:
    """When an object was written, in seconds since 1970; each kind of store has its own word for it."""
    for name in ("LastModified", "mtime", "last_modified", "updated", "created"):
        value = told.get(name)
        if isinstance(value, str):
            with suppress(ValueError):
                value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return as_utc(value).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None


def _connect(address: str, options: str, secret: Mapping[str, Any]) -> tuple[Any, str]:
    """The file system and the path in it."""
    hint = "pip install 'mlbox[remote]'"
    try:
        import fsspec

        given = json.loads(options or "{}") | for_fsspec(type_of(address), secret)
        files, root = fsspec.core.url_to_fs(address, **given)
    except ImportError as error:
        raise Invalid(f"artifact_store {address!r} needs another package: {error}", hint=hint) from None
    except (ValueError, TypeError) as error:
        raise Invalid(f"artifact_store {address!r}: {error}", hint="for example s3://bucket/prefix") from None
    return files, str(root).rstrip("/")
