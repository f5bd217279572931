"""Artifacts: a tree of files a run, and one a logged model. Each file is a row of ``ml.artifacts``."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mlbox.api.mlflow.door import Data, Door, call, text
from mlbox.api.mlflow.runs import experiment_ids
from mlbox.base.clock import now
from mlbox.base.errors import Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import artifacts, tracking
from mlbox.engine.catalog.tables.artifacts import ArtifactRow
from mlbox.engine.runs.experiments import DEFAULT_EXPERIMENT
from mlbox.engine.storage.artifacts import Blob

MODELS = "models"
_HIDDEN = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder: of a run, or of a logged model (then all its files stand under ``models/<id>``)."""

    run_id: str | None
    path: str

    def below(self, name: str) -> str | None:
        """The rest of ``name`` when it is this or lies in it."""
        if not self.path or name == self.path:
            return name[len(self.path) :]
        return name[len(self.path) + 1 :] if name.startswith(self.path + "/") else None


def place(door: Door, path: str) -> Place:
    """``<experiment>/<run>/artifacts/..`` or ``<experiment>/models/<model>/artifacts/..``."""
    parts = path.strip("/").split("/")
    if any(part in _HIDDEN for part in parts):
        raise Invalid(f"{path!r} is not the path of an artifact")
    if len(parts) > 3 and parts[1] == MODELS and parts[3] == "artifacts":
        model = logged_model(door, parts[2])
        return Place(model.run_id, "/".join((MODELS, model.id, *parts[4:])))
    if len(parts) > 2 and parts[2] == "artifacts":
        row = door.tracking.run(door.project, parts[1])
        return Place(row.id, "/".join(parts[3:]))
    raise Invalid(f"{path!r} is not the path of an artifact", hint="<experiment>/<run>/artifacts/<path>")


def logged_model(door: Door, id: str) -> tracking.LoggedModelRow:
    """The logged model with this id."""
    found = door.tracking.read(lambda cursor: tracking.logged_models(cursor, door.project, [id]))
    if not found:
        raise NotFound(f"there is no logged model {id!r} in project {door.project}")
    return found[0]


def files(door: Door, where: Place) -> dict[str, ArtifactRow]:
    """The latest row of each file at or below a place, by name."""
    rows = door.tracking.read(lambda cursor: artifacts.tree(cursor, door.project, where.run_id, where.path))
    found: dict[str, ArtifactRow] = {}
    for row in rows:
        found.setdefault(row.name, row)
    return found


def put(door: Door, path: str, blob: Blob) -> None:
    """Name stored bytes; a file of that name is replaced."""
    where = place(door, path)
    if not where.path:
        raise Invalid(f"{path!r} names no file")
    file_name = where.path.rpartition("/")[2]
    media_type = mimetypes.guess_type(file_name)[0] or "application/octet-stream"
    kind = "plot" if media_type.startswith("image/") else "file"
    row = ArtifactRow(
        id=new_id(),
        project=door.project,
        run_id=where.run_id,
        name=where.path,
        kind=kind,
        digest=blob.digest,
        size=blob.size,
        media_type=media_type,
        file_name=file_name,
        created_at=now(),
    )
    door.tracking.write(lambda cursor: artifacts.insert(cursor, row))


def get(door: Door, path: str) -> ArtifactRow:
    """The file at a path."""
    where = place(door, path)
    found = files(door, where).get(where.path)
    if found is None:
        raise NotFound(f"there is no artifact {where.path!r}")
    return found


def delete(door: Door, path: str) -> None:
    """Forget a file or folder; the bytes stay while anything has them."""
    rows = [row.id for row in files(door, place(door, path)).values()]
    if rows:
        door.tracking.write(lambda cursor: artifacts.delete(cursor, rows))


def children(where: Place, rows: Iterable[ArtifactRow]) -> list[dict[str, Any]]:
    """Files and folders directly in a place; paths are relative to it."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        rest = where.below(row.name)
        if not rest or (row.run_id is not None and not where.path and rest.startswith(MODELS + "/m-")):
            continue
        head, folder, _ = rest.partition("/")
        found[head] = (
            {"path": head, "is_dir": True} if folder else {"path": head, "is_dir": False, "file_size": row.size}
        )
    return [found[name] for name in sorted(found)]


def list_place(door: Door, path: str) -> Data:
    """``GET /mlflow-artifacts/artifacts?path=..``."""
    where = place(door, path)
    return {"files": children(where, files(door, where).values())}


@call("GET", "artifacts/list")
def list_artifacts(door: Door, data: Data) -> Data:
    """Files of a run; paths are relative to the run."""
    row = door.tracking.run(door.project, text(data, "run_id", "run_uuid"))
    path = str(data.get("path") or "").strip("/")
    where = Place(row.id, path)
    shown = children(where, files(door, where).values())
    prefix = f"{path}/" if path else ""
    experiment = experiment_ids(door).get(row.experiment, DEFAULT_EXPERIMENT)
    return {
        "root_uri": f"mlflow-artifacts:/{experiment}/{row.id}/artifacts",
        "files": [{**entry, "path": prefix + entry["path"]} for entry in shown],
    }
