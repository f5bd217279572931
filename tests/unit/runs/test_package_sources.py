"""The settings of package indexes, with the real uv and an index of our own."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tiny_wheel import WHEEL, make_wheel

from mlbox.base.errors import Invalid
from mlbox.base.home import Home
from mlbox.base.settings import Settings
from mlbox.engine.runs.environments import Environments
from mlbox.engine.runs.package_sources import PackageSources


class Sink:
    def write(self, text: str) -> None:
        pass


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return make_wheel(tmp_path).parent


@pytest.fixture
def index(wheels: Path) -> Iterator[Any]:
    """An index, also when it is asked as a proxy; ``asked`` holds the addresses."""
    asked: list[str] = []

    class Index(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            page = f'<a href="/files/{WHEEL}">{WHEEL}</a>'.encode()
            body = (wheels / WHEEL).read_bytes() if self.path.endswith(".whl") else page
            found = self.path.endswith((WHEEL, "/simple/tiny-thing/"))
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/zip" if self.path.endswith(".whl") else "text/html")
            self.send_header("Content-Length", str(len(body) if found else 0))
            self.end_headers()
            if found and self.command == "GET":
                self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    server.asked = asked  # type: ignore[attr-defined]
    server.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
    yield server
    server.shutdown()
    server.server_close()


def built(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **settings: Any) -> str:
    """What an environment with the package answers."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))  # nothing that was fetched before
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    home.create()
    sink = Sink()
    try:
        found = Environments(home, Settings(**settings)).prepare(("tiny-thing",), None, sink)
    except Invalid as error:
        raise AssertionError(error.hint) from None
    command = [str(found.python), "-c", "import tiny_thing; print(tiny_thing.ANSWER)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_private_index(home: Home, index: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert built(home, monkeypatch, tmp_path, package_index=f"{index.url}/simple") == "42\n"
    assert f"/files/{WHEEL}" in index.asked


def test_a_proxy(home: Home, index: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"package_index": "http://packages.invalid/simple", "package_proxy": index.url}
    assert built(home, monkeypatch, tmp_path, **settings) == "42\n"
    assert any(address.startswith("http://packages.invalid/") for address in index.asked)


def test_a_wheelhouse_without_any_index(
    home: Home, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"package_wheelhouse": str(wheels), "package_offline": True}
    assert built(home, monkeypatch, tmp_path, **settings) == "42\n"


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(Invalid, match="package_wheelhouse names /nowhere"):
        PackageSources.of(Settings(package_wheelhouse="/nowhere"))
    with pytest.raises(Invalid, match="package_certificates names /nowhere"):
        PackageSources.of(Settings(package_certificates="/nowhere"))


def test_containers_get_addresses_and_copies_of_files(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///opt/here https://more.example/simple")
    monkeypatch.delenv("PIP_CERT", raising=False)
    certificates = wheels.parent / "own.pem"
    certificates.write_text("certificates")
    settings = Settings(
        package_index="https://user:word@index.example/simple",
        package_certificates=str(certificates),
        package_wheelhouse=str(wheels),
        package_proxy="http://proxy:3128",
    )
    sources = PackageSources.of(settings)
    assert sources.container_files() == {"certificates.pem": certificates, f"wheels/{WHEEL}": wheels / WHEEL}
    variables = sources.container_variables("/build")
    assert variables["UV_DEFAULT_INDEX"] == variables["PIP_INDEX_URL"] == "https://user:word@index.example/simple"
    assert variables["UV_INDEX"] == "https://more.example/simple"  # a folder of this machine is not there
    assert variables["SSL_CERT_FILE"] == variables["PIP_CERT"] == "/build/certificates.pem"
    assert variables["UV_FIND_LINKS"] == "/build/wheels"
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == "http://proxy:3128"
