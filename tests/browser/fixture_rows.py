"""Plausible rows for the views of ``ml``: what a few weeks of work would leave behind. Nothing here is measured."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime.now(UTC).replace(microsecond=0)
JULY = datetime(2013, 7, 1, tzinfo=UTC)
CHANGED = 20
"""Day of July from which the drifting features have drifted."""

Rows = dict[str, list[dict[str, Any]]]
FEATURES = {
    "dep_hour": 0.02, "distance": 0.03, "carrier_delay_24h": 0.34, "origin_delay_1h": 0.22, "temp": 0.26,
    "humidity": 0.08, "wind_speed": 0.05, "visib": 0.04, "precip": 0.11, "pressure": 0.07, "seats": 0.01,
}  # fmt: skip
TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 41, in train
    model.fit(frame[features], frame["late"])
  File "train.py", line 17, in fit
    raise ValueError(f"column {name!r} holds {count} infinite values")
ValueError: column 'wind_gust' holds 3 infinite values
"""


@dataclass
class Fixture:
    """Rows by view, and bytes by artifact and by run."""

    rows: Rows = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)

    def add(self, view: str, **values: Any) -> None:
        """One more row."""
        self.rows.setdefault(view, []).append(values)


def run_id(number: int) -> str:
    """As a UUIDv7 looks: time first."""
    return f"0193{hashlib.md5(str(number).encode()).hexdigest()[:28]}"


def roc(auc: float) -> bytes:
    """A curve as SVG."""
    power = (1 - auc) / auc
    points = " ".join(f"{40 + 320 * x / 40:.1f},{300 - 270 * (x / 40) ** power:.1f}" for x in range(41))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 380 340" width="380" height="340">
<rect width="380" height="340" fill="white"/><path d="M40 30v270h320" fill="none" stroke="#444"/>
<path d="M40 300L360 30" stroke="#bbb" stroke-dasharray="4 4"/>
<polyline points="{points}" fill="none" stroke="#1f4fc4" stroke-width="2.5"/>
<text x="120" y="330" font-family="sans-serif" font-size="13">false positive rate</text>
<text x="230" y="200" font-family="sans-serif" font-size="14">AUC = {auc:.3f}</text></svg>""".encode()


def build() -> Fixture:
    """Everything."""
    fixture = Fixture()
    chance = random.Random(7)
    for name in ("default", "flights", "fraud"):
        fixture.add("projects", name=name, comment=None, owner="local", created_at=NOW - timedelta(days=30))
    _sweep(fixture, chance)
    _single_runs(fixture, chance)
    _endpoints(fixture)
    _predictions(fixture, chance)
    _monitoring(fixture, chance)
    return fixture


def _run(fixture: Fixture, number: int, **values: Any) -> str:
    identity = run_id(number)
    started = values.get("started_at")
    finished = values.get("finished_at")
    row: dict[str, Any] = {
        "project": "flights", "id": identity, "name": None, "function": "train", "function_version": 3,
        "handler": "train", "state": "completed", "attempt": 1, "runtime": "local", "params": {}, "metrics": {},
        "labels": {}, "created_at": started,
    }  # fmt: skip
    row.update(values)
    if started and finished:
        row["duration_ms"] = (finished - started).total_seconds() * 1000
    fixture.add("runs", **row)
    for name, value in row["params"].items():
        number_value = float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
        text = value if isinstance(value, str) else json.dumps(value)
        fixture.add("params", project=row["project"], run_id=identity, name=name, value=text, number=number_value)
    return identity


def _history(fixture: Fixture, identity: str, project: str, curves: dict[str, list[float]], start: datetime) -> None:
    for name, values in curves.items():
        for step, value in enumerate(values):
            at = start + timedelta(seconds=step)
            fixture.add("metrics", project=project, run_id=identity, name=name, step=step, value=value, logged_at=at)


def _artifact(fixture: Fixture, run: str, name: str, kind: str, media_type: str, file_name: str, body: bytes) -> str:
    digest = hashlib.sha256(body + run.encode()).hexdigest()
    identity = digest[:32]
    fixture.contents[identity] = body
    fixture.add(
        "artifacts", project="flights", id=identity, run_id=run, name=name, kind=kind, version=1, digest=digest,
        size=len(body), media_type=media_type, file_name=file_name, metadata={}, created_at=NOW - timedelta(hours=3),
    )  # fmt: skip
    return identity


def _curves(chance: random.Random, rate: float, top: float, steps: int = 40) -> dict[str, list[float]]:
    return {
        "auc": [top - 0.25 * math.exp(-rate * s) + chance.gauss(0, 0.002) for s in range(steps)],
        "log_loss": [0.42 + 0.4 * math.exp(-rate * s) + chance.gauss(0, 0.004) for s in range(steps)],
    }


def _sweep(fixture: Fixture, chance: random.Random) -> None:
    start = NOW - timedelta(hours=3)
    trials = [(0.03, 0.712), (0.1, 0.741), (0.3, 0.733)]
    parent = run_id(1)
    best = run_id(3)
    ids = []
    for number, (rate, top) in enumerate(trials, start=2):
        begin = start + timedelta(seconds=20 * number)
        curves = _curves(chance, rate * 3, top)
        identity = _run(
            fixture, number, name=f"fit-{number - 1}", parent_id=parent, started_at=begin,
            finished_at=begin + timedelta(seconds=19), params={"learning_rate": rate, "trees": 200, "depth": 6},
            metrics={name: round(values[-1], 4) for name, values in curves.items()},
        )  # fmt: skip
        _history(fixture, identity, "flights", curves, begin)
        ids.append(identity)
        fixture.logs[identity] = "".join(f"step {s:3d} auc {a:.4f}\n" for s, a in enumerate(curves["auc"]))
    _run(
        fixture, 1, name="fit", best_trial=best, started_at=start, finished_at=start + timedelta(seconds=68),
        params={"trees": 200, "depth": 6}, metrics={"auc": 0.7405}, labels={"period": "2013H1", "owner": "ops"},
    )  # fmt: skip
    _artifact(fixture, best, "roc", "plot", "image/svg+xml", "roc.svg", roc(0.741))
    _artifact(fixture, best, "confusion", "plot", "image/svg+xml", "confusion.svg", roc(0.6))
    _artifact(fixture, best, "model", "model", "application/octet-stream", "model.onnx", bytes(184_320))
    _artifact(
        fixture, best, "training_set", "dataset", "application/vnd.apache.parquet", "frame.parquet", bytes(51_200)
    )
    edges = [
        ("feature vector", "flights.delay_features", "run", best), ("function", "flights.train@3", "run", best),
        ("run", best, "artifact", "model"), ("run", best, "model", "flights.delay@1"),
        ("model", "flights.delay@1", "endpoint", "flights.delay"),
    ]  # fmt: skip
    for from_kind, from_ref, to_kind, to_ref in edges:
        fixture.add(
            "lineage", project="flights", from_kind=from_kind, from_ref=from_ref, to_kind=to_kind, to_ref=to_ref,
            recorded_at=NOW, detail=None,
        )  # fmt: skip


def _single_runs(fixture: Fixture, chance: random.Random) -> None:
    live = NOW - timedelta(seconds=42)
    identity = _run(
        fixture, 10, name="retrain-july", state="running", started_at=live, progress=0.45,
        params={"learning_rate": 0.1, "trees": 400}, metrics={"auc": 0.731},
    )  # fmt: skip
    _history(fixture, identity, "flights", _curves(chance, 0.2, 0.744, 18), live)
    fixture.logs[identity] = "loading 151,243 rows\n" + "".join(f"step {s:3d} …\n" for s in range(18))
    begin = NOW - timedelta(hours=5)
    identity = _run(
        fixture, 11, name="first-try", state="error", function_version=1, started_at=begin,
        finished_at=begin + timedelta(seconds=4.2), params={"learning_rate": 0.1}, error_type="ValueError",
        error="column 'wind_gust' holds 3 infinite values", traceback=TRACEBACK, reason="the handler raised",
    )  # fmt: skip
    fixture.logs[identity] = "loading 151,243 rows\n" + TRACEBACK
    for number, state, reason in (
        (12, "cancelled", "cancelled by local"),
        (13, "interrupted", "the server was killed"),
    ):
        begin = NOW - timedelta(hours=number)
        _run(fixture, number, state=state, started_at=begin, finished_at=begin + timedelta(seconds=30), reason=reason)
    _run(fixture, 14, name="queued", state="pending", created_at=NOW - timedelta(seconds=8), reason="waits for a slot")
    for number in range(20, 62):
        begin = NOW - timedelta(days=1, hours=number)
        auc = chance.uniform(0.6, 0.92)
        _run(
            fixture, number, name=f"nightly-{62 - number}", project="fraud", function="score_cards", started_at=begin,
            function_version=7, finished_at=begin + timedelta(seconds=chance.uniform(2, 400)),
            params={"threshold": round(chance.random(), 3), "window": "7 days", "model": "gbm", "balanced": True},
            metrics={"auc": auc, "recall": auc - 0.1, "precision": auc - 0.05, "rows": 1_204_113.0},
        )  # fmt: skip


def _endpoints(fixture: Fixture) -> None:
    shares = json.dumps([{"project": "flights", "name": "delay", "version": "champion", "weight": 1.0}])
    fixture.add(
        "endpoints", project="flights", name="delay", state="ready", model="delay@champion", model_version=2,
        serving=shares, feature_vector="delay_features", url="/v2/models/flights.delay/infer", log_percent=100.0,
        requests=29_425, errors=37, unrecorded=12, p50_ms=1.84, p99_ms=7.31, last_request=NOW - timedelta(minutes=2),
        created_at=NOW - timedelta(hours=2), comment="Will this flight be late?",
    )  # fmt: skip
    fixture.add(
        "feeds", project="flights", name="scoring", state="active", endpoint="delay", kind="stream",
        source="flights.departures", timezone="UTC", target="scores", options="{}", lag=120, events=2_400,
        results=2_396, refused=4, error="Redis at localhost:6379 cannot be reached",
        last_event_at=NOW - timedelta(minutes=2), owner="local", created_at=NOW - timedelta(hours=1),
    )  # fmt: skip
    fixture.add(
        "endpoints", project="fraud", name="cards", state="suspended", model="cards@4", model_version=4,
        serving="[]", url="/v2/models/fraud.cards/infer", log_percent=10.0, requests=0, errors=0, unrecorded=0,
        created_at=NOW - timedelta(days=9),
    )  # fmt: skip
    moves = ((None, 1, timedelta(minutes=50)), (1, 2, timedelta(minutes=12)))
    for old, new, before in moves:
        fixture.add(
            "model_alias_moves", project="flights", name="delay", alias="champion", from_version=old, to_version=new,
            moved_at=NOW - before, moved_by="workflow" if old else "local",
        )  # fmt: skip


def _predictions(fixture: Fixture, chance: random.Random) -> None:
    count = 3000
    for index in range(count):
        event = JULY + timedelta(days=31) * (index / count)
        at = NOW - timedelta(minutes=45) + timedelta(minutes=43) * (index / count)
        failed = chance.random() < 0.012
        fixture.add(
            "predictions", project="flights", endpoint="delay", model="delay",
            model_version=2 if at > NOW - timedelta(minutes=12) else 1, request_id=f"r{index}", row_id=f"r{index}",
            predicted_at=at, event_time=event, latency_ms=chance.lognormvariate(0.6, 0.45),
            status="error" if failed else "ok", error="input dep_hour is missing" if failed else None,
            inputs={"dep_hour": event.hour}, features={"temp": 71.0}, prediction=None if failed else chance.random(),
            outputs={}, shadow=False,
        )  # fmt: skip


def _drift(chance: random.Random) -> Iterator[dict[str, Any]]:
    for day in range(31):
        shift = 0.0 if day < CHANGED else 1.0
        for feature, level in FEATURES.items():
            psi = max(0.0, level * (0.25 + 0.9 * shift) * chance.uniform(0.7, 1.3))
            missing = feature == "precip" and day == 12
            yield {"day": day, "metric": "psi", "feature": feature, "value": None if missing else psi}
            yield {"day": day, "metric": "ks", "feature": feature, "value": min(1.0, psi * 0.8 + 0.01)}
        yield {"day": day, "metric": "auc", "feature": None, "value": 0.74 - 0.07 * shift + chance.gauss(0, 0.012)}
        yield {"day": day, "metric": "label_rate", "feature": None, "value": min(1.0, chance.uniform(0.9, 1.05))}


def _monitoring(fixture: Fixture, chance: random.Random) -> None:
    fixture.add(
        "monitors", project="flights", name="delay_drift", target_kind="endpoint", target="delay",
        metrics=["psi", "ks", "auc"], window_seconds=86_400.0, state="active", created_at=NOW,
    )  # fmt: skip
    for row in _drift(chance):
        start = JULY + timedelta(days=row.pop("day"))
        fixture.add(
            "drift", project="flights", monitor="delay_drift", target="delay", window_start=start,
            window_end=start + timedelta(days=1), n=chance.randint(820, 1010), computed_at=NOW, **row,
        )  # fmt: skip
    action = "RUN WORKFLOW retrain WITH (until = '2013-07-22')"
    fixture.add(
        "alerts", project="flights", name="drifted", on_kind="monitor", on_name="delay_drift", severity="warning",
        condition="psi > 0.2", state="raised", activations=1,
    )  # fmt: skip
    raised = NOW - timedelta(minutes=14)
    fixture.add(
        "alert_activations", project="flights", alert="drifted", id="a1", raised_at=raised,
        window_end=JULY + timedelta(days=21), reason="psi = 0.3391 > 0.2 (carrier_delay_24h)", facts={},
        actions=[action], outcome="completed",
    )  # fmt: skip
    fixture.add(
        "workflow_runs", project="flights", id="w1", workflow="retrain", state="completed", reason=None,
        started_at=raised + timedelta(seconds=1), finished_at=raised + timedelta(seconds=74), duration_ms=73_000.0,
    )  # fmt: skip
    steps = (
        ("fit", "completed", "run completed: auc 0.7612", "RUN train FROM delay_training WITH (until = $until)"),
        ("compare", "completed", "auc 0.7612 against 0.6719", "FROM ml.evaluate('delay@champion', 'fresh')"),
        (
            "promote",
            "completed",
            "champion moved from version 1 to 2",
            "ALTER MODEL delay SET ALIAS champion TO VERSION 2",
        ),
        ("tell", "skipped", "its condition does not hold: fit.auc <= compare.auc", "SELECT 'kept'"),
    )
    for order, (step, state, message, statement) in enumerate(steps):
        fixture.add(
            "steps", project="flights", workflow_run_id="w1", workflow="retrain", step=step, state=state,
            message=message, statement=statement, run_id=run_id(10) if step == "fit" else None,
            started_at=raised + timedelta(seconds=2 + 20 * order),
            finished_at=raised + timedelta(seconds=20 + 20 * order),
        )  # fmt: skip
