"""Files that MLflow saved as a model, as one artifact of kind ``model``."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from tempfile import TemporaryFile
from typing import Any

from mlbox.base.clock import now
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables.artifacts import ArtifactRow
from mlbox.engine.storage.artifacts import CHUNK, ArtifactStore

FLAVORS = (
    "onnx",
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "pytorch",
    "tensorflow",
    "keras",
    "statsmodels",
    "spark",
)
"""What MLflow calls a way to save a model; the first of these that one has is its framework."""

SOURCE_TAG = "mlbox.source"
LOGGED_TAG = "mlbox.logged_model"
"""Tags of ours on versions that clients do not see: where a version came from, in MLflow's words."""


def pack(store: ArtifactStore, files: Mapping[str, ArtifactRow], name: str, marks: Mapping[str, Any]) -> ArtifactRow:
    """The artifact of a model, not entered yet: the ONNX file itself, else a zip of all its files.

    ``files`` by path inside of the model, at least one; ``marks`` are added to what the artifact says of itself.
    """
    some = next(iter(files.values()))
    described = describe(store.read(files["MLmodel"].digest)) if "MLmodel" in files else {}
    metadata = {"framework": "files", **described, **marks}
    onnx = files.get(str(described.get("file") or "")) if described.get("framework") == "onnx" else None
    if onnx is not None:
        digest, size, file_name = onnx.digest, onnx.size, f"{name}.onnx"
    else:
        with TemporaryFile() as packed:
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
                for path, file in sorted(files.items()):
                    # one date for all: the same files give the same bytes
                    entry = zipfile.ZipInfo(path)
                    entry.file_size = file.size
                    with archive.open(entry, "w") as target, store.open(file.digest) as content:
                        while piece := content.read(CHUNK):
                            target.write(piece)
            packed.seek(0)
            blob = store.put_stream(iter(lambda: packed.read(CHUNK), b""))
        digest, size, file_name = blob.digest, blob.size, f"{name}.zip"
    return ArtifactRow(
        id=new_id(),
        project=some.project,
        run_id=some.run_id,
        name=name,
        kind="model",
        digest=digest,
        size=size,
        media_type="application/octet-stream" if onnx is not None else "application/zip",
        file_name=file_name,
        metadata=metadata,
        created_at=now(),
    )


def describe(text: bytes) -> dict[str, Any]:
    """Framework, file and signature out of MLflow's ``MLmodel`` file (YAML); nothing where it cannot be read."""
    import yaml

    try:
        known = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    if not isinstance(known, dict):
        return {}
    flavors = _mapping(known.get("flavors"))
    framework = next((name for name in FLAVORS if name in flavors), None) or next(iter(flavors), "files")
    signature = _mapping(known.get("signature"))
    inputs, outputs = _fields(signature.get("inputs")), _fields(signature.get("outputs"))
    return {
        "framework": framework,
        "flavors": sorted(flavors),
        "file": _mapping(flavors.get("onnx")).get("data"),
        "inputs": inputs,
        "outputs": outputs,
        "feature_names": [entry["name"] for entry in inputs if entry["name"]],
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _fields(text: Any) -> list[dict[str, str]]:
    """Columns of a signature, which is JSON inside the YAML."""
    try:
        entries = json.loads(text) if isinstance(text, str) else []
    except ValueError:
        return []
    found = []
    for index, entry in enumerate(map(_mapping, entries if isinstance(entries, list) else [])):
        tensor = _mapping(entry.get("tensor-spec"))
        kind = str(tensor.get("dtype") or entry.get("type") or "")
        shape = "".join(f"[{size}]" for size in tensor.get("shape", ())[1:])
        found.append({"name": str(entry.get("name") or f"column_{index}"), "type": kind + shape})
    return found
