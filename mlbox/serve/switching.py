"""A new version beside the old one: warmed with what was asked lately, and compared on it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import MlboxError
from mlbox.serve.recalling import recalled
from mlbox.serve.retiring import retire

if TYPE_CHECKING:
    from mlbox.base.events import Event
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.endpoints import EndpointRow, ShareRow
    from mlbox.serve.codec import Request
    from mlbox.serve.directory import Slot
    from mlbox.serve.endpoint import Answer, Runtime
    from mlbox.serve.workers.spread import Spread

LONGEST = 5.0
"""Seconds that a switch spends on comparing."""
RECENT = 16
"""Requests that an endpoint remembers for its next version."""


def compare(old: Runtime | None, new: Runtime, requests: Sequence[Request]) -> dict[str, Any]:
    """Answers of both to the same requests: how many were compared, differ, fail, and by how much they differ.

    Empty where there is nothing to compare, for graphs, since what their steps do must not be done twice, and for code
    that streams, whose answers take long. Code in processes of its own has some seconds for it. Not for an event loop.
    """
    if old is None or not requests or any(each.row.graph is not None or each.streams for each in (old, new)):
        return {}
    until = time.monotonic() + LONGEST
    compared = different = failed = 0
    largest = 0.0
    for request in requests:
        if time.monotonic() > until:
            break
        try:
            before = _answer(old, request, until)
        except (MlboxError, TimeoutError):
            continue
        compared += 1
        try:
            after = _answer(new, request, until)
        except (MlboxError, TimeoutError):
            failed += 1
            continue
        gap = max(_gap(ours, theirs) for ours, theirs in _pairs(before, after))
        if gap > 0:
            different += 1
            largest = max(largest, gap if math.isfinite(gap) else 0.0)
    return {"compared": compared, "different": different, "failed": failed, "largest_difference": largest}


class Switching:
    """Puts a generation of an endpoint in the place of the one before it."""

    def __init__(self, catalog: Catalog, build: Callable[[EndpointRow], Runtime], spread: Spread) -> None:
        self._catalog = catalog
        self._build = build
        self._spread = spread

    def recalled(self, slot: Slot) -> list[Request]:
        """Requests of before the server has started, where it has not had enough since."""
        return recalled(self._catalog, slot.row, slot.since, RECENT - len(slot.recent))

    def switch(
        self, slot: Slot, row: EndpointRow | None, former: EndpointRow | None, older: Sequence[Request]
    ) -> tuple[Runtime, dict[str, Any]]:
        """Answer as ``row`` says, or anew as the slot's own does when its turn has come: somebody may be changing that.
        Requests under way end on what answered before. With it what has become of recent requests. Where nothing has
        answered since the start, ``former`` says what did when the ``older`` came."""
        before = slot.runtime
        if before is None and former is not None and older:
            with suppress(MlboxError):  # it is not there any more
                before = self._build(former)
        with slot.lock:
            row = row or slot.row
            runtime = self._build(row)
            compared = self._spread.offer(row, compare(before, runtime, [*older, *slot.recent]))
            if row is not slot.row:
                slot.take(row)
            replaced, slot.runtime = slot.runtime, runtime
            slot.swaps += 1
        retire(replaced)
        return runtime, compared


def former(row: EndpointRow, event: Event) -> EndpointRow | None:
    """The row with the version that its alias meant before the event; ``None`` where the alias is new."""
    data = event.data
    moved = event.kind == "model.alias_moved"
    alias = str(data["alias"]) if moved else "latest"
    version = data.get("from_version") if moved else data["version"] - 1
    if not version:
        return None

    def back(share: ShareRow) -> ShareRow:
        return replace(share, version=str(version)) if means(share, event.project, event.object, alias) else share

    return replace(
        row,
        shares=tuple(map(back, row.shares)),
        shadow=back(row.shadow) if row.shadow else None,
        meta=back(row.meta) if row.meta else None,
    )


def means(share: ShareRow, project: str, model: str, alias: str) -> bool:
    """Whether a share is what an alias of a model means."""
    return share.project == project and share.name.lower() == model.lower() and share.version.lower() == alias.lower()


def _pairs(before: Answer, after: Answer) -> list[tuple[Any, Any]]:
    """What is compared: predictions, and of models that give no number for each row the outputs of one name."""
    if "prediction" in before.outputs or "prediction" in after.outputs:
        return [(before.prediction, after.prediction)]
    names = before.outputs.keys() & after.outputs.keys()
    return [(before.outputs[name], after.outputs[name]) for name in sorted(names)] or [(math.inf, 0.0)]


def _gap(before: Any, after: Any) -> float:
    """The largest difference of two arrays; infinite where they cannot be compared and are not the same."""
    import numpy as np

    before, after = np.asarray(before), np.asarray(after)
    if before.shape != after.shape or not {before.dtype.kind, after.dtype.kind} <= set("biuf"):
        return 0.0 if np.array_equal(before, after) else math.inf
    gap = np.abs(after.astype(np.float64) - before.astype(np.float64))
    gap = gap[~np.isnan(gap)]
    return float(gap.max()) if gap.size else 0.0


def _answer(runtime: Runtime, request: Request, until: float) -> Answer:
    if not runtime.asynchronous:
        return runtime.answer(request)

    async def later() -> Answer:
        return await asyncio.wait_for(runtime.answer_later(request), max(0.1, until - time.monotonic()))

    return asyncio.run(later())


def told(comparison: dict[str, Any]) -> str:
    """In words, to be put behind a message; empty when nothing was compared."""
    if not comparison.get("compared"):
        return ""
    said = f"; on {comparison['compared']} recent requests {comparison['different']} answers differ"
    if comparison["different"]:
        said += f" by up to {comparison['largest_difference']:.3g}"
    return said + (f", {comparison['failed']} fail" if comparison["failed"] else "")
