"""A function that takes its time, and how to find the process of its run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

SLOW = """
import time

def slow(ctx, seconds: float = 20):
    until = time.monotonic() + seconds
    step = 0
    while time.monotonic() < until:
        ctx.log_metric("tick", step, step=step)
        print("tick", step, flush=True)
        step += 1
        time.sleep(0.1)
    ctx.log_metric("ticks", step)
"""


def row(server: Any, columns: str) -> list[Any]:
    """The newest run."""
    found: list[Any] = server.sql(f"SELECT {columns} FROM ml.runs ORDER BY created_at DESC LIMIT 1")[0]["rows"][0]
    return found


def process_of(server: Any) -> int:
    """The process of the newest run: the one that works in the run's folder."""
    (run_id,) = row(server, "id")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if run_id in os.readlink(entry / "cwd"):
                    return int(entry.name)
            except OSError:
                continue
    raise AssertionError("the run has no process")
