"""Values of user code as artifacts: bytes, a kind, a media type and what is known about them."""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import tempfile
import zipfile
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Union

from mlbox.client import conversion, frames
from mlbox.client.clusters import collected
from mlbox.client.failures import MlboxClientError
from mlbox.client.onnx import read_signature
from mlbox.client.statistics import feature_stats

_MEDIA_TYPES = {
    ".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg", ".jpeg": "image/jpeg",
    ".pdf": "application/pdf", ".json": "application/json", ".csv": frames.CSV, ".parquet": frames.PARQUET,
    ".txt": "text/plain", ".log": "text/plain", ".md": "text/markdown", ".html": "text/html",
    ".onnx": "application/onnx",
    ".zip": "application/zip", ".yaml": "application/yaml", ".yml": "application/yaml", ".py": "text/x-python",
}  # fmt: skip
_BINARY = "application/octet-stream"
_CHUNK = 1 << 20


class Payload(NamedTuple):
    """What will be stored. ``content`` is bytes, or the path of a file."""

    kind: str
    content: Union[bytes, str]
    media_type: str
    file_name: str
    metadata: Dict[str, Any]

    def digest(self) -> str:
        """SHA-256, hexadecimal."""
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        digest = hashlib.sha256()
        with open(self.content, "rb") as file:
            for chunk in iter(lambda: file.read(_CHUNK), b""):
                digest.update(chunk)
        return digest.hexdigest()

    def size(self) -> int:
        """Bytes."""
        return len(self.content) if isinstance(self.content, bytes) else os.path.getsize(self.content)


@contextmanager
def from_value(name: str, value: Any) -> Iterator[Payload]:
    """A file (path), a folder (path; stored as a zip), bytes, or a JSON-able dictionary or list."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        kind = _media_type(name)
        yield Payload("file", bytes(value), _sniffed(bytes(value[:8])) if kind == _BINARY else kind, _base(name), {})
    elif isinstance(value, (dict, list)):
        data = json.dumps(value, default=str, indent=1).encode()
        yield Payload("document", data, "application/json", with_ending(name, ".json"), {})
    elif isinstance(value, (str, os.PathLike)):
        path = _existing(name, value)
        if os.path.isdir(path):
            with _zipped(path) as (archive, files):
                yield Payload("folder", archive, "application/zip", with_ending(_base(name), ".zip"), {"files": files})
        else:
            yield Payload("file", path, _media_type(path), os.path.basename(path), {})
    else:
        raise MlboxClientError(
            f"artifact {name!r}: a {type(value).__name__} cannot be stored",
            "give a path, bytes, a dictionary or a list, a packager for it (mlbox.packager), or format='pickle'",
        )


def plot(name: str, figure: Any, form: Optional[str] = None) -> Payload:
    """A matplotlib figure (or what has one: axes, seaborn grids), a figure of Plotly or Altair, a dictionary that is
    the specification of one (Plotly, Vega, Vega-Lite), bytes of a picture, or its path. ``form``: ``png``, ``svg`` or
    ``pdf`` of matplotlib, ``json`` or ``html`` of Plotly and Altair."""
    if isinstance(figure, (str, os.PathLike)):
        path = _existing(name, figure)
        return Payload("plot", path, _media_type(path), os.path.basename(path), {})
    if isinstance(figure, (bytes, bytearray)):
        media = _sniffed(bytes(figure[:256]))
        ending = next((end for end, kind in _MEDIA_TYPES.items() if kind == media), ".bin")
        return Payload("plot", bytes(figure), media, with_ending(name, ending), {})
    parts = (figure, getattr(figure, "figure", None), getattr(figure, "fig", None))
    drawable: Any = next((part for part in parts if hasattr(part, "savefig")), None)
    if drawable is not None:
        form = _one_of(name, form, ("png", "svg", "pdf"))
        out = io.BytesIO()
        drawable.savefig(out, format=form, bbox_inches="tight")
        return Payload("plot", out.getvalue(), _MEDIA_TYPES[f".{form}"], with_ending(name, f".{form}"), {})
    written = hasattr(figure, "to_html") and (hasattr(figure, "to_plotly_json") or _is_altair(figure))
    if _one_of(name, form, ("json", "html") if written else ("json",)) == "html":
        return Payload("plot", figure.to_html().encode(), "text/html", with_ending(name, ".html"), {})
    if hasattr(figure, "to_plotly_json") and hasattr(figure, "to_json"):
        data = figure.to_json().encode()
        return Payload("plot", data, "application/vnd.plotly.v1+json", with_ending(name, ".json"), {})
    drawn = figure.to_dict() if _is_altair(figure) else figure
    kind = _specification(drawn) if isinstance(drawn, dict) else None
    if kind is not None:
        return Payload("plot", json.dumps(_jsonable(drawn)).encode(), kind, with_ending(name, ".json"), {})
    raise MlboxClientError(
        f"plot {name!r}: a {type(figure).__name__} is not a figure",
        "give a figure of matplotlib, Plotly or Altair, a specification of Plotly or Vega, bytes or a path",
    )


def _is_altair(figure: Any) -> bool:
    return type(figure).__module__.partition(".")[0] == "altair"


def is_figure(value: Any) -> bool:
    """Whether it is a figure of matplotlib, or has one, or is one of Plotly or Altair."""
    parts = (value, getattr(value, "figure", None), getattr(value, "fig", None))
    return any(hasattr(part, "savefig") for part in parts) or hasattr(value, "to_plotly_json") or _is_altair(value)


def _one_of(name: str, form: Optional[str], known: Sequence[str]) -> str:
    """The format that was asked for, else the first."""
    if form is not None and form not in known:
        raise MlboxClientError(f"plot {name!r}: this figure has no format {form!r}", f"it has {', '.join(known)}")
    return form or known[0]


def _jsonable(value: Any) -> Any:
    """Arrays and columns as lists, numbers that JSON does not know as null, times and the like as text."""
    if isinstance(value, dict):
        return {str(key): _jsonable(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    for name in ("tolist", "to_list", "to_pylist"):
        if hasattr(value, name):
            return _jsonable(getattr(value, name)())
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _specification(figure: Dict[str, Any]) -> Optional[str]:
    """The media type of a chart that is written down as a dictionary; None: it is none."""
    found = re.search(r"/schema/(vega|vega-lite)/v(\d+)", str(figure.get("$schema", "")))
    if found is not None:
        return f"application/vnd.{found[1].replace('-', '')}.v{found[2]}+json"
    if isinstance(figure.get("data"), list) and isinstance(figure.get("layout"), dict):
        return "application/vnd.plotly.v1+json"
    return None


def table(kind: str, name: str, frame: Any, form: Optional[str] = None) -> Payload:
    """A frame as Parquet (without pyarrow CSV), or as ``form`` says, with schema, number of rows, five rows to look at;
    a dataset also with statistics. A column alone (a Series) is a frame of one."""
    if isinstance(frame, (str, os.PathLike)):
        path = _existing(name, frame)
        return Payload(kind, path, _media_type(path), os.path.basename(path), {})
    made = frames.full_name(type(frame))
    frame = collected(frame)
    if not hasattr(frame, "columns") and not hasattr(frame, "column_names") and hasattr(frame, "to_frame"):
        frame = frame.to_frame() if getattr(frame, "name", None) else frame.to_frame("value")
    metadata = frames.describe_table(frame)
    if kind == "dataset":
        metadata["stats"] = feature_stats(frame)
    data, media, ending = frames.write_table(frame, form)
    metadata["packaged"] = {"packager": "frame", "type": made, "format": ending}
    return Payload(kind, data, media, with_ending(name, f".{ending}"), metadata)


def model(
    name: str,
    value: Any,
    feature_names: Optional[Sequence[str]] = None,
    training_set: Any = None,
    metrics: Optional[Dict[str, float]] = None,
) -> Payload:
    """A model with its signature and, when the training set is given, the statistics of its features: ONNX as it is,
    a fitted model of scikit-learn, XGBoost or LightGBM as ONNX where its converter is installed, else as a pickle."""
    if isinstance(value, (str, os.PathLike)):
        with open(_existing(name, value), "rb") as file:
            data = file.read()
    elif hasattr(value, "SerializeToString"):
        data = value.SerializeToString()
    elif isinstance(value, (bytes, bytearray)):
        data = bytes(value)
    else:
        kept = conversion.keep(name, value, training_set, feature_names)
        if feature_names is None and training_set is None:
            feature_names = conversion.names_in(value) or None
        if kept.framework != "onnx":
            about = conversion.about(kept, value)
            return _unconverted(name, kept, about, _Known(feature_names, training_set, metrics))
        data = kept.data
    signature = read_signature(data)
    names = list(feature_names) if feature_names is not None else _default_names(signature.inputs, training_set)
    _check_names(name, signature.inputs, names)
    metadata: Dict[str, Any] = {
        "framework": "onnx",
        "inputs": signature.inputs,
        "outputs": signature.outputs,
        **_known(names, training_set, metrics),
    }
    return Payload("model", data, "application/onnx", with_ending(name, ".onnx"), metadata)


class _Known(NamedTuple):
    feature_names: Optional[Sequence[str]]
    training_set: Any
    metrics: Optional[Dict[str, float]]


def _unconverted(name: str, kept: conversion.Kept, about: Dict[str, Any], told: _Known) -> Payload:
    frame = told.training_set
    names = list(told.feature_names or ([] if frame is None else frames.columns_of(frame)))
    inputs = [{"name": entry, "type": "DOUBLE"} for entry in names]
    metadata = {**about, "inputs": inputs, "outputs": [], **_known(names, frame, told.metrics)}
    return Payload("model", kept.data, "application/octet-stream", with_ending(name, ".pickle"), metadata)


def _known(names: List[str], training_set: Any, metrics: Optional[Dict[str, float]]) -> Dict[str, Any]:
    return {
        "feature_names": names,
        "feature_stats": feature_stats(training_set, names or None) if training_set is not None else {},
        "metrics": {key: float(number) for key, number in (metrics or {}).items()},
    }


def _default_names(inputs: List[Dict[str, Any]], training_set: Any) -> List[str]:
    if len(inputs) > 1:
        return [str(entry["name"]) for entry in inputs]
    return list(frames.columns_of(training_set)) if training_set is not None else []


def _check_names(name: str, inputs: List[Dict[str, Any]], names: List[str]) -> None:
    shape = inputs[0].get("shape") if len(inputs) == 1 else None
    width = shape[1] if shape and len(shape) == 2 else None
    if names and width is not None and width != len(names):
        raise MlboxClientError(
            f"model {name!r} takes {width} features, {len(names)} names were given",
            "feature_names are the columns that the model was trained on, in order, without the label",
        )


def _existing(name: str, value: Any) -> str:
    path: str = os.path.abspath(os.path.expanduser(os.fspath(value)))
    if not os.path.exists(path):
        hint = "a text that is no path is given as bytes: text.encode()"
        raise MlboxClientError(f"artifact {name!r}: there is no file {os.fspath(value)!r} in {os.getcwd()}", hint)
    return path


@contextmanager
def _zipped(folder: str) -> Iterator[Any]:
    """A zip of the folder that is the same for the same files; gone afterwards."""
    handle, path = tempfile.mkstemp(suffix=".zip")
    os.close(handle)
    names: List[str] = []
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for parent, folders, files in os.walk(folder):
                folders.sort()
                for file in sorted(files):
                    full = os.path.join(parent, file)
                    inner = os.path.relpath(full, folder).replace(os.sep, "/")
                    entry = zipfile.ZipInfo(inner, (1980, 1, 1, 0, 0, 0))
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.file_size = os.path.getsize(full)
                    with open(full, "rb") as source, archive.open(entry, "w") as target:
                        for chunk in iter(lambda: source.read(_CHUNK), b""):
                            target.write(chunk)
                    names.append(inner)
        yield path, names
    finally:
        os.remove(path)


def _media_type(name: str) -> str:
    return _MEDIA_TYPES.get(os.path.splitext(name)[1].lower(), _BINARY)


def _sniffed(head: bytes) -> str:
    for start, media in ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"%PDF", "application/pdf")):
        if head.startswith(start):
            return media
    if head.startswith(b"PAR1"):
        return frames.PARQUET
    return "image/svg+xml" if b"<svg" in head else _BINARY


def _base(name: str) -> str:
    return os.path.basename(name.rstrip("/")) or "artifact"


def with_ending(name: str, ending: str) -> str:
    """The last part of a name as that of a file."""
    base = _base(name)
    return base if base.lower().endswith(ending) else base + ending
