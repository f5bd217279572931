"""What a model runtime is: how models of one framework are opened to be asked.

A newcomer adds one file to this package: an object with ``name``, ``capabilities``, ``foresee`` and ``open``, and
``RUNTIMES.add("framework", the_object)``. For a framework whose models are kept as they were logged, and whose code
belongs into a process of its own, that object is a ``Kept``.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Invalid, NotExecuted
from mlbox.base.registry import Registry
from mlbox.serve.python.launch import Launch
from mlbox.serve.remote import RemotePredictor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.engine.models.sessions import Predictor
    from mlbox.serve.shop import Shop


@dataclass(frozen=True, slots=True)
class Capabilities:
    """``in_process``: computed in the server itself, which takes microseconds; else in a process of its own."""

    in_process: bool = False


class ModelRuntime(Protocol):
    """How models of a framework are computed."""

    name: str
    capabilities: Capabilities

    def foresee(self, version: ModelVersion, shop: Shop) -> str:
        """What opening will need, for the plan; raises ``Invalid`` for what cannot be opened. Starts nothing."""
        ...

    def open(self, version: ModelVersion, row: EndpointRow, shop: Shop) -> Predictor | RemotePredictor:
        """Ready to be asked. Raises an ``MlboxError`` that says why it is not."""
        ...


RUNTIMES: Registry[ModelRuntime] = Registry("model runtime", "mlbox.serve.runtimes")


def runtime_of(version: ModelVersion) -> ModelRuntime:
    """The runtime of a version's framework; ``NotExecuted`` for a framework that none is known for."""
    if version.framework in RUNTIMES:
        return RUNTIMES.get(version.framework)
    raise NotExecuted(
        f"model {version} is kept as {version.framework}, which no model runtime computes",
        hint=f"serve it by a class of yours: USING FUNCTION; there are runtimes for {', '.join(RUNTIMES.names())}",
    )


class Kept:
    """A framework whose models are kept as a pickle, or as the folder that MLflow saved, and computed in a process
    with the versions that they were logged with."""

    capabilities = Capabilities()

    def __init__(self, name: str, packages: tuple[str, ...]) -> None:
        """``packages`` are what a model needs whose requirements were not recorded."""
        self.name = name
        self._packages = packages

    def foresee(self, version: ModelVersion, shop: Shop) -> str:
        """Its process, and what that needs."""
        facts = shop.facts_of(version)
        requirements = facts.get("requirements") or self._packages
        return f"in a process with {', '.join(map(str, requirements))}"

    def open(self, version: ModelVersion, row: EndpointRow, shop: Shop) -> RemotePredictor:
        """A process that has loaded it."""
        lease = shop.lease(self._launch(version, shop), row)
        return RemotePredictor(lease, version.features, seconds_of(row))

    def _launch(self, version: ModelVersion, shop: Shop) -> Launch:
        facts = shop.facts_of(version)
        content = shop.models.artifacts.read(version.digest)
        way, path, listed = self.name, shop.folder() / f"model-{version.digest}", _saved_by_mlflow(content)
        if listed is not None:
            way = "mlflow"
            _unzip(content, path)
        elif not path.is_file():
            _write(content, path)
        known = listed or tuple(map(str, facts.get("requirements") or ())) or self._packages
        spec = {"kind": "model", "way": way, "model": str(path), "features": list(version.features)}
        return Launch(name=f"model {version}", spec=spec, requirements=known, python=_python(facts))


def seconds_of(row: EndpointRow) -> float:
    """Time limit of a request of an endpoint."""
    limit = row.options.get("timeout_ms")
    return float(limit) / 1000 if limit else DEFAULT_SECONDS


def ending_seconds(row: EndpointRow) -> float:
    """For which a replica waits for what it has begun, streams among it where the endpoint says how long they take."""
    return max(seconds_of(row), float(row.options.get("stream_seconds") or 0))


DEFAULT_SECONDS = 30.0
"""Time limit of user code when the endpoint gives none."""


def _python(facts: Mapping[str, Any]) -> str | None:
    known = facts.get("python")
    return str(known) if known else None


def _saved_by_mlflow(content: bytes) -> tuple[str, ...] | None:
    """Requirements of a model that MLflow saved; None: it is something else."""
    if not content.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if "MLmodel" not in archive.namelist():
                return None
            lines = archive.read("requirements.txt").decode() if "requirements.txt" in archive.namelist() else "mlflow"
    except (zipfile.BadZipFile, UnicodeDecodeError):
        raise Invalid("the model's file is a broken archive", hint="log it again") from None
    return tuple(line.strip() for line in lines.splitlines() if line.strip() and not line.startswith(("-", "#")))


def _unzip(content: bytes, folder: Path) -> None:
    if folder.is_dir():
        return
    building = folder.with_name(f".{folder.name}.{hashlib.sha256(str(id(content)).encode()).hexdigest()[:8]}")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(building)
    try:
        building.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another thread was first
            raise


def _write(content: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{id(content):x}")
    building.write_bytes(content)
    building.rename(path)
