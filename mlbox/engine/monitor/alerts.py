"""When an alert is raised: pure rules over the truth of its condition, window by window.

An alert is raised when its condition has become true and has been so for at least FOR; it stays raised, without being
raised again, until a window finds it false. Within COOLDOWN of the last time it is not raised; if the condition is
still true when that is over, it is raised then. All of this counts in the event time of windows. A window that cannot
tell (a metric has no value yet) changes nothing, nor does a gap without windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from mlbox.engine.catalog.conditions import Condition
from mlbox.engine.catalog.tables.alerts import EvaluationRow
from mlbox.engine.monitor.compute import Value, Window

State = Literal["ok", "pending", "raised"]
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Episode:
    """Consecutive windows in which the condition held; ``raised`` is the end of the window that raised the alert."""

    start: datetime
    end: datetime
    raised: datetime | None


def episodes(
    evaluations: Iterable[EvaluationRow], for_: timedelta = _NOTHING, cooldown: timedelta = _NOTHING
) -> tuple[State, list[Episode]]:
    """The state after all ``evaluations`` (in order of time), and the episodes that led to it."""
    found: list[Episode] = []
    current: Episode | None = None
    last_raised: datetime | None = None
    for window in evaluations:
        if window.truth is None:
            continue
        if not window.truth:
            current = None
            continue
        if current is None:
            current = Episode(window.window_start, window.window_end, None)
            found.append(current)
        raised = current.raised
        long_enough = window.window_end - current.start >= for_
        cooled = last_raised is None or window.window_end >= last_raised + cooldown
        if raised is None and long_enough and cooled:
            raised = last_raised = window.window_end
        current = Episode(current.start, window.window_end, raised)
        found[-1] = current
    if current is None:
        return "ok", found
    return ("raised" if current.raised else "pending"), found


def new_raises(found: Iterable[Episode], known: Sequence[datetime]) -> list[datetime]:
    """Ends of windows that raise now: episodes that have not raised the alert before (``known`` are all the ends)."""
    return [
        episode.raised
        for episode in found
        if episode.raised is not None and not any(episode.start < end <= episode.end for end in known)
    ]


def facts_of(
    values: Iterable[Value], metrics: Iterable[str], features: Iterable[str], window: Window
) -> dict[str, Any]:
    """What a condition on a monitor sees of one window, all segments together.

    ``n`` is the number of rows, ``n_labels`` of known labels. ``psi`` is the largest value over the features (for a
    metric of the whole window, its value), ``psi_mean`` their mean, ``psi.temp`` the value of one feature. What has no
    value is NULL.
    """
    by_metric: dict[str, dict[str, float]] = {name: {} for name in metrics}
    for value in values:
        if value.segment == "" and value.value is not None and value.metric in by_metric:
            by_metric[value.metric][value.feature] = value.value
    facts: dict[str, Any] = {"n": window.n, "n_labels": window.labels}
    known = list(features)
    for name, found in by_metric.items():
        numbers = list(found.values())
        facts[name] = {**dict.fromkeys(known), **found, "": max(numbers) if numbers else None}
        facts[f"{name}_mean"] = sum(numbers) / len(numbers) if numbers else None
    return {**facts, "monitor": facts}


def names_of(metrics: Iterable[str]) -> set[str]:
    """The first words that a condition on a monitor may use."""
    listed = list(metrics)
    return {"n", "n_labels", "monitor", *listed, *(f"{name}_mean" for name in listed)}


def reason_of(condition: Condition, facts: Mapping[str, Any]) -> str:
    """Which values made the condition true: ``psi = 0.31 (dep_delay), n = 4310: psi > 0.2 AND n >= 1000``."""
    parts: list[str] = []
    for reference in condition.references:
        value = condition.value(reference, facts)
        held: Any = facts
        for word in reference.path:
            held = next((item for name, item in held.items() if name.lower() == word.lower()), {})
        part = f"{reference} = {value:.4g}" if isinstance(value, float) else f"{reference} = {value}"
        if isinstance(held, Mapping):
            feature = next((name for name, item in held.items() if name and item == value), None)
            part += f" ({feature})" if feature else ""
        if part not in parts:
            parts.append(part)
    text = " ".join(condition.query.text.split())
    return f"{', '.join(parts)}: {text}" if parts else text


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts for keeping: each name once, a metric as its features' values with ``max``."""
    kept: dict[str, Any] = {}
    for name, value in facts.items():
        if name == "monitor":
            continue
        if isinstance(value, Mapping):
            features = {key: item for key, item in value.items() if key and item is not None}
            kept[name] = {"max": value.get(""), "features": features} if features else value.get("")
        else:
            kept[name] = value
    return kept
