"""Where the bytes of a model come from: a file, a run's artifact, or a version of another model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Conflict, Invalid, MlboxError, NotFound
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import artifacts as artifact_rows
from mlbox.engine.catalog.tables import runs
from mlbox.engine.storage.disk import named

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.tables.artifacts import ArtifactRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.engine.catalog.tables.runs import RunRow
    from mlbox.engine.models.sessions import Bytes

LARGEST = 2 << 30
"""Bytes of a model file; ONNX itself ends at 2 GiB."""


ONNX = "onnx"
"""Framework of a model that is computed here; all others are kept as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Bytes of a model and what is known about them."""

    content: bytes = field(repr=False)
    kind: str
    """file, run or model: where the edge of lineage starts"""
    ref: str
    run_id: str | None = None
    sweep_id: str | None = None
    """The sweep that was named, whose best trial ``run_id`` is."""
    artifact_id: str | None = None
    detail: str | None = None
    features: tuple[str, ...] = ()
    inputs: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    feature_vector: str | None = None
    framework: str = ONNX
    metrics: Mapping[str, float] = field(default_factory=dict)
    feature_stats: Mapping[str, Any] = field(default_factory=dict)


def from_file(path: str, base_folder: str | None) -> Source:
    """A file of the caller, relative to his folder."""
    file = Path(base_folder or ".", path).expanduser()
    if not file.is_file():
        near = [entry.name for entry in file.parent.glob("*.onnx")] if file.parent.is_dir() else []
        raise NotFound(
            f"there is no file {str(file)!r}" if not file.is_dir() else f"{str(file)!r} is a folder",
            hint=did_you_mean(file.name, near)
            or f"looked in {file.parent}; a run's model: CREATE MODEL name FROM RUN run",
        )
    if file.stat().st_size > LARGEST:
        raise Invalid(f"{str(file)!r} has {file.stat().st_size:,} bytes; the largest model has {LARGEST:,}")
    try:
        return Source(content=file.read_bytes(), kind="file", ref=str(file))
    except OSError as error:
        raise Invalid(f"{str(file)!r} cannot be read: {error.strerror}") from None


def from_run(
    cursor: DuckDBPyConnection, artifacts: Bytes, project: str, run: str, artifact: str | None = None
) -> Source:
    """The model artifact of a run given by id, prefix of an id, or name; of a sweep, that of its best trial."""
    named = _run(cursor, project, run)
    found = _best(cursor, named)
    chosen = _artifact(artifact_rows.of_run(cursor, found.id), found, artifact)
    source = _of_artifact(chosen, found, artifacts)
    return replace(source, sweep_id=named.id) if named.id != found.id else source


def from_artifact(cursor: DuckDBPyConnection, artifacts: Bytes, artifact_id: str) -> Source:
    """An artifact of kind model, of a run or of none."""
    chosen = artifact_rows.get(cursor, artifact_id)
    if chosen is None or chosen.kind != "model":
        raise NotFound(f"there is no model artifact {artifact_id!r}")
    return _of_artifact(chosen, runs.get(cursor, chosen.run_id) if chosen.run_id else None, artifacts)


def _of_artifact(chosen: ArtifactRow, run: RunRow | None, artifacts: Bytes) -> Source:
    metadata = chosen.metadata
    return Source(
        content=_content(artifacts, chosen.digest, f"artifact {chosen.name!r}"),
        kind="run" if run else "artifact",
        ref=run.id if run else chosen.id,
        run_id=run.id if run else None,
        artifact_id=chosen.id,
        detail=chosen.name,
        features=tuple(metadata.get("feature_names") or ()),
        inputs=_fields(metadata.get("inputs")),
        outputs=_fields(metadata.get("outputs")),
        framework=str(metadata.get("framework") or ONNX),
        metrics={**(run.metrics if run else {}), **_numbers(metadata.get("metrics"))},
        feature_stats=metadata.get("feature_stats") or {},
    )


def from_version(version: ModelVersion, artifacts: Bytes) -> Source:
    """The same bytes under another name."""
    return Source(
        content=_content(artifacts, version.digest, f"model {version}"),
        kind="model",
        ref=str(version),
        run_id=version.run_id,
        artifact_id=version.artifact_id,
        features=version.features,
        inputs=version.inputs,
        outputs=version.outputs,
        feature_vector=version.feature_vector,
        framework=version.framework,
        metrics=version.metrics,
        feature_stats=version.feature_stats,
    )


def _content(artifacts: Bytes, digest: str, what: str) -> bytes:
    try:
        return artifacts.read(digest)
    except MlboxError as error:
        raise named(error, what) from None


def _run(cursor: DuckDBPyConnection, project: str, text: str) -> RunRow:
    run = runs.find(cursor, project, text)
    if run.state != "completed" and (run.name or "").lower() == text.lower():
        run = runs.find_completed(cursor, project, text) or run
    return run


def _best(cursor: DuckDBPyConnection, run: RunRow) -> RunRow:
    """The best trial of a sweep; any other run itself. It must be completed."""
    best = runs.get(cursor, run.best_trial) if run.best_trial else run
    if best is None:
        left = [trial for trial in runs.children(cursor, run.id) if trial.state == "completed"]
        named = ", ".join(f"'{trial.short_id}' ({trial.label})" for trial in left[:3])
        raise NotFound(
            f"the best trial of sweep {run.label}, run {(run.best_trial or '')[:16]}, was dropped",
            hint=f"name another of its trials: FROM RUN {named}" if named else f"search again: RERUN '{run.short_id}'",
        )
    if best.state != "completed" and best.runtime != runs.EXTERNAL:  # a script registers while it still runs
        raise Conflict(
            f"run {best.label} is {best.state}, not completed", hint="wait for it to complete, or name another run"
        )
    return best


def _artifact(found: list[ArtifactRow], run: RunRow, name: str | None) -> ArtifactRow:
    if name is not None:
        for artifact in found:
            if artifact.name.lower() == name.lower():
                return artifact
        names = [artifact.name for artifact in found]
        raise NotFound(f"run {run.label} has no artifact {name!r}", hint=did_you_mean(name, names))
    models = [artifact for artifact in found if artifact.kind == "model"]
    if not models:
        raise NotFound(
            f"run {run.label} has logged no model",
            hint="log one in the function: ctx.log_model('model', onnx_model), or name a file: ARTIFACT '…'",
        )
    if len({artifact.name for artifact in models}) > 1:
        several = ", ".join(sorted({repr(artifact.name) for artifact in models}))
        raise Invalid(f"run {run.label} has several models: {several}", hint="say which: FROM RUN '…' ARTIFACT '…'")
    return models[0]


def _fields(values: Any) -> tuple[tuple[str, str], ...]:
    """Names and types that the logging client has told, ``[{"name": .., "type": ..}]``."""
    if not isinstance(values, list):
        return ()
    return tuple((str(entry.get("name")), str(entry.get("type"))) for entry in values if isinstance(entry, Mapping))


def _numbers(values: Any) -> dict[str, float]:
    if not isinstance(values, Mapping):
        return {}
    return {
        str(name): float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
