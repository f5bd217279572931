"""The run as its code sees it: where to log, what it was given."""

from __future__ import annotations

import math
import os
import sys
import time

from mlbox.client.clusters import Session
from mlbox.client.failures import MlboxClientError, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any, Dict, Mapping, Optional, Sequence, Set

    from mlbox.client.artifacts import Payload
    from mlbox.client.outbox import Outbox
    from mlbox.client.transport import Transport

_PROGRESS_SECONDS = 0.1
_INPUT_PATIENCE_SECONDS = 120.0


class Remarks:
    """What is said of a run to find it by, and can be changed later."""

    _outbox: Outbox

    def log_tag(self, name: str, value: Any) -> None:
        """A label to find the run by."""
        self._outbox.add({"kind": "tag", "name": _name(name), "value": str(value)})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Several labels."""
        for name, value in tags.items():
            self.log_tag(name, value)

    def note(self, text: str) -> None:
        """What the run is about; the last one is kept, and ``ALTER RUN`` changes it later."""
        self._outbox.add({"kind": "note", "text": str(text)})


class Keeping(Remarks):
    """What a run leaves behind besides numbers: files, documents, tables, figures."""

    def log_artifact(
        self,
        name: str,
        value: Any,
        kind: Optional[str] = None,
        format: Optional[str] = None,
        metadata: Optional[Mapping[str, Any]] = None,
    ) -> str:
        """A file or folder (path), bytes, a dictionary, list, tuple or set (JSON), arrays, a frame, or what a packager
        of yours takes. ``kind`` and ``format`` as in a hint (``kind="document"`` keeps a text, ``format="pickle"`` any
        object); ``metadata`` is what there is to say of it. Returns its SHA-256."""
        from mlbox.client.packing import Wanted, check_kind, packed

        check_kind(name, kind)
        with packed(_name(name), value, Wanted(kind, format, metadata)) as payload:
            return self._store(name, payload)

    def log_document(
        self, name: str, value: Any, format: Optional[str] = None, metadata: Optional[Mapping[str, Any]] = None
    ) -> str:
        """A text (``format``: txt, md) or what JSON can say, to be read by people and programs: a report, a prompt with
        its parameters as ``metadata``. Given a ``pathlib.Path``, the file; a ``str`` is the text itself."""
        return self.log_artifact(name, value, "document", format, metadata)

    def log_plot(self, name: str, figure: Any, format: Optional[str] = None) -> str:
        """A figure of matplotlib (``format``: png, svg, pdf), Plotly or Altair (json, html), a specification of Plotly
        or Vega, bytes of a picture, or its path."""
        return self.log_artifact(name, figure, "plot", format)

    def log_table(self, name: str, frame: Any, format: Optional[str] = None) -> str:
        """Rows to look at: a frame, a dictionary of lists or a list of dictionaries."""
        return self.log_artifact(name, frame, "table", format)

    def log_dataset(self, name: str, frame: Any, format: Optional[str] = None) -> str:
        """A data set with its schema and the statistics of its columns; ``format``: parquet, csv, json, feather."""
        return self.log_artifact(name, frame, "dataset", format)

    def _store(self, name: str, payload: Payload) -> str:
        digest = payload.digest()
        event = {
            "kind": "artifact",
            "name": name,
            "artifact_kind": payload.kind,
            "digest": digest,
            "size": payload.size(),
            "media_type": payload.media_type,
            "file_name": payload.file_name,
            "metadata": _jsonable(payload.metadata),
        }
        self._outbox.put_blob(digest, payload.content)
        self._outbox.add(event)
        return digest


class Context(Keeping):
    """What a handler gets as ``ctx``. Logging never waits for the server and may be done from any thread."""

    spark = Session("spark")
    """A ``SparkSession``: of the cluster of ``RUN .. ON spark``, elsewhere one on this machine."""
    dask_client = Session("dask_client")
    """A ``dask.distributed.Client``: of the cluster of ``RUN .. ON dask``, elsewhere one on this machine."""

    def __init__(self, spec: Mapping[str, Any], outbox: Outbox, transport: Transport, folder: str) -> None:
        self.run_id = str(spec["run_id"])
        self.project = str(spec.get("project", "default"))
        self.function = str(spec.get("function", ""))
        self.attempt = int(spec.get("attempt") or 1)
        self.parameters: Dict[str, Any] = dict(spec.get("parameters") or {})
        self.folder = folder
        """A folder of this run for files of its own; also the working directory."""
        self._inputs: Dict[str, Any] = dict(spec.get("inputs") or {})
        self._loaded: Dict[str, Any] = {}
        self._outbox = outbox
        self._transport = transport
        self._logger: Optional[logging.Logger] = None
        self._progressed = 0.0
        self._names: Set[str] = set()
        """Names of metrics that have been looked at: training loops log the same ones over and over."""

    @property
    def transport(self) -> Transport:
        """The way to the server."""
        return self._transport

    def log_metric(self, name: str, value: float, step: Optional[int] = None) -> None:
        """A number, once or along steps (epochs, rounds); the latest is the run's result."""
        if name.__class__ is not str or name not in self._names:
            self._names.add(_name(name))
        number = value if value.__class__ is float else _number(name, value)
        self._outbox.add((name, number, None if step is None else int(step), time.time()))

    def log_metrics(self, metrics: Mapping[str, float], step: Optional[int] = None) -> None:
        """Several numbers of one step."""
        for name, value in metrics.items():
            self.log_metric(name, value, step)

    def log_param(self, name: str, value: Any) -> None:
        """Something that the run was made with and that was not passed as a parameter."""
        self._outbox.add({"kind": "param", "name": _name(name), "value": _jsonable(value)})

    def log_model(
        self,
        name: str,
        model: Any,
        feature_names: Optional[Sequence[str]] = None,
        training_set: Any = None,
        metrics: Optional[Mapping[str, float]] = None,
    ) -> str:
        """An ONNX model (bytes, a path, or what ``skl2onnx.to_onnx`` returns), or a fitted model: of scikit-learn it
        becomes ONNX where skl2onnx is installed, of XGBoost and LightGBM where onnxmltools is; others are kept as they
        are. ``training_set`` gives the statistics that drift is measured against; ``feature_names`` are its columns in
        the model's order, without the label."""
        from mlbox.client.artifacts import model as model_payload

        payload = model_payload(_name(name), model, feature_names, training_set, dict(metrics or {}))
        return self._store(name, payload)

    def input(self, name: str, type: Any = None) -> Any:
        """An input by name (``frame`` is what ``RUN ... FROM`` reads): a pandas DataFrame where pandas is installed,
        else a pyarrow Table, else a list of dictionaries; of an artifact what was logged. ``type`` asks for another:
        ``pandas.DataFrame``, ``pyarrow.Table``, ``list``, the type of a packager; ``pathlib.Path`` of an artifact."""
        if name not in self._inputs:
            raise MlboxClientError(f"this run has no input {name!r}", nearest(name, self._inputs))
        artifact = self._inputs[name].get("artifact")
        if artifact is not None:
            from mlbox.client.unpacking import file_of, unpack

            if name not in self._loaded:
                self._loaded[name] = file_of(artifact, self._fetched(name, {}))
            return unpack(name, artifact, self._loaded[name], type)
        if name not in self._loaded:
            self._loaded[name] = self._load(name, self._inputs[name])
        if type is None:
            return self._loaded[name]
        from mlbox.client.frames import as_declared

        return as_declared(self._loaded[name], type)

    def secret(self, name: str) -> str:
        """The value of one of the function's ``SECRETS``; it is also an environment variable of that name."""
        names = [each for each in os.environ.get("MLBOX_SECRETS", "").split(",") if each]
        for each in names:
            if each.lower() == name.lower():
                return os.environ[each]
        raise MlboxClientError(f"this function has no secret {name!r}", nearest(name, names))

    def progress(self, value: float, text: str = "") -> None:
        """How far the run is, from 0 to 1; told at most ten times a second."""
        if value < 1.0 and time.monotonic() - self._progressed < _PROGRESS_SECONDS:
            return
        self._progressed = time.monotonic()
        share = min(max(float(value), 0.0), 1.0)
        self._outbox.add({"kind": "progress", "value": share, "text": str(text)})

    def flush(self, seconds: float = 30.0) -> bool:
        """Wait until the server has what was logged; False when it has not after ``seconds``."""
        return self._outbox.flush(seconds)

    @property
    def inputs(self) -> Sequence[str]:
        """Names of the inputs."""
        return tuple(self._inputs)

    @property
    def logger(self) -> logging.Logger:
        """A logger that writes to the run's log."""
        if self._logger is None:
            import logging

            handler = logging.StreamHandler(sys.stdout)
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            self._logger = logging.getLogger(f"mlbox.run.{self.run_id}")
            self._logger.addHandler(handler)
            self._logger.setLevel(logging.INFO)
            self._logger.propagate = False
        return self._logger

    def _load(self, name: str, known: Mapping[str, Any]) -> Any:
        from mlbox.client.frames import CSV, PARQUET, importable, read_frame

        path = known.get("path")
        if not path:
            wanted = f"{PARQUET}, {CSV};q=0.5" if importable("pyarrow") else CSV
            path = self._fetched(name, {"Accept": wanted})
        return read_frame(path, known.get("types"))

    def _fetched(self, name: str, headers: Dict[str, str]) -> str:
        """The file that an input was brought into."""
        from mlbox.client.uploading import fetch

        path = os.path.join(self.folder, f"input-{name}")
        fetch(self._transport, f"/run-api/{self.run_id}/inputs/{name}", path, headers, _INPUT_PATIENCE_SECONDS)
        return path


def _name(name: str) -> str:
    if not isinstance(name, str) or not name or len(name) > 250 or any(ord(letter) < 32 for letter in name):
        raise MlboxClientError(f"{name!r} is not a name: 1 to 250 characters without control characters")
    return name


def _number(name: str, value: Any) -> float:
    """What a framework calls a number, as a float."""
    try:
        if isinstance(value, str):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise MlboxClientError(
            f"metric {name!r}: {value!r} is a {type(value).__name__}, not a number", "log_param and log_tag take text"
        ) from None


def _jsonable(value: Any) -> Any:
    """``value`` of JSON's kinds: numpy scalars become numbers, NaN null, the rest text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    from collections.abc import Mapping

    if isinstance(value, Mapping):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(entry) for entry in value]
    if hasattr(value, "item") and getattr(value, "shape", None) == ():
        return _jsonable(value.item())
    return str(value)
