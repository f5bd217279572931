"""Serves the built dashboard: a raw ASGI application over ``mlbox/ui/static``, standard library only.

Pages live below ``/ui/``; ``/`` leads there. Files below ``/ui/assets/`` carry a hash of their content in their names
and never change; every other path without a file is a client route and gets ``index.html``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BASE = "/ui"
_ENDPOINTS = "endpoints answer POST /v2/models/{endpoint}/infer, and GET /v2/models lists them"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing but this server: no request of the dashboard leaves the machine."""

PLOT = f"{BASE}/plot.html"
PLOT_POLICY = "; ".join(
    (
        "sandbox allow-scripts",
        "default-src 'none'",
        "script-src 'unsafe-inline' blob:",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
)
"""Of the frame that draws what runs have logged: no origin, no request to anywhere, no ``eval``. Which script it may
run stands in the page itself, as a hash."""

SAFETY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
FOREVER = "public, max-age=31536000, immutable"
ALWAYS_ASK = "no-cache"
_HASHED = re.compile(r"-[\w-]{8}\.\w+$")

NOT_BUILT = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>mlbox</title>
<h1>The dashboard is not built</h1>
<p>This is a source tree: run <code>make ui</code>, then reload. An installed mlbox brings it along.</p>
<p>Everything that it shows is in the views of the schema <code>ml</code>: <code>mlbox sql</code>.</p>
"""


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file ready to be sent. ``etag`` is made of the content."""

    body: bytes
    content_type: str
    etag: str
    cache: str


def find_static() -> Path | None:
    """The folder of the built dashboard, or None when it has not been built."""
    folder = Path(__file__).resolve().parent / "static"
    return folder if (folder / "index.html").is_file() else None


def content_type(name: str) -> str:
    """Content type by the ending of a file name."""
    return TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


@lru_cache(maxsize=64)
def _load(path: Path, changed_ns: int, immutable: bool) -> StaticFile:
    body = path.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return StaticFile(body, content_type(path.name), etag, FOREVER if immutable else ALWAYS_ASK)


def lookup(folder: Path, path: str) -> StaticFile | None:
    """What to send for ``path`` (decoded, below ``/ui``); None is 404.

    A path of a client route gets ``index.html``; one that names a file which is not there does not.
    """
    relative = path.removeprefix(BASE).strip("/")
    parts = relative.split("/")
    if "\0" in relative or "\\" in relative or any(part in (".", "..") for part in parts):
        return None
    file = folder / relative if relative else folder / "index.html"
    if not file.is_file():
        if parts[0] == "assets" or file.suffix.lower() in TYPES:
            return None
        file = folder / "index.html"
    if not file.resolve().is_relative_to(folder.resolve()):
        return None
    immutable = parts[0] == "assets" and _HASHED.search(file.name) is not None
    return _load(file, file.stat().st_mtime_ns, immutable)


async def static_app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application: GET and HEAD of the dashboard's files and routes."""
    path: str = scope["path"]
    method: str = scope["method"]
    if method not in ("GET", "HEAD"):
        await _send(
            send, 405, _plain(f"{method} {path} leads nowhere: {_ENDPOINTS}\n"), method, ((b"allow", b"GET, HEAD"),)
        )
        return
    if path in ("/", BASE):
        await _send(send, 307, _plain(""), method, ((b"location", f"{BASE}/".encode()),))
        return
    folder = find_static()
    if folder is None:
        page = StaticFile(NOT_BUILT, TYPES[".html"], "", "no-store")
        await _send(send, 503 if path.startswith(f"{BASE}/") else 404, page, method)
        return
    if path == "/favicon.ico":
        path = f"{BASE}/icon.svg"
    file = lookup(folder, path) if path.startswith(f"{BASE}/") else None
    if file is None:
        await _send(send, 404, _plain(f"there is no page {path}; the dashboard is at {BASE}/\n"), method)
        return
    headers = {name.lower(): value for name, value in scope["headers"]}
    if file.etag.encode() in headers.get(b"if-none-match", b""):
        unchanged = StaticFile(b"", file.content_type, file.etag, file.cache)
        await _send(send, 304, unchanged, method, policy=PLOT_POLICY if path == PLOT else POLICY)
        return
    await _send(send, 200, file, method, policy=PLOT_POLICY if path == PLOT else POLICY)


def _plain(text: str) -> StaticFile:
    return StaticFile(text.encode(), TYPES[".txt"], "", "no-store")


async def _send(
    send: Send,
    status: int,
    file: StaticFile,
    method: str,
    more: tuple[tuple[bytes, bytes], ...] = (),
    policy: str = POLICY,
) -> None:
    headers = [
        (b"content-type", file.content_type.encode()),
        (b"cache-control", file.cache.encode()),
        (b"content-security-policy", policy.encode()),
        *SAFETY,
        *more,
    ]
    if file.etag:
        headers.append((b"etag", file.etag.encode()))
    if status != 304:
        headers.append((b"content-length", str(len(file.body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else file.body})
