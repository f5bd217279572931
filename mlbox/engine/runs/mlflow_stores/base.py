"""What a store of MLflow holds, and what reads one. A newcomer adds one file: ``STORES.add(scheme, factory)``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from mlbox.base.errors import Unavailable
from mlbox.base.registry import Registry

RUN_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}
MODEL_STATUS = {1: "PENDING", 2: "READY", 3: "UPLOAD_FAILED"}
"""MLflow's numbers for states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A group of runs; id ``0`` is the default one. Times are milliseconds since 1970, here and below."""

    id: str
    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    created: int | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A data set that a run has read."""

    name: str
    digest: str
    dataset: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run. ``artifacts`` is where its files are; ``metrics`` names what it has points of."""

    id: str
    experiment: str
    name: str | None
    status: str
    started: int | None = None
    ended: int | None = None
    user: str | None = None
    deleted: bool = False
    artifacts: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[str] = ()
    inputs: Sequence[Input] = ()


class Point(NamedTuple):
    """A point of a metric; NaN and infinities are what they are."""

    name: str
    step: int
    value: float
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedModel:
    """A model that a run has logged; ``metrics`` are points as MLflow's API writes them."""

    id: str
    experiment: str
    name: str
    run: str | None = None
    kind: str | None = None
    status: str = "READY"
    location: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[Mapping[str, Any]] = ()
    created: int | None = None
    updated: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a registered model: of the logged model ``model``, or of the files at ``location``."""

    number: int
    run: str | None
    source: str
    model: str | None = None
    location: str = ""
    description: str | None = None
    created: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A registered model."""

    name: str
    description: str | None = None
    created: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    versions: Sequence[Version] = ()


Opener = Callable[[], BinaryIO]


class Store(Protocol):
    """Reads one store. All methods raise ``Unavailable`` when it does not answer."""

    def experiments(self) -> Sequence[Experiment]:
        """All, deleted ones too."""
        ...

    def runs(self) -> Iterable[Run]:
        """All runs of all experiments, deleted ones too, the oldest first where the store has an order."""
        ...

    def points(self, run: Run) -> Sequence[Point]:
        """The whole history of all metrics of a run."""
        ...

    def logged_models(self) -> Sequence[LoggedModel]:
        """Those that are not deleted."""
        ...

    def models(self) -> Sequence[Model]:
        """The registry."""
        ...

    def files(self, location: str) -> Iterator[tuple[str, Opener]]:
        """Relative path and content of each file at or below a place; ``Unavailable`` when it is out of reach."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


StoreFactory = Callable[[str], Store]
"""Opens the store at an address (``sqlite:///mlflow.db``); ``NotFound``, ``Invalid``, ``Unavailable``."""

STORES: Registry[StoreFactory] = Registry("MLflow store", "mlbox.engine.runs.mlflow_stores")


def local_path(location: str, proxied: Path | None = None) -> Path:
    """The path of this machine that a location of MLflow means; ``Unavailable`` when it means none.

    ``proxied``: where the tracking server kept what clients know as ``mlflow-artifacts:/…``.
    """
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        return Path(unquote(parts.path) if parts.scheme else location)
    if parts.scheme == "mlflow-artifacts" and proxied is not None:
        return proxied / unquote(parts.path).lstrip("/")
    raise Unavailable(f"{location} is not on this machine", hint="import from the tracking server, which can read it")


def files_below(folder: Path) -> Iterator[tuple[str, Opener]]:
    """All files of a folder, in order; nothing when it is not there."""
    if folder.is_file():
        yield folder.name, _opener(folder)
        return
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), _opener(path)


def _opener(path: Path) -> Opener:
    return lambda: path.open("rb")
