"""ONNX Runtime sessions, cached by the digest of their bytes, and predictors: a session with the names of a version."""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Invalid, MlboxError, NotFound, SystemError
from mlbox.base.suggest import did_you_mean
from mlbox.engine.models.bound_row import BoundRow, bound_row
from mlbox.engine.models.signature import Choice, Signature, Tensor, choose

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlbox.engine.models.mapped import MappedModels

    Floats = npt.NDArray[np.float64]

_log = logging.getLogger("mlbox.models")
CAPACITY = 64
"""Sessions that are kept; endpoints hold theirs themselves."""

_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_SOURCE = re.compile(r"/onnxruntime_src/\S+:\d+ .*?[)&]\)? (?=[A-Z])")
"""The place in its source that it tells before what was wrong."""


class Bytes(Protocol):
    """Where artifacts are."""

    def read(self, digest: str) -> bytes:
        """The bytes of ``digest``; raises ``NotFound``."""
        ...


@dataclass(slots=True)
class Output:
    """Predictions of some rows: the number asked for, and all outputs of the model by name, ``[n]``, ``[n, c]`` or of
    more axes."""

    prediction: Floats
    """NaN in each row, where the model gives no number a row."""
    outputs: dict[str, Any]
    numbered: bool = True
    """Whether there is a number for each row."""


class OnnxSession:
    """A loaded model. It computes in the caller's thread: one intra-op thread, no pool."""

    def __init__(self, content: bytes | Path, digest: str = "") -> None:
        """``content`` are the bytes, or the file of them. ``Invalid`` with the reason when they are no ONNX model that
        can be fed."""
        self._session = session_of(content, options_of())
        self.digest = digest
        self.signature = Signature.of(
            (Tensor.from_onnx(argument) for argument in self._session.get_inputs()),
            (Tensor.from_onnx(argument) for argument in self._session.get_outputs()),
        )
        self.choice: Choice = choose(self.signature.outputs, texts=self.signature.layout == "tensors")
        self._names = [tensor.name for tensor in self.signature.outputs]
        self._run = getattr(self._session, "_sess", self._session).run  # without its wrapper's checks, 2 µs a call
        self._narrow = frozenset(tensor.name for tensor in self.signature.inputs if tensor.element == "bfloat16")
        if self._narrow or any(tensor.element == "bfloat16" for tensor in self.signature.outputs):
            self._run = self._run_narrow

    def run(self, feeds: Mapping[str, Any]) -> list[Any]:
        """The raw outputs in order; raises ``Invalid`` when the model refuses its inputs."""
        try:
            result: list[Any] = self._run(self._names, feeds, None)
        except MlboxError:
            raise
        except Exception as error:
            raise Invalid(f"the model failed: {_reason(error)}") from None
        return result

    def _run_narrow(self, names: list[str], feeds: Mapping[str, Any], options: Any) -> list[Any]:
        from mlbox.engine.models import bfloat16

        return bfloat16.run(self._session, names, dict(feeds), self._narrow)

    def binding(self) -> Any:
        """A binding of its inputs and outputs to memory of the caller's own, for :meth:`run_bound`."""
        return self._session.io_binding()

    def run_bound(self, binding: Any) -> None:
        """Compute what is bound; raises ``Invalid`` when the model refuses it."""
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise Invalid(f"the model failed: {_reason(error)}") from None


def options_of() -> Any:
    """Options of a session that computes in the caller's thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # its complaints reach the caller as an exception, not standard error
    return options


def session_of(content: bytes | Path, options: Any) -> Any:
    """A session of bytes or of a file; ``Invalid`` with the reason when it is none."""
    import onnxruntime as ort

    source = content if isinstance(content, bytes) else str(content)
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # a dozen classes of its own, all meaning that the file is not usable
        raise Invalid(
            f"this is not a usable ONNX model: {_reason(error)}",
            hint="check that the file is complete, and that its opset is not newer than ONNX Runtime "
            + ort.__version__,
        ) from None


def _reason(error: Exception) -> str:
    text = _SOURCE.sub("", _PREFIX.sub("", str(error))).strip()
    return text.splitlines()[0][:400] if text else type(error).__name__


class Sessions:
    """Sessions by digest; the least recently used go first."""

    def __init__(self, artifacts: Bytes) -> None:
        self._artifacts = artifacts
        self._sessions: OrderedDict[str, OnnxSession] = OrderedDict()
        self._lock = threading.Lock()
        self.mapped: MappedModels | None = None
        """Where large models are shared with other processes."""

    def get(self, digest: str) -> OnnxSession:
        """The session of an artifact; loads it at first use."""
        with self._lock:
            session = self._sessions.get(digest)
            if session is None:
                session = self._open(digest)
                self._sessions[digest] = session
                while len(self._sessions) > CAPACITY:
                    self._sessions.popitem(last=False)
            self._sessions.move_to_end(digest)
            return session

    def _open(self, digest: str) -> OnnxSession:
        file = self.mapped.find(digest, partial(self._read, digest)) if self.mapped is not None else None
        if file is not None:
            try:
                return OnnxSession(file, digest)
            except Invalid as error:
                _log.warning("model %s is loaded by itself: %s", digest[:12], error.message)
        return OnnxSession(self._read(digest), digest)

    def _read(self, digest: str) -> bytes:
        try:
            return self._artifacts.read(digest)
        except NotFound:
            raise SystemError(
                f"the model's bytes {digest[:12]}… are not in the artifact store",
                hint="restore the artifacts folder of the home from a backup, or register the model again",
            ) from None


class Predictor:
    """A session with the feature and output names of a model version."""

    optional: frozenset[str] = frozenset()
    """Features that need not be given: none."""
    numbered = True
    """Whether it gives a number for each row."""
    tensors_in = False
    """Whether an input may be a tensor of any rank; such a one is fed with ``run_tensors``."""
    fixed_rows: int | None = None
    """Rows that a call must have, where the model does not take any number."""

    def __init__(self, session: OnnxSession, features: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        import numpy

        self._np: Any = numpy
        self._session = session
        signature = session.signature
        self.features = signature.features(tuple(features))
        self.output_names = tuple(outputs) or tuple(tensor.name for tensor in signature.outputs)
        self.outputs = signature.outputs
        self.tensors = signature.inputs
        self.matrix = signature.layout == "matrix"
        self.classifies = session.choice.classifies
        self._choice = session.choice
        self._binary = self.classifies and len(self.outputs) == 2 and session.choice.index == 1
        self._by_folded = {name.lower(): name for name in self.features}
        self._first = signature.inputs[0]

    @property
    def chosen(self) -> str:
        """The output that the prediction is taken from, by the name that the version gives it."""
        return self.output_names[self._choice.index]

    @property
    def prediction_output(self) -> str:
        """The ONNX output that the prediction is taken from."""
        return self.outputs[self._choice.index].name

    def probabilities(self, output: Output) -> Any:
        """Probabilities of the classes, ``[n, classes]`` in the order of the model, or nothing where it gives none."""
        values = output.outputs[self.chosen]
        return values if self._choice.how in ("maps", "probabilities") and values.ndim == 2 else None

    def input_of(self, feature: int) -> Tensor:
        """The ONNX input that takes the feature at this position."""
        return self._first if self.matrix else self.tensors[feature]

    def order(self, names: Sequence[str]) -> list[str]:
        """For each feature its name in ``names``, case aside; raises ``Invalid`` that names what is missing."""
        given = {name.lower(): name for name in names}
        missing = [feature for feature in self.features if feature.lower() not in given]
        if missing:
            close = did_you_mean(missing[0], names)
            needs = f"the model takes: {', '.join(self.features)}"
            raise Invalid(
                f"the row has no {', '.join(repr(name) for name in missing)}",
                hint=f"{close} {needs}" if close and close.startswith("did") else needs,
            )
        return [given[feature.lower()] for feature in self.features]

    def predict_matrix(self, columns: Mapping[str, npt.NDArray[Any]]) -> Floats:
        """Predictions for columns of equal length by feature name; NaN is a missing value."""
        names = self.order(list(columns))
        return self.run([columns[name] for name in names], len(columns[names[0]])).prediction

    def run(self, columns: Sequence[Any], rows: int) -> Output:
        """Predictions for columns in the order of the features; ``None`` and NaN are missing values."""
        if self.matrix:
            return self.run_matrix(self.matrix_of(columns, rows))
        feeds = {}
        for feature, tensor, values in zip(self.features, self.tensors, columns, strict=True):
            array = self._column(feature, values, tensor)
            feeds[tensor.name] = array.reshape(rows, 1) if len(tensor.shape) == 2 else array
        return self._output(self._session.run(feeds), rows)

    def matrix_of(self, columns: Sequence[Any], rows: int) -> Any:
        """Columns in the order of the features as a new matrix of the model's type."""
        if rows == 1 and self._first.floating:
            return self._single(columns)
        matrix = self._np.empty((rows, len(columns)), self._first.numpy)
        for index, values in enumerate(columns):
            matrix[:, index] = self._column(self.features[index], values, self._first)
        return matrix

    def empty(self, rows: int) -> Any:
        """A matrix ``[rows, features]`` of the model's type to be filled."""
        return self._np.empty((rows, len(self.features)), self._first.numpy)

    def matrix_of_row(self, values: list[float]) -> Any:
        """One row as a new matrix of the model's type."""
        return self._np.array((values,), self._first.numpy)

    def matrix_from(self, values: Any, rows: int) -> Any:
        """Values row by row (a flat list or array) as a new matrix of the model's type."""
        column = self._column("", values, self._first)
        return (column.copy() if column is values else column).reshape(rows, -1)

    def run_matrix(self, matrix: Any) -> Output:
        """Predictions for a matrix ``[n, k]`` of the model's own type; the shortest way."""
        return self._output(self._session.run({self._first.name: matrix}), len(matrix))

    def bound_row(self) -> BoundRow | None:
        """For who asks it row after row from one thread; None for a model that cannot be asked so."""
        return bound_row(self._session, len(self.features)) if self.matrix else None

    def output_of(self, raw: list[Any], rows: int) -> Output:
        """Predictions from raw outputs."""
        return self._output(raw, rows)

    def _single(self, columns: Sequence[Any]) -> Any:
        """One row at once: a column at a time costs a microsecond each."""
        try:
            return self._np.array([[values[0] for values in columns]], dtype=self._first.numpy)
        except (TypeError, ValueError, OverflowError):
            for feature, values in zip(self.features, columns, strict=True):
                self._column(feature, values, self._first)
            raise

    def _column(self, feature: str, values: Any, tensor: Tensor) -> Any:
        np = self._np
        if tensor.element == "string":
            return np.array(["" if value is None else str(value) for value in values], dtype=object)
        try:
            if tensor.floating:
                return np.asarray(values, dtype=tensor.numpy)
            wide = np.asarray(values, dtype=np.float64) if _has_gap(values) else np.asarray(values)
            if wide.dtype.kind == "f" and not np.array_equal(wide, np.trunc(wide)):  # NaN is unequal to itself
                raise Invalid(
                    f"feature {feature!r} has a missing or broken value, and the model takes {tensor.element_type}"
                )
            return wide.astype(tensor.numpy)
        except (TypeError, ValueError, OverflowError):
            raise Invalid(f"feature {feature!r} has a value that is not a {tensor.element_type}") from None

    def _output(self, raw: list[Any], rows: int) -> Output:
        if self._binary:  # label and probabilities of two classes, the most frequent
            label, probabilities = raw
            if probabilities.__class__ is not list and probabilities.shape == (rows, 2) and label.ndim == 1:
                return Output(
                    probabilities[:, 1].astype(self._np.float64),
                    {self.output_names[0]: label, self.output_names[1]: probabilities},
                )
        outputs: dict[str, Any] = {}
        for name, value in zip(self.output_names, raw, strict=True):
            array = self._maps(value) if isinstance(value, list) else value
            outputs[name] = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
        choice = self._choice
        chosen = outputs[self.chosen]
        if len(chosen) != rows:
            raise Invalid(f"the model gave {len(chosen)} predictions for {rows} rows")
        if chosen.ndim > 1 and choice.classifies:
            chosen = self._of_classes(chosen, outputs)
        elif chosen.ndim > 1:
            chosen = chosen.reshape(rows, -1)[:, 0]
        return Output(chosen.astype(self._np.float64), outputs)

    def _of_classes(self, probabilities: Any, outputs: dict[str, Any]) -> Any:
        """NaN where no class has a probability: the first one, which a model may say then, is a guess."""
        if probabilities.shape[1] == 2:
            return probabilities[:, 1]
        found = probabilities.argmax(axis=1)
        if self._choice.label is not None:
            label = outputs[self.output_names[self._choice.label]]
            if label.dtype.kind in "iub":
                found = label
        gaps = self._np.isnan(probabilities).all(axis=1)
        return self._np.where(gaps, self._np.nan, found) if gaps.any() else found

    def _maps(self, rows: list[dict[Any, float]]) -> Any:
        """Maps from class to probability as ``[n, classes]``, classes in sorted order (as scikit-learn has them)."""
        classes = sorted(rows[0]) if rows else []
        return self._np.array([[row[name] for name in classes] for row in rows], dtype=self._np.float32)


def _has_gap(values: Any) -> bool:
    return isinstance(values, list) and None in values
