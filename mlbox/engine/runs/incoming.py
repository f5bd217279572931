"""What a run tells in a batch of events, checked and put together. Pure: nothing is written here."""

from __future__ import annotations

import math
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import as_utc, now
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables.artifacts import KINDS, ArtifactRow
from mlbox.engine.catalog.tables.metrics import Packed

if TYPE_CHECKING:
    import numpy

MAX_NAME = 250
"""Characters of the name of a metric, parameter or artifact."""

LIGHT = 500
"""Points of a batch."""
_BIGGEST_STEP = 1 << 63
_LAST_SECOND = 253402300800
"""The year 10000."""


@dataclass
class Digested:
    """The events of a batch by kind. ``refused`` says what was wrong with those that were left out."""

    ordinals: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    steps: list[int | None] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)
    latest: dict[str, float] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, Any] = field(default_factory=dict)
    packed: list[Packed] = field(default_factory=list)
    note: str | None = None
    artifacts: list[ArtifactRow] = field(default_factory=list)
    progress: float | None = None
    progress_text: str | None = None
    outcome: dict[str, Any] | None = None
    accepted: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def is_light(self) -> bool:
        """Whether it is small enough to be written twice, and has only what a run's own tables have."""
        return not self.packed and not self.artifacts and len(self.names) <= LIGHT


def digest_events(project: str, run_id: str, events: Sequence[Any]) -> Digested:
    """Sort out ``events``; one that is wrong is left out and told, so that it does not cost the others."""
    result = Digested()
    arrived = now()
    for ordinal, event in enumerate(events):
        try:
            if not isinstance(event, Mapping):
                raise ValueError("an event is an object")
            _TAKE[_text(event, "kind", 40)](result, event, ordinal, (project, run_id, arrived))
            result.accepted += 1
        except KeyError as error:
            result.refused.append(f"event {ordinal}: there is no kind {error}")
        except (ValueError, TypeError, OverflowError) as error:
            result.refused.append(f"event {ordinal}: {error}")
    return result


Context = tuple[str, str, datetime]


def _metric(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    name = _text(event, "name")
    value = event.get("value")
    if value in ("NaN", "Infinity", "-Infinity"):  # which JSON has no numbers for
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"metric {name!r} is not a number: {value!r}")
    step = event.get("step")
    if step is not None and (isinstance(step, bool) or not isinstance(step, int) or abs(step) >= _BIGGEST_STEP):
        raise ValueError(f"the step of metric {name!r} is not a whole number: {step!r}")
    number = float(value)
    time = _time(event.get("at"), context[2])
    result.ordinals.append(ordinal)
    result.names.append(name)
    result.steps.append(step)
    result.values.append(number)
    result.times.append(time)
    result.latest[name] = number


def _points(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    """Many points of one metric; see ``mlbox.client.points``. All are taken or none."""
    name = _text(event, "name")
    values, seconds = _column(event, "values", "<f8"), _column(event, "at", "<f8")
    steps = None if event.get("steps") is None else _column(event, "steps", "<i8")
    if not len(values) or len(values) != len(seconds) or (steps is not None and len(steps) != len(values)):
        raise ValueError(f"the columns of metric {name!r} are empty or of different lengths")
    if not (seconds > 0).all() or not (seconds < _LAST_SECOND).all():
        raise ValueError(f"the times of metric {name!r} are no seconds since 1970")
    result.packed.append(Packed(name, steps, values, (seconds * 1e6).round().astype("<i8")))
    result.latest[name] = float(values[-1])


def _column(event: Mapping[str, Any], key: str, kind: str) -> numpy.ndarray:
    import numpy

    value = event.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key!r} is the base64 of a column")
    return numpy.frombuffer(a2b_base64(value, strict_mode=True), kind)


def _param(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    result.params[_text(event, "name")] = event.get("value")


def _tag(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    result.tags[_text(event, "name")] = event.get("value")


def _note(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    value = event.get("text")
    if not isinstance(value, str):
        raise ValueError("a note is a text")
    result.note = value


def _artifact(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    project, run_id, arrived = context
    kind = _text(event, "artifact_kind", 40)
    if kind not in KINDS:
        raise ValueError(f"there is no kind of artifact {kind!r}; known: {', '.join(KINDS)}")
    size = event.get("size", 0)
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError(f"the size of an artifact is not a number of bytes: {size!r}")
    metadata = event.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise ValueError("the metadata of an artifact is an object")
    digest = _text(event, "digest", 64)
    if len(digest) != 64 or digest.strip("0123456789abcdef"):
        raise ValueError(f"the digest of an artifact is a SHA-256 in lower case, not {digest!r}")
    result.artifacts.append(
        ArtifactRow(
            id=new_id(),
            project=project,
            run_id=run_id,
            name=_text(event, "name"),
            kind=kind,
            digest=digest,
            size=size,
            media_type=_optional(event, "media_type"),
            file_name=_optional(event, "file_name"),
            metadata=metadata,
            created_at=_time(event.get("at"), arrived),
        )
    )


def _progress(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    value = event.get("value")
    if value is not None:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            raise ValueError(f"progress is a number from 0 to 1, not {value!r}")
        result.progress = min(max(float(value), 0.0), 1.0)
    result.progress_text = _optional(event, "text")


def _state(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    """A greeting; whether a run is running its executor tells."""
    if event.get("state") != "running":
        raise ValueError("a run may only say that it is running")


def _finished(result: Digested, event: Mapping[str, Any], ordinal: int, context: Context) -> None:
    state = event.get("state")
    if state not in ("completed", "error"):
        raise ValueError(f"a run finishes as completed or error, not {state!r}")
    error = event.get("error")
    if error is not None and not isinstance(error, Mapping):
        raise ValueError("the error of a finished run is an object")
    result.outcome = {"state": state, "error": dict(error) if error else None}


_TAKE = {
    "metric": _metric,
    "points": _points,
    "param": _param,
    "tag": _tag,
    "note": _note,
    "artifact": _artifact,
    "progress": _progress,
    "state": _state,
    "finished": _finished,
}


def _text(event: Mapping[str, Any], key: str, longest: int = MAX_NAME) -> str:
    value = event.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key!r} is a text that is not empty")
    if len(value) > longest:
        raise ValueError(f"{key!r} has more than {longest} characters")
    return value


def _optional(event: Mapping[str, Any], key: str) -> str | None:
    value = event.get(key)
    return None if value is None else str(value)[:MAX_NAME]


def _time(value: Any, otherwise: datetime) -> datetime:
    """Seconds since 1970, ISO 8601, or nothing."""
    if value is None:
        return otherwise
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    return as_utc(datetime.fromisoformat(str(value)))


def number_or_text(value: str) -> Any:
    """A number where the text of the number is the text that was sent: then it can be compared."""
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        if str(number) == value and math.isfinite(number):
            return number
    return value
