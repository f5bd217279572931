"""Artifacts as the values that they were made from: what a handler's annotation asks for, else what was logged."""

from __future__ import annotations

import json
import os
import pathlib
import pickle
import shutil
import sys
import zipfile
from typing import Any, Callable, Dict, Mapping, Optional

from mlbox.client import frames, packagers
from mlbox.client.failures import MlboxClientError

_JSON_TYPES: Dict[str, Callable[[Any], Any]] = {
    "set": lambda entries: set(_hashable(entries)),
    "frozenset": lambda entries: frozenset(_hashable(entries)),
    "tuple": tuple,
}
_CHECKED = {"dict": dict, "list": list, "tuple": tuple, "set": set, "bytes": bytes, "str": str}
_SAME = ("numpy.", "polars.dataframe", "pyarrow.lib.Table")
"""Frames that come back as what they were, where nothing else is asked for: the others as pandas, where it is there."""
_PATHS = ("pathlib.Path", "Path", "os.PathLike", "PathLike")


def file_of(known: Mapping[str, Any], path: str) -> pathlib.Path:
    """What was fetched to ``path``, under the name that it was logged with: a file, which is moved, or the folder that
    it was. What an attempt before left there is replaced: it may be half, or changed."""
    folder = pathlib.Path(path + ".d")
    folder.mkdir(parents=True, exist_ok=True)
    name = os.path.basename(str(known.get("file_name") or known.get("name") or "artifact"))
    target = folder / (name[: -len(".zip")] or name if _is_folder(known) else name)
    if target.is_dir():
        shutil.rmtree(target)
    if _is_folder(known):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target)
    else:
        os.replace(path, target)
    return target


def _is_folder(known: Mapping[str, Any]) -> bool:
    return "files" in (known.get("metadata") or {}) and known.get("media_type") == "application/zip"


def unpack(name: str, known: Mapping[str, Any], file: pathlib.Path, annotation: Any = None) -> Any:
    """The value of the input ``name``. ``known`` is what the artifact's row says: kind, media type, metadata.

    Raises ``MlboxClientError``, which names the packager where there is one.
    """
    if _text_of(annotation) in _PATHS:
        return file
    packed = dict((known.get("metadata") or {}).get("packaged") or {})
    is_pickle = packed.get("packager") == "pickle"  # asked for in spite of the type's packager
    own = packagers.of_type(annotation) if isinstance(annotation, type) and not is_pickle else None
    own = own or packagers.of_name(str(packed.get("packager")))
    if own is not None:
        return packagers.unpack(own, name, file)
    value = _built_in(name, known, packed, file, annotation)
    return _as_declared(name, value, annotation)


def _built_in(name: str, known: Mapping[str, Any], packed: Mapping[str, Any], file: pathlib.Path, wanted: Any) -> Any:
    by, media = packed.get("packager"), str(known.get("media_type") or "")
    metadata = known.get("metadata") or {}
    if by == "numpy":
        return _array(packed, file)
    if by == "json":
        value = json.loads(file.read_text(encoding="utf-8"))
        kind = str(packed.get("type"))
        return value["value"] if kind == "value" else _JSON_TYPES.get(kind, lambda same: same)(value)
    if by == "text":
        return file.read_text(encoding="utf-8")
    if by == "pickle":
        return _unpickled(name, packed, file)
    if by not in (None, "frame"):
        told = f"input {name!r} was packed by {by}, which this function does not know"
        raise MlboxClientError(told, "import the module that registers it, or annotate the parameter with pathlib.Path")
    if known.get("kind") in ("dataset", "table") or media in (frames.PARQUET, frames.FEATHER):
        types = {entry["name"]: _arrow_type(str(entry["type"])) for entry in metadata.get("schema") or ()}
        rows = frames.read_frame(str(file), types, media)
        made = str(packed.get("type"))
        same = wanted is None and made.startswith(_SAME) and frames.importable(made.partition(".")[0]) is not None
        return frames.as_declared(rows, made.replace(".dataframe.frame", "").replace(".lib", "")) if same else rows
    if known.get("kind") == "model" and media != "application/onnx":
        return _unpickled(name, metadata, file)
    asked = _text_of(wanted)
    if media == "application/json":
        return json.loads(file.read_text(encoding="utf-8"))
    if asked == "bytes":
        return file.read_bytes()
    return file.read_text(encoding="utf-8") if asked == "str" else file


def _hashable(entries: Any) -> Any:
    """Lists, which JSON has instead of tuples, as tuples again."""
    return tuple(_hashable(entry) if isinstance(entry, list) else entry for entry in entries)


def _arrow_type(kind: str) -> str:
    """What pandas, polars or Python call a type, as Arrow does."""
    lower = kind.lower()
    if lower.startswith("datetime"):
        return "timestamp"
    return {"str": "string", "object": "string", "boolean": "bool"}.get(lower, lower)


def _array(packed: Mapping[str, Any], file: pathlib.Path) -> Any:
    import numpy

    form = packed.get("format")
    if form in ("txt", "csv"):
        return numpy.loadtxt(file, delimiter="," if form == "csv" else None)
    loaded = numpy.load(file, allow_pickle=False)
    if form == "npy":
        return loaded
    with loaded as archive:
        named = {key: archive[key] for key in archive.files}
    if packed.get("type") == "ndarray":
        return named["array"]
    listed = [named[key] for key in sorted(named, key=int)] if packed.get("type") in ("list", "tuple") else None
    return named if listed is None else tuple(listed) if packed.get("type") == "tuple" else listed


def _unpickled(name: str, packed: Mapping[str, Any], file: pathlib.Path) -> Any:
    try:
        with open(file, "rb") as stream:
            return pickle.load(stream)
    except Exception as error:
        here = f"{sys.version_info[0]}.{sys.version_info[1]}"
        needs = ", ".join(packed.get("requirements") or ()) or "nothing of note"
        told = f"input {name!r} cannot be unpickled: {type(error).__name__}: {error}"
        made = packed.get("python") or here
        hint = f"it was made with Python {made} (here: {here}) and {needs}: add these to REQUIREMENTS"
        raise MlboxClientError(told, hint) from error


def _as_declared(name: str, value: Any, annotation: Any) -> Any:
    declared = _text_of(annotation)
    is_frame = hasattr(value, "columns") or hasattr(value, "column_names")
    if is_frame or (isinstance(value, list) and declared not in _CHECKED):
        return frames.as_declared(value, annotation) if annotation is not None else value
    expected = _CHECKED.get(declared or "")
    if expected is not None and not isinstance(value, expected):
        raise MlboxClientError(
            f"input {name!r} is a {type(value).__name__}, and the handler wants a {declared}",
            "annotate the parameter with what was logged, or with pathlib.Path",
        )
    return value


def _text_of(annotation: Any) -> Optional[str]:
    if annotation is None or isinstance(annotation, str):
        return annotation
    module = getattr(annotation, "__module__", "")
    name = getattr(annotation, "__qualname__", "")
    return name if module == "builtins" else f"pathlib.{name}" if module.startswith("pathlib") else f"{module}.{name}"
