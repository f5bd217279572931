"""Fixtures that everybody uses: a home, a house in this process, a real server in a process of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fresh_home import forget_template, fresh_home
from hypothesis import settings
from real_server import Server

from mlbox.base.home import Home
from mlbox.base.settings import Settings

# One thread each: on a busy machine OpenMP's threads wait for each other longer than they work.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Properties run in the fast form, and in full with ``make nightly`` (see ``examples_of``). No deadlines: a slow example
# on a busy machine is no defect.
settings.register_profile("fast", max_examples=50, deadline=None)
settings.register_profile("ci", settings.get_profile("fast"), derandomize=True)  # the same ones each time
settings.register_profile("nightly", max_examples=300, deadline=None)
settings.load_profile(os.environ.get("MLBOX_HYPOTHESIS", "fast"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A fresh home."""
    return Home(tmp_path / "home")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Any]:
    """All services in this process, without HTTP."""
    from mlbox.app.house import House

    opened = House.open(fresh_home(tmp_path / "home"), Settings())
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do not stop it; use projects of your own."""
    running = Server(tmp_path_factory.mktemp("shared") / "home")
    yield running
    running.stop()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server for one test, which may kill it."""
    running = Server(tmp_path / "home")
    yield running
    running.stop()


_status = 0


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """What is skipped is told in the summary of CI: ``.ci/stages.py`` says where to note it."""
    place = os.environ.get("MLBOX_SKIPPED")
    if place and report.skipped and not hasattr(report, "wasxfail") and "PYTEST_XDIST_WORKER" not in os.environ:
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(f"{report.nodeid.partition('::')[0]}|{' '.join(why.removeprefix('Skipped: ').split())}\n")


def pytest_sessionfinish(exitstatus: int) -> None:
    """The status is kept for the end, and nothing on the disk."""
    global _status
    _status = int(exitstatus)
    forget_template()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave before the interpreter takes DuckDB apart, which would print a page of complaints below the summary."""
    if "duckdb" in sys.modules and not hasattr(config, "workerinput"):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_status)
