"""The stages of CI, in order, each timed; the last lines say what passed, and what did not run and why.

Run by the host's Python (``make ci``): standard library only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEBIAN = {
    "chromium": "chromium",
    "objdump": "binutils",
    "git": "git",
    "dockerd": "docker.io",
    "iptables": "iptables",
    "ip": "iproute2",
    "etcd": "etcd-server",
    "openssl": "openssl",
    "curl": "curl",
    "zstd": "zstd",
    "psql": "postgresql-client",
    "/usr/lib/postgresql": "postgresql",
    "/usr/sbin/mariadbd": "mariadb-server",
    "zsh": "zsh",
    "fish": "fish",
    "redis-server": "redis-server",
    "/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server",
    "java": "default-jdk-headless",
    "/usr/share/java/postgresql.jar": "libpostgresql-jdbc-java",
}
"""Command or file → package that brings it."""

NEEDED_GB = 10
"""What a whole run takes of the disk at most, caches of packages and what Debian brings included."""


@dataclass(frozen=True)
class Stage:
    """A step; when one that is ``needed`` fails, the rest cannot run."""

    name: str
    command: tuple[str, ...]
    needed: bool = False
    skip: Callable[[], str] = str
    """Why it cannot run here; empty: it can."""


STAGES = (
    Stage("environment and dashboard", ("make", "setup"), needed=True),
    Stage("lint and types", ("make", "check")),
    Stage("fast tests", ("make", "test")),
    Stage("browser tests", ("make", "test-browser"), skip=lambda: "" if chromium() else "there is no Chromium"),
    Stage("engine: docker", ("make", "test-engine", "ENGINE=docker"), skip=lambda: why_no_engine("docker")),
    Stage("clients of others", ("make", "test-clients")),
    Stage("engine: kubernetes", ("make", "test-engine", "ENGINE=kubernetes"), skip=lambda: why_no_engine("kubernetes")),
    Stage("engine: dask", ("make", "test-engine", "ENGINE=dask"), skip=lambda: why_no_engine("dask")),
    Stage("engine: spark", ("make", "test-engine", "ENGINE=spark"), skip=lambda: why_no_engine("spark")),
    Stage("engine: redis", ("make", "test-engine", "ENGINE=redis"), skip=lambda: why_no_engine("redis")),
    Stage("engine: rabbitmq", ("make", "test-engine", "ENGINE=rabbitmq"), skip=lambda: why_no_engine("rabbitmq")),
    Stage("engine: databases", ("make", "test-databases")),
    Stage("demo", ("make", "ci-demo")),
    Stage("executable: build", ("make", "build")),
    Stage("executable: smoke", ("make", "smoke")),
)


def chromium() -> str | None:
    """A Chromium of this machine."""
    return os.environ.get("MLBOX_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def why_no_engine(name: str) -> str:
    """What ``tests/engines/<name>.py`` says; it runs in the project's environment."""
    question = f"import sys; sys.path.insert(0, 'tests'); from engines.{name} import why_not; print(why_not())"
    command = [str(ROOT / ".venv/bin/python"), "-c", question]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()[-300:]


def clients() -> list[tuple[str, str]]:
    """Clients of others that ``tests/foreign_clients.py`` cannot install here, and why."""
    question = (
        "import sys; sys.path.insert(0, 'tests')\nfrom foreign_clients import REQUIREMENTS, why_not\n"
        "for name in REQUIREMENTS: print(name, why_not(name), sep='|')"
    )
    command = [str(ROOT / ".venv/bin/python"), "-c", question]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return [("clients of others", done.stderr.strip()[-300:])]
    rows = (line.partition("|") for line in done.stdout.splitlines())
    return [(f"client: {name}", reason) for name, _, reason in rows if reason]


def _is_there(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else shutil.which(name) is not None


def install_debian() -> str:
    """Install what is missing where we may; returns what to say about it."""
    missing = sorted({package for name, package in DEBIAN.items() if not _is_there(name)})
    if not missing:
        return "nothing is missing"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"missing, and not ours to install: {', '.join(missing)}"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        done = subprocess.run(
            ["apt-get", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return f"could not install {', '.join(missing)}: {done.stderr.strip()[-500:]}"
    return f"installed {', '.join(missing)}"


def engines() -> list[tuple[str, str]]:
    """What this version does not drive, from ``engines.txt``."""
    lines = (ROOT / ".ci" / "engines.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines if line.strip() and not line.startswith("#")]
    return [(name.strip(), reason.strip()) for name, reason in rows]


def skips(path: Path) -> list[tuple[str, str]]:
    """Tests that a stage skipped, as ``tests/conftest.py`` notes them: (file, why and how many)."""
    if not path.is_file():
        return []
    counts = Counter(path.read_text(encoding="utf-8").splitlines())
    path.unlink()
    rows = [(*line.partition("|")[::2], count) for line, count in sorted(counts.items())]
    return [(file, f"{reason} ({count} test{'s' if count > 1 else ''})") for file, reason, count in rows]


@contextmanager
def scratch() -> Iterator[Path]:
    """A place for temporary files, open to all users as /tmp is, and removed: tools of others leave theirs behind."""
    folder = Path(tempfile.mkdtemp(prefix="ci-"))  # short, for the paths of sockets in it
    folder.chmod(0o1777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(stage: Stage, noted: Path) -> int:
    """The status of its command, which finds in its environment where to note what it skips."""
    with scratch() as folder:
        told = {"MLBOX_SKIPPED": str(noted), "TMPDIR": str(folder)}
        environment = {"MLBOX_HYPOTHESIS": "ci", **os.environ, **told}
        return subprocess.run(
            stage.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
        ).returncode


def free_gb() -> dict[Path, float]:
    """What the disks have left that CI writes to, in GB."""
    return {place: shutil.disk_usage(place).free / 1e9 for place in (ROOT, Path.home(), Path(tempfile.gettempdir()))}


def main() -> int:
    """Run all; the status is that of the worst."""
    if short := {place: free for place, free in free_gb().items() if free < NEEDED_GB}:
        for place, free in short.items():
            print(f"error: CI takes up to {NEEDED_GB} GB of disk, and {place} has {free:.1f}", file=sys.stderr)
        return 1
    with scratch() as folder:
        return run_all(folder / "skipped")


def run_all(noted: Path) -> int:
    """Each stage in order, then the summary."""
    began = time.monotonic()
    rows: list[tuple[str, str, float]] = []
    skipped: list[tuple[str, str]] = []
    print("== Debian packages", flush=True)
    print(install_debian(), flush=True)
    rows.append(("Debian packages", "done", time.monotonic() - began))
    broken = False
    for stage in STAGES:
        reason = "an earlier stage that it needs failed" if broken else stage.skip()
        if reason:
            skipped.append((stage.name, reason))
            continue
        print(f"\n== {stage.name}: {' '.join(stage.command)}", flush=True)
        start = time.monotonic()
        status = run(stage, noted)
        skipped += skips(noted)
        rows.append((stage.name, "passed" if status == 0 else f"FAILED ({status})", time.monotonic() - start))
        broken = broken or (status != 0 and stage.needed)
    print("\n== summary")
    for name, outcome, seconds in rows:
        print(f"  {name:<28} {outcome:<12} {seconds:7.1f} s")
    print(f"  {'all':<28} {'':<12} {time.monotonic() - began:7.1f} s")
    print(f"disk: {', '.join(f'{free:.0f} GB free at {place}' for place, free in free_gb().items())}")
    print("did not run:")
    for name, reason in (*skipped, *clients(), *engines()):
        print(f"  {name:<28} {reason}")
    failed = [name for name, outcome, _ in rows if outcome.startswith("FAILED")]
    print(f"CI failed: {', '.join(failed)}" if failed else "CI passed", flush=True)
    return 1 if failed or broken else 0


if __name__ == "__main__":
    sys.exit(main())
