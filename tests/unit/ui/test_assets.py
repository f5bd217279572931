"""Serving the dashboard: what is sent, with which headers, and what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mlbox.ui import assets


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small build in place of the real one, with a secret beside it."""
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>pages")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "assets" / "index-DD2fQXzU.css").write_text("body{}")
    (folder / "assets" / "index-mmcWCyow.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "assets" / "out.txt").symlink_to(tmp_path / "secret.txt")
    monkeypatch.setattr(assets, "find_static", lambda: folder)
    return folder


def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One request to the application."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(assets.static_app({"type": "http", "path": path, "method": method, "headers": pairs}, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent[1]["body"]


@pytest.mark.parametrize("path", ["/ui/", "/ui/runs", "/ui/runs/0193c4ca", "/ui/endpoints/flights/delay"])
def test_routes_of_the_client_get_the_page(static: Path, path: str) -> None:
    status, headers, body = ask(path)
    assert (status, body) == (200, b"<!doctype html>pages")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/ui"])
def test_the_root_leads_to_the_pages(static: Path, path: str) -> None:
    status, headers, _ = ask(path)
    assert (status, headers["location"]) == (307, "/ui/")


def test_hashed_files_are_kept_for_ever(static: Path) -> None:
    status, headers, body = ask("/ui/assets/index-DD2fQXzU.css")
    assert (status, body) == (200, b"body{}")
    assert headers["content-type"] == "text/css; charset=utf-8"
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert ask("/ui/icon.svg")[1]["cache-control"] == "no-cache"


def test_a_missing_file_is_not_the_page(static: Path) -> None:
    for path in ("/ui/assets/index-old12345.js", "/ui/nothing.js", "/elsewhere", "/run"):
        assert ask(path)[0] == 404, path


def test_a_name_with_a_dot_is_a_route(static: Path) -> None:
    assert ask("/ui/endpoints/flights/delay.v2")[0] == 200


@pytest.mark.parametrize(
    "path", ["/ui/../secret.txt", "/ui/assets/../../secret.txt", "/ui/assets/out.txt", "/ui/..\\secret.txt", "/ui/\0"]
)
def test_nothing_outside_the_folder_is_sent(static: Path, path: str) -> None:
    status, _, body = ask(path)
    assert status == 404 and b"secret\n" not in body and body != b"secret"


def test_an_unchanged_page_is_not_sent_again(static: Path) -> None:
    etag = ask("/ui/")[1]["etag"]
    status, headers, body = ask("/ui/", if_none_match=f"W/{etag}")
    assert (status, body, headers["etag"]) == (304, b"", etag)
    (static / "index.html").write_text("<!doctype html>other pages")
    assert ask("/ui/", if_none_match=etag)[0] == 200


def test_head_has_the_length_and_no_body(static: Path) -> None:
    status, headers, body = ask("/ui/", "HEAD")
    assert (status, headers["content-length"], body) == (200, "20", b"")
    assert ask("/ui/", "POST")[0] == 405


def test_no_answer_lets_the_page_reach_another_host(static: Path) -> None:
    for path in ("/ui/", "/ui/icon.svg", "/ui/assets/index-mmcWCyow.js", "/nowhere"):
        policy = ask(path)[1]["content-security-policy"]
        assert "default-src 'none'" in policy and "connect-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "http" not in policy


def test_the_frame_of_plots_has_no_origin_and_no_network(static: Path) -> None:
    (static / "plot.html").write_text("<!doctype html>frame")
    status, headers, body = ask("/ui/plot.html")
    assert (status, body) == (200, b"<!doctype html>frame")
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules["sandbox"] == "allow-scripts" and rules["default-src"] == "'none'"
    assert rules["frame-ancestors"] == "'self'"
    allowed = " ".join(rules[name] for name in ("script-src", "style-src", "img-src"))
    assert "connect-src" not in rules and "'self'" not in allowed and "eval" not in allowed and "http" not in allowed
    assert ask("/ui/plot.html", if_none_match=headers["etag"])[1]["content-security-policy"].startswith("sandbox")


def test_without_a_build_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "find_static", lambda: None)
    status, _, body = ask("/ui/")
    assert status == 503 and b"make ui" in body
