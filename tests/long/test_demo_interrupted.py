"""The demo, interrupted again and again: a home always starts again, and the end is the same. Takes minutes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MARKS = (
    "== The data",
    "== Feature sets",
    "== The training set",
    "== Training",
    "== The model",
    "01 Jul to",
    "raised drifted",
)


def start(home: Path) -> subprocess.Popen[str]:
    """``mlbox demo`` with its output in hand."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "mlbox", "--home", str(home), "demo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def interrupt_at(home: Path, mark: str, number: signal.Signals, delay: float) -> str:
    """Run until ``mark`` is printed, wait a little, send the signal; returns what was printed."""
    process = start(home)
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if mark in line:
            time.sleep(delay)
            os.kill(process.pid, number)
            break
    printed += process.stdout.readlines()
    process.wait(timeout=120)
    return "".join(printed)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_at_every_step(tmp_path: Path, number: signal.Signals) -> None:
    """After each interruption the catalog opens, statements work, and the next demo goes on from there."""
    home = tmp_path / "home"
    chance = random.Random(7)
    for mark in MARKS:
        printed = interrupt_at(home, mark, number, chance.uniform(0, 1.5))
        assert "Traceback" not in printed, printed[-3000:]
        check = subprocess.run(
            [sys.executable, "-m", "mlbox", "--home", str(home), "sql", "-c", "SELECT count(*) AS n FROM ml.runs"],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert check.returncode == 0, check.stderr
    last = start(home)
    printed, _ = last.communicate(timeout=900)
    assert last.returncode == 0, printed[-3000:]
    assert "champion after" in printed
    assert "29,428, 0 errors" in printed
