"""A new version beside the old one: warmed with what was asked lately, and compared on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import MlboxError

if TYPE_CHECKING:
    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Answer, Runtime

LONGEST = 5.0
"""Seconds that a switch spends on comparing."""
RECENT = 16
"""Requests that an endpoint remembers for its next version."""


def compare(old: Runtime | None, new: Runtime, requests: Sequence[Request]) -> dict[str, Any]:
    """Answers of both to the same requests: how many were compared, differ, fail, and by how much they differ.

    Empty where there is nothing to compare, and for graphs: what their steps do must not be done twice. Code in
    processes of its own has some seconds for it. Not for an event loop.
    """
    import numpy as np

    if old is None or not requests or old.row.graph is not None or new.row.graph is not None:
        return {}
    until = time.monotonic() + LONGEST
    compared = different = failed = 0
    largest = 0.0
    for request in requests:
        if time.monotonic() > until:
            break
        try:
            before = _answer(old, request, until).prediction
        except (MlboxError, TimeoutError):
            continue
        compared += 1
        try:
            after = _answer(new, request, until).prediction
        except (MlboxError, TimeoutError):
            failed += 1
            continue
        gap = np.abs(np.asarray(after, np.float64) - np.asarray(before, np.float64))
        gap = gap[~np.isnan(gap)]
        if gap.size and gap.max() > 0:
            different += 1
            largest = max(largest, float(gap.max()))
    return {"compared": compared, "different": different, "failed": failed, "largest_difference": largest}


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
