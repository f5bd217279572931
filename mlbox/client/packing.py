"""Values as artifacts: by the user's packagers, then by what is built in. :mod:`mlbox.client.unpacking` goes back.

What is needed for it stands in the artifact's metadata under ``packaged``: the packager, the type, the format.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import sys
import tempfile
from contextlib import contextmanager
from typing import Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional

from mlbox.client import artifacts, conversion, frames, packagers
from mlbox.client.artifacts import Payload
from mlbox.client.failures import MlboxClientError, nearest
from mlbox.client.hints import FORMATS

JSON = "application/json"
NUMPY_KINDS = {"npy": "application/x-npy", "npz": "application/zip", "txt": "text/plain", "csv": frames.CSV}
_OBJECT = "object"
_PLAIN = (type(None), bool, int, float, str)
"""What JSON gives back as it was."""
_TEXT_TYPES = {"txt": "text/plain", "md": "text/markdown"}


class Wanted(NamedTuple):
    """What was asked for besides: a kind of hints or of artifacts, a format, metadata of the user's."""

    kind: Optional[str] = None
    format: Optional[str] = None
    metadata: Optional[Mapping[str, Any]] = None


@contextmanager
def packed(name: str, value: Any, wanted: Wanted) -> Iterator[Payload]:
    """``value`` as what is stored. Raises ``MlboxClientError`` for what cannot be kept so."""
    own = packagers.of_hint(wanted.kind) or _own(value, wanted)
    value = _unboxed(value) if own is None else value
    made = _by_packager(own, name, value, wanted) if own is not None else _built_in(name, value, wanted)
    with made as payload:
        if wanted.metadata is not None:
            payload = payload._replace(metadata={**dict(wanted.metadata), **payload.metadata})
        yield payload


def _own(value: Any, wanted: Wanted) -> Optional[packagers.Registered]:
    """The user's packager of the value's type, unless something is asked for that it does not make."""
    found, kind = packagers.of_type(type(value)), wanted.kind
    if found is not None and wanted.format == "pickle" and "pickle" not in found.formats:
        return None
    if found is None or kind in (None, "artifact", found.kind, found.hint) or (kind == "file" and found.kind is None):
        return found
    return None


@contextmanager
def _by_packager(own: packagers.Registered, name: str, value: Any, wanted: Wanted) -> Iterator[Payload]:
    with tempfile.TemporaryDirectory(prefix="mlbox-") as folder:
        path, said = packagers.pack(own, name, value, pathlib.Path(folder), wanted.format)
        with artifacts.from_value(name, path) as payload:
            known = {"packager": own.name, "type": packagers.full_name(type(value)), "format": wanted.format}
            metadata = {**said, **payload.metadata, "packaged": known}
            yield payload._replace(kind=own.kind or payload.kind, metadata=metadata)


@contextmanager
def _built_in(name: str, value: Any, wanted: Wanted) -> Iterator[Payload]:
    kind, form = wanted.kind, wanted.format
    made: Optional[Payload] = None
    if kind == _OBJECT or form == "pickle":
        made = pickled(name, value)
    elif kind == "document" and not isinstance(value, (bytes, bytearray, os.PathLike)):
        made = document(name, value, form)
    elif kind in ("dataset", "table"):
        made = artifacts.table(kind, name, value, form)
    elif kind == "plot":
        made = artifacts.plot(name, value, form)
    elif isinstance(value, (set, frozenset)) or (isinstance(value, tuple) and not has_arrays(value)):
        made = document(name, value, form) if form is not None or are_plain(value) else pickled(name, value)
    elif type(value) in (bool, int, float):
        made = document(name, value, form)
    elif is_array(value) or has_arrays(value):
        made = arrays(name, value, form)
    elif is_frame(value):
        made = artifacts.table("dataset", name, value, form)
    elif isinstance(value, (dict, list)):
        made = _document_or_pickle(name, value, form)
    elif form is not None:
        kinds = type(value).__name__
        raise MlboxClientError(f"artifact {name!r}: a {kinds} has no format {form!r}", "leave the format away")
    if made is not None:
        yield made if kind not in ("file",) or made.kind != "dataset" else made._replace(kind="file")
        return
    with artifacts.from_value(name, value) as payload:
        yield payload._replace(kind="document") if kind == "document" and payload.kind == "file" else payload


def _document_or_pickle(name: str, value: Any, form: Optional[str]) -> Payload:
    """JSON where it has a word for the value: not for a dictionary by tuples, nor for a list that holds itself."""
    try:
        return document(name, value, form)
    except MlboxClientError:
        if form is not None:
            raise
        return pickled(name, value)


def is_array(value: Any) -> bool:
    """Whether it is a numpy array of numbers or texts; a number of numpy's is none."""
    if type(value).__module__ != "numpy" or not hasattr(value, "__array_interface__"):
        return False
    return value.ndim > 0 and not value.dtype.hasobject


def are_plain(values: Iterable[Any]) -> bool:
    """Whether JSON gives each of the values back as it is."""
    return all(type(_unboxed(value)) in _PLAIN for value in values)


def _unboxed(value: Any) -> Any:
    """A number or text of numpy's as the one of Python that it stands for; all else as it is."""
    if type(value).__module__ != "numpy" or getattr(value, "shape", None) != () or value.dtype.hasobject:
        return value
    inner = value.item()
    return inner if type(inner) in _PLAIN else value


def _told(value: Any) -> Any:
    """What JSON has no word for: numbers and arrays of numpy's as those of JSON, all else as its text."""
    if is_array(value):
        return value.tolist()
    inner = _unboxed(value)
    return str(value) if inner is value else inner


def has_arrays(value: Any) -> bool:
    """Whether it is a dictionary by name, a list or a tuple of arrays and nothing else."""
    if isinstance(value, dict):
        return bool(value) and all(isinstance(key, str) and is_array(entry) for key, entry in value.items())
    return isinstance(value, (list, tuple)) and bool(value) and all(is_array(entry) for entry in value)


def is_frame(value: Any) -> bool:
    """Whether it is a frame of pandas, polars or pyarrow, or a column of one."""
    package = type(value).__module__.partition(".")[0]
    known = package in ("pandas", "polars", "pyarrow", "pyspark", "dask")
    return known and any(hasattr(value, name) for name in ("columns", "column_names", "to_frame"))


def arrays(name: str, value: Any, form: Optional[str]) -> Payload:
    """An array as ``npy`` (or ``npz``, ``txt``, ``csv``), several as ``npz``; types and shapes are kept."""
    import numpy

    form = form or ("npy" if is_array(value) else "npz")
    if form not in NUMPY_KINDS or (form != "npz" and not is_array(value)):
        told = "an array has npy, npz, txt and csv, several have npz"
        raise MlboxClientError(f"artifact {name!r}: arrays have no format {form!r}", told)
    out = io.BytesIO()
    if form == "npy":
        numpy.save(out, value, allow_pickle=False)
    elif form == "npz":
        named = {"array": value} if is_array(value) else value
        if not isinstance(named, dict):
            named = {str(index): entry for index, entry in enumerate(named)}
        savez: Any = numpy.savez_compressed
        savez(out, **named)
    elif value.ndim > 2:
        told = f"artifact {name!r}: a text holds arrays of one or two dimensions, not of {value.ndim}"
        raise MlboxClientError(told, "npy keeps any")
    else:
        numpy.savetxt(out, value, delimiter="," if form == "csv" else " ")
    kind = type(value).__name__ if not is_array(value) else "ndarray"
    shapes = list(value.shape) if is_array(value) else None
    metadata: Dict[str, Any] = {"packaged": {"packager": "numpy", "type": kind, "format": form}}
    if shapes is not None:
        metadata.update(shape=shapes, dtype=str(value.dtype))
    return Payload("file", out.getvalue(), NUMPY_KINDS[form], artifacts.with_ending(name, f".{form}"), metadata)


def document(name: str, value: Any, form: Optional[str] = None) -> Payload:
    """A text (``txt``, ``md``), or what JSON can say: a dictionary, a list, a tuple, a set, a plain value."""
    if isinstance(value, str) and form != "json":
        ending = form or os.path.splitext(name)[1].lstrip(".").lower()
        ending = ending if ending in _TEXT_TYPES else "txt"
        known = {"packager": "text", "type": "str", "format": ending}
        data, media = value.encode(), _TEXT_TYPES[ending]
        return Payload("document", data, media, artifacts.with_ending(name, f".{ending}"), {"packaged": known})
    if form not in (None, "json"):
        raise MlboxClientError(f"artifact {name!r}: a {type(value).__name__} has no format {form!r}", "it has json")
    kind, body = "tuple" if isinstance(value, tuple) else type(value).__name__, value
    if isinstance(value, (set, frozenset)):
        body = sorted(value, key=lambda entry: (type(entry).__name__, str(entry)))
    elif not isinstance(value, (dict, list, tuple)):
        if value is not None and not isinstance(value, (bool, int, float, str)):
            raise MlboxClientError(
                f"artifact {name!r}: a {kind} is no document", "give a text, a dictionary, a list or a plain value"
            )
        kind, body = "value", {"value": value}
    data = _json(name, body)
    known = {"packager": "json", "type": kind, "format": "json"}
    metadata = {} if kind in ("dict", "list") else {"packaged": known}
    return Payload("document", data, JSON, artifacts.with_ending(name, ".json"), metadata)


def _json(name: str, body: Any) -> bytes:
    """Keys of a dictionary are texts in JSON: what it would change or cannot say is told."""
    try:
        return json.dumps(body, default=_told, indent=1).encode()
    except TypeError as error:
        hint = "give texts or numbers as keys, or keep it as it is: log_artifact(name, value, format='pickle')"
        raise MlboxClientError(f"artifact {name!r}: {error}", hint, "invalid") from None
    except (ValueError, RecursionError) as error:
        raise MlboxClientError(f"artifact {name!r} is no JSON: {error}", "it holds itself", "invalid") from None


def pickled(name: str, value: Any) -> Payload:
    """Any object as a pickle, by cloudpickle where that is installed. Only the same Python with the same packages
    reads it, and reading one runs the code in it."""
    data = conversion.pickled(f"artifact {name!r}", value)
    known = {
        "packager": "pickle",
        "type": packagers.full_name(type(value)),
        "format": "pickle",
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "requirements": conversion.requirements_of(value),
    }
    ending = artifacts.with_ending(name, ".pickle")
    return Payload("file", data, "application/x-pickle", ending, {"packaged": known})


def check_kind(name: str, kind: Optional[str]) -> None:
    """Raise ``MlboxClientError`` unless an artifact can be kept as ``kind``."""
    known: List[str] = [each for each in FORMATS if each not in ("metric", "metrics", "param", "tag", "model")]
    if kind is not None and kind not in known and packagers.of_hint(kind) is None:
        told = nearest(kind, [*known, *packagers.hints()])
        raise MlboxClientError(f"artifact {name!r}: there is no kind {kind!r} to keep it as", told)
