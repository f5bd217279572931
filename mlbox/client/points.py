"""Points of metrics as they travel: a few as an event each, many of one metric as packed columns.

A packed event is ``{"kind": "points", "name": .., "values": .., "at": .., "steps": ..}``: base64 of little-endian
64-bit columns of one length, numbers and seconds since 1970 as floats, steps as signed integers (absent: no steps).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

    Event = Dict[str, Any]
    Point = Tuple[str, float, Optional[int], float]
    """Name, value, step, seconds since 1970."""

FEWEST = 16
"""From so many points of a metric on they are packed."""


def as_events(items: Sequence[Union[Event, Point]]) -> List[Event]:
    """In their order; the points of one metric together, where the first of them was."""
    found: List[Any] = []
    metrics: Dict[str, List[Point]] = {}
    for item in items:
        if type(item) is tuple:
            known = metrics.get(item[0])
            if known is None:
                metrics[item[0]] = known = []
                found.append(known)
            known.append(item)
        else:
            found.append(item)
    events: List[Event] = []
    for entry in found:
        if type(entry) is list:
            packed = _packed(entry[0][0], entry) if len(entry) >= FEWEST else None
            events += [packed] if packed is not None else map(_plain, entry)
        else:
            events.append(entry)
    return events


def _packed(name: str, points: Sequence[Point]) -> Optional[Event]:
    """One event of all points; None where only some have a step, or one is beyond 64 bits."""
    event = {
        "kind": "points",
        "name": name,
        "values": _column("d", [point[1] for point in points]),
        "at": _column("d", [point[3] for point in points]),
    }
    steps = [point[2] for point in points]
    without = steps.count(None)
    if without == len(steps):
        return event
    try:
        return None if without else {**event, "steps": _column("q", steps)}
    except OverflowError:
        return None


def _column(kind: str, values: Sequence[Any]) -> str:
    import sys
    from array import array
    from binascii import b2a_base64

    column = array(kind, values)
    if sys.byteorder == "big":
        column.byteswap()
    return b2a_base64(column, newline=False).decode()


def _plain(point: Point) -> Event:
    """NaN and infinity, which JSON has no numbers for, as ``"NaN"``, ``"Infinity"``, ``"-Infinity"``."""
    name, value, step, at = point
    event: Event = {"kind": "metric", "name": name, "value": value, "at": at}
    if value != value or value in (float("inf"), float("-inf")):
        event["value"] = "NaN" if value != value else ("Infinity" if value > 0 else "-Infinity")
    if step is not None:
        event["step"] = step
    return event
