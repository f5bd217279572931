"""``file:///path/mlruns``: a folder of text files, what MLflow writes when it is told nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlbox.base.errors import Invalid, NotFound
from mlbox.engine.runs.mlflow_stores.base import (
    MODEL_STATUS,
    RUN_STATUS,
    STORES,
    Experiment,
    LoggedModel,
    Model,
    Opener,
    Point,
    Run,
    Version,
    files_below,
    local_path,
)

_META = "meta.yaml"
_MODELS = "models"
"""Beside the experiments it is the registry, inside of one the models that its runs have logged."""


class FileStore:
    """``<experiment>/<run>/{params,metrics,tags,artifacts}``, each parameter, metric and tag a file."""

    def __init__(self, address: str) -> None:
        self._root = Path(unquote(address.removeprefix("file:").removeprefix("//"))).expanduser()
        if not self._root.is_dir():
            raise NotFound(f"there is no folder {str(self._root)!r}", hint="mlflow+file:///home/me/mlruns")
        if not any(self._root.glob(f"*/{_META}")):
            raise Invalid(f"{self._root} holds no experiments of MLflow")

    def experiments(self) -> list[Experiment]:
        """Also those in the bin."""
        found = []
        for folder in self._experiments():
            meta = _meta(folder)
            found.append(
                Experiment(
                    id=str(meta.get("experiment_id", folder.name)),
                    name=str(meta.get("name", folder.name)),
                    tags=_texts(folder / "tags"),
                    created=meta.get("creation_time"),
                    deleted=meta.get("lifecycle_stage") == "deleted",
                )
            )
        return found

    def runs(self) -> list[Run]:
        """All, oldest first."""
        found = []
        for experiment in self._experiments():
            for folder in sorted(path.parent for path in experiment.glob(f"*/{_META}")):
                meta = _meta(folder)
                tags = _texts(folder / "tags")
                id = str(meta.get("run_id") or meta.get("run_uuid") or folder.name)
                found.append(
                    Run(
                        id=id,
                        experiment=str(meta.get("experiment_id", experiment.name)),
                        name=tags.get("mlflow.runName") or meta.get("run_name"),
                        status=RUN_STATUS.get(meta.get("status", 0), str(meta.get("status"))),
                        started=meta.get("start_time"),
                        ended=meta.get("end_time"),
                        user=meta.get("user_id"),
                        deleted=meta.get("lifecycle_stage") == "deleted",
                        artifacts=self._place(folder, meta.get("artifact_uri")),
                        params=_texts(folder / "params"),
                        tags=tags,
                    )
                )
        return sorted(found, key=lambda run: (run.started or 0, run.id))

    def points(self, run: Run) -> list[Point]:
        """A line is time, value and step."""
        folder = next(iter(self._root.glob(f"*/{run.id}")), None) or next(iter(self._root.glob(f".trash/*/{run.id}")))
        found = []
        for name, text in _texts(folder / "metrics").items():
            for line in text.splitlines():
                at, value, *step = line.split()
                found.append(Point(name, int(step[0]) if step else 0, float(value), int(at)))
        return found

    def logged_models(self) -> list[LoggedModel]:
        """Those that are not deleted."""
        found = []
        for experiment in self._experiments():
            for folder in sorted(path.parent for path in experiment.glob(f"{_MODELS}/*/{_META}")):
                meta = _meta(folder)
                if meta.get("lifecycle_stage") == "deleted":
                    continue
                found.append(
                    LoggedModel(
                        id=str(meta["model_id"]),
                        experiment=str(meta.get("experiment_id", experiment.name)),
                        name=str(meta.get("name") or meta["model_id"]),
                        run=meta.get("source_run_id"),
                        kind=meta.get("model_type"),
                        status=MODEL_STATUS.get(meta.get("status", 2), "READY"),
                        location=self._place(folder, meta.get("artifact_location")),
                        params=_texts(folder / "params"),
                        tags=_texts(folder / "tags"),
                        metrics=_model_points(folder / "metrics"),
                        created=meta.get("creation_timestamp"),
                        updated=meta.get("last_updated_timestamp"),
                    )
                )
        return found

    def models(self) -> list[Model]:
        """The registry, which lies beside the experiments."""
        found = []
        for folder in sorted(path.parent for path in self._root.glob(f"{_MODELS}/*/{_META}")):
            meta = _meta(folder)
            versions = [_version(path.parent) for path in folder.glob(f"version-*/{_META}")]
            found.append(
                Model(
                    name=str(meta.get("name", folder.name)),
                    description=meta.get("description"),
                    created=meta.get("creation_timestamp"),
                    tags=_texts(folder / "tags"),
                    aliases={name: int(number) for name, number in _texts(folder / "aliases").items()},
                    versions=sorted(versions, key=lambda version: version.number),
                )
            )
        return found

    def files(self, location: str) -> Iterator[tuple[str, Opener]]:
        """Of this machine."""
        return files_below(local_path(location, self._root.parent / "mlartifacts"))

    def close(self) -> None:
        """Nothing is open."""

    def _experiments(self) -> list[Path]:
        folders = {path.parent for pattern in ("*", ".trash/*") for path in self._root.glob(f"{pattern}/{_META}")}
        return sorted(folder for folder in folders if folder.name != _MODELS)

    @staticmethod
    def _place(folder: Path, said: Any) -> str:
        """Where files are: what the store says, else beside its record, for it may have been moved since."""
        beside = folder / "artifacts"
        return str(beside) if beside.is_dir() or not said else str(said)


def _version(folder: Path) -> Version:
    meta = _meta(folder)
    return Version(
        number=int(meta["version"]),
        run=meta.get("run_id"),
        source=str(meta.get("source") or ""),
        model=meta.get("model_id"),
        location=str(meta.get("storage_location") or ""),
        description=meta.get("description"),
        created=meta.get("creation_timestamp"),
        tags=_texts(folder / "tags"),
    )


def _model_points(folder: Path) -> list[dict[str, Any]]:
    """A line is time, value, step, run and, where there is one, data set."""
    found = []
    for name, text in _texts(folder).items():
        for line in text.splitlines():
            at, value, step, *more = line.split()
            point = {"key": name, "value": float(value), "timestamp": int(at), "step": int(step)}
            found.append({**point, "run_id": more[0]} if more else point)
    return found


def _meta(folder: Path) -> Mapping[str, Any]:
    import yaml

    try:
        known = yaml.safe_load((folder / _META).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Invalid(f"{folder / _META} cannot be read: {error}") from None
    return known if isinstance(known, dict) else {}


def _texts(folder: Path) -> dict[str, str]:
    """Content by path below the folder: names of metrics and tags may hold ``/``."""
    found = {}
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            with suppress(OSError, UnicodeDecodeError):
                if path.is_file():
                    found[path.relative_to(folder).as_posix()] = path.read_text(encoding="utf-8")
    return found


STORES.add("file", FileStore)
