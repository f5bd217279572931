"""What an endpoint has done since the start of the server, for Prometheus. Counted on the event loop alone: no lock."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbox.serve.directory import Slot
    from mlbox.serve.record import Statistics
    from mlbox.serve.workers.counting import Counted

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the buckets of the latency, in seconds; the last bucket has none."""


ARMS = 16
"""Model versions of an endpoint that are told apart, the latest; of an older one the counters are forgotten."""

Version = tuple[str, int]
"""Name and number."""


class Latency:
    """How many requests took how long."""

    __slots__ = ("buckets", "requests", "seconds")

    def __init__(self) -> None:
        self.requests = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BOUNDS) + 1)

    def note(self, seconds: float, bucket: int) -> None:
        """Count a request."""
        self.requests += 1
        self.seconds += seconds
        self.buckets[bucket] += 1

    def add(self, other: Latency) -> None:
        """Add what another has counted."""
        self.requests += other.requests
        self.seconds += other.seconds
        self.buckets = [own + more for own, more in zip(self.buckets, other.buckets, strict=True)]


class Meter:
    """Counters of one endpoint. ``waiting`` are the requests that have begun and not ended."""

    __slots__ = ("arms", "errors", "late", "latency", "rows", "shed", "waiting")

    def __init__(self) -> None:
        self.errors = 0
        self.rows = 0
        self.shed = 0
        self.late = 0
        self.waiting = 0
        self.latency = Latency()
        self.arms: dict[Version, Latency] = {}
        """Of those requests that a model has answered; never changed but for another one, since others read it."""

    def note(self, seconds: float, rows: int, failed: bool, arm: Version | None = None) -> None:
        """Count a request that has been answered, by a model where one version alone did it."""
        bucket = bisect_left(BOUNDS, seconds)
        self.latency.note(seconds, bucket)
        self.rows += rows
        if failed:
            self.errors += 1
        if arm is not None:
            (self.arms.get(arm) or self._arm(arm)).note(seconds, bucket)

    def add(self, other: Meter) -> None:
        """Add what another has counted."""
        for name in ("errors", "late", "rows", "shed", "waiting"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latency.add(other.latency)
        for version, latency in other.arms.items():
            (self.arms.get(version) or self._arm(version)).add(latency)

    def _arm(self, version: Version) -> Latency:
        last = list(self.arms.items())[-ARMS + 1 :]
        made = Latency()
        self.arms = {**dict(last), version: made}
        return made

    @property
    def requests(self) -> int:
        """That were answered, errors too."""
        return self.latency.requests

    @property
    def mean(self) -> float:
        """Seconds that a request takes."""
        return self.latency.seconds / self.requests if self.requests else 0.0


_COUNTERS = (
    ("requests", "mlbox_endpoint_requests_total", "counter", "Requests that were answered, errors too"),
    ("errors", "mlbox_endpoint_errors_total", "counter", "Requests that were answered with an error"),
    ("rows", "mlbox_endpoint_rows_total", "counter", "Rows that were predicted"),
    ("shed", "mlbox_endpoint_shed_total", "counter", "Requests that were refused since too many waited"),
    ("late", "mlbox_endpoint_late_total", "counter", "Requests whose time had passed before they were answered"),
    ("waiting", "mlbox_endpoint_in_flight", "gauge", "Requests that have begun and not ended"),
)
_LATENCY = "mlbox_endpoint_latency_seconds"
_ARM = "mlbox_model_latency_seconds"
_INFO = "mlbox_endpoint_info"
_WORKER = "mlbox_worker_requests_total"


def exposition(slots: Iterable[Slot], log: Statistics, workers: Counted) -> str:
    """All endpoints in Prometheus's text format 0.0.4: what the server and its workers have counted, added up."""
    shown = [_Shown.of(slot, workers) for slot in sorted(slots, key=lambda slot: slot.name)]
    lines: list[str] = []
    for attribute, name, kind, help_text in _COUNTERS:
        lines += (f"# HELP {name} {help_text}", f"# TYPE {name} {kind}")
        lines += (f"{name}{{{_labels(slot)}}} {getattr(slot.meter, attribute)}" for slot in shown)
    lines += (f"# HELP {_LATENCY} Time of a request inside mlbox", f"# TYPE {_LATENCY} histogram")
    for slot in shown:
        lines += _histogram(_LATENCY, _labels(slot), slot.meter.latency)
    lines += (f"# HELP {_ARM} The same, by the model version that answered alone", f"# TYPE {_ARM} histogram")
    for slot in shown:
        for (model, version), latency in slot.meter.arms.items():
            lines += _histogram(_ARM, _labels(slot, model=model, version=str(version)), latency)
    lines += (f"# HELP {_INFO} What answers now", f"# TYPE {_INFO} gauge")
    lines += (f"{_INFO}{{{_labels(slot, version=slot.version)}}} 1" for slot in shown)
    for name, value, help_text in (
        ("mlbox_predictions_written_total", log.written + workers.written, "Rows that the prediction log has taken"),
        ("mlbox_predictions_dropped_total", log.dropped + workers.dropped, "Rows that the prediction log has lost"),
    ):
        lines += (f"# HELP {name} {help_text}", f"# TYPE {name} counter", f"{name} {value}")
    if workers.by_worker or workers.ended:
        lines += _of_workers(workers)
    return "\n".join(lines) + "\n"


def _of_workers(workers: Counted) -> Iterator[str]:
    yield f"# HELP {_WORKER} Requests that a worker has answered since it began"
    yield f"# TYPE {_WORKER} counter"
    for index, requests in workers.by_worker.items():
        yield f'{_WORKER}{{worker="{index}"}} {requests}'
    yield "# HELP mlbox_workers_ended_total Workers that have ended by themselves and were replaced"
    yield "# TYPE mlbox_workers_ended_total counter"
    yield f"mlbox_workers_ended_total {workers.ended}"


class _Shown:
    """An endpoint with what all processes have counted of it."""

    def __init__(self, slot: Slot, meter: Meter, version: str) -> None:
        self.meter = meter
        self.row = slot.row
        self.version = version

    @classmethod
    def of(cls, slot: Slot, workers: Counted) -> _Shown:
        own = slot.runtime.version if slot.runtime is not None else ""
        others = workers.meters.get(slot.key)
        if others is None:
            return cls(slot, slot.meter, own)
        both = Meter()
        both.add(slot.meter)
        both.add(others)
        return cls(slot, both, workers.versions.get(slot.key, own))


def _histogram(name: str, labels: str, latency: Latency) -> Iterator[str]:
    count = 0
    for bound, number in zip((*map(repr, BOUNDS), "+Inf"), list(latency.buckets), strict=True):
        count += number
        yield f'{name}_bucket{{{labels},le="{bound}"}} {count}'
    yield f"{name}_sum{{{labels}}} {latency.seconds!r}"
    yield f"{name}_count{{{labels}}} {count}"


def _labels(slot: _Shown, **more: str) -> str:
    parts = {"project": slot.row.project, "endpoint": slot.row.name, **more}
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in parts.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
