"""A new version beside the old one: warmed with what was asked lately, and compared on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import MlboxError

if TYPE_CHECKING:
    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Runtime

RECENT = 16
"""Requests that an endpoint remembers for its next version."""


def compare(old: Runtime | None, new: Runtime, requests: Sequence[Request]) -> dict[str, Any]:
    """Answers of both to the same requests: how many were compared, differ, fail, and by how much they differ.

    Empty where there is nothing to compare, or an answer would wait for others.
    """
    import numpy as np

    if old is None or old.asynchronous or new.asynchronous or not requests:
        return {}
    compared = different = failed = 0
    largest = 0.0
    for request in requests:
        try:
            before = old.answer(request).prediction
        except MlboxError:
            continue
        compared += 1
        try:
            after = new.answer(request).prediction
        except MlboxError:
            failed += 1
            continue
        gap = np.abs(np.asarray(after, np.float64) - np.asarray(before, np.float64))
        gap = gap[~np.isnan(gap)]
        if gap.size and gap.max() > 0:
            different += 1
            largest = max(largest, float(gap.max()))
    return {"compared": compared, "different": different, "failed": failed, "largest_difference": largest}


def told(comparison: dict[str, Any]) -> str:
    """In words, to be put behind a message; empty when nothing was compared."""
    if not comparison.get("compared"):
        return ""
    said = f"; on {comparison['compared']} recent requests {comparison['different']} answers differ"
    if comparison["different"]:
        said += f" by up to {comparison['largest_difference']:.3g}"
    return said + (f", {comparison['failed']} fail" if comparison["failed"] else "")
