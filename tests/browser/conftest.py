"""A browser, and servers to look at: the fixture (made-up rows, real SQL) and the real one.

Chromium is the machine's own (``MLBOX_CHROMIUM`` names another); Playwright downloads nothing. Without a Chromium the
tests are skipped, except in CI (``CI=1``), where that is a failure.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))
from screens import DESK, PATIENCE_MS  # noqa: E402  (beside this file)

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session", autouse=True)
def dashboard() -> Path:
    """The built dashboard, of the sources as they are."""
    sys.path.append(str(Path(__file__).resolve().parents[2] / "packaging"))
    import build_ui

    if build_ui.is_due():
        build_ui.build()
    return build_ui.STATIC


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser for a file of tests; each test has its own context.

    Not for the session: while Playwright runs, nobody else in this thread can start an event loop.
    """
    sync_api = pytest.importorskip("playwright.sync_api")
    path = os.environ.get("MLBOX_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        _missing("no Chromium on this machine: apt-get install chromium, or set MLBOX_CHROMIUM")
    sync_api.expect.set_options(timeout=PATIENCE_MS)
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(FLAGS))
        yield browser
        browser.close()


NETWORK = "net::ERR_NETWORK_CHANGED"
"""Chromium's complaint when anything on the machine adds a network interface; it asks again by itself."""


class Watched:
    """A page with what went wrong on it and where its requests went."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Parts of the complaints that the browser itself makes about what the test breaks on purpose."""
        self.hosts: set[str] = set()
        self.refused: dict[str, str | None] = {}
        """Addresses of requests that failed, and why."""
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda line: self.problems.append(line.text) if line.type == "error" else None)
        page.on("requestfailed", lambda request: self.refused.update({request.url: request.failure}))
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith(("blob:", "data:")):  # nothing that is sent anywhere
            self.hosts.add(url.split("/")[2])

    def own_problems(self) -> list[str]:
        """What went wrong without being expected."""
        known = (NETWORK, *self.expected)
        return [problem for problem in self.problems if not any(part in problem for part in known)]

    def fits(self) -> bool:
        """Whether the page does not scroll sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Any]:
    """``open_page(url, viewport, scheme)``; at the end every page must be free of errors of its own."""
    contexts = []
    watched: list[Watched] = []

    def open_one(url: str, viewport: dict[str, int] = DESK, scheme: str = "light") -> Watched:
        context = chromium.new_context(
            viewport=viewport, color_scheme=scheme, permissions=["clipboard-read", "clipboard-write"]
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        one = Watched(context.new_page())
        watched.append(one)
        one.page.goto(url)
        return one

    yield open_one
    problems = [problem for one in watched for problem in one.own_problems()]
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture(scope="session")
def shared_fixture() -> Iterator[Any]:
    """A fixture server that tests only read from."""
    from fixture_rows import build
    from fixture_server import FixtureServer

    with FixtureServer(build()) as server:
        yield server


@pytest.fixture
def own_fixture() -> Iterator[Any]:
    """A fixture server for one test, which changes its rows; few rows, so it starts fast."""
    from fixture_rows import build
    from fixture_server import FixtureServer

    fixture = build()
    fixture.rows["predictions"] = fixture.rows["predictions"][::20]
    with FixtureServer(fixture) as server:
        yield server


@pytest.fixture
def empty_fixture() -> Iterator[Any]:
    """A fixture server without a row."""
    from fixture_rows import Fixture
    from fixture_server import FixtureServer

    with FixtureServer(Fixture()) as server:
        yield server
