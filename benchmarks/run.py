"""Runs every ``bench_*.py`` in a process of its own, prints its tables, and writes them to ``RESULTS.md``.

``python benchmarks/run.py bench_online bench_start`` runs these only, and writes nothing. With ``--peers`` those that
compare with other projects install them.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
LIBRARIES = ("duckdb", "onnxruntime", "lmdb", "granian")

INTRODUCTION = """\
# Benchmarks

Written by `make bench`; do not edit. Medians of repeats that were taken in turn with the peer's. *ratio* is value over
peer, in brackets its lowest and highest of the rounds: for rows/s and requests/s more is better, for times less is.
"""


def machine() -> list[str]:
    """What the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return [
        f"- {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- Python {platform.python_version()}, mlbox {_mlbox_version()}, {libraries}",
        f"- {os.cpu_count()} cores, {memory:.0f} GiB of memory, {platform.system()} {platform.release()}",
        f"- load average before the start: {os.getloadavg()[0]:.2f}",
    ]


def _mlbox_version() -> str:
    from mlbox import __version__

    return __version__


def busy_seconds() -> tuple[float, float]:
    """CPU that the whole machine has used (what its host took away too), and what our children have."""
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:9])
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK"), own.ru_utime + own.ru_stime


def carry_out(file: Path) -> str:
    """What a file prints, shown while it comes; ends the whole when it fails."""
    print(f"\n== {file.name}", flush=True)
    began = time.perf_counter()
    lines: list[str] = []
    with subprocess.Popen([sys.executable, str(file)], stdout=subprocess.PIPE, text=True, env=_environment()) as child:
        assert child.stdout is not None
        for line in child.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if child.returncode:
        sys.exit(f"{file.name} ended with status {child.returncode}")
    print(f"({time.perf_counter() - began:.0f} s)", flush=True)
    return "".join(lines).strip()


def _environment() -> dict[str, str]:
    """The mlbox beside this folder, whatever is installed."""
    path = os.pathsep.join(filter(None, (str(HERE.parent), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, **({"MLBOX_BENCH_PEERS": "1"} if "--peers" in sys.argv else {})}


def main(names: list[str]) -> None:
    sys.path.insert(0, str(HERE.parent))
    files = [HERE / f"{name}.py" for name in names] or sorted(HERE.glob("bench_*.py"))
    head = machine()
    print("\n".join(head))
    began, (busy, own) = time.perf_counter(), busy_seconds()
    parts = [f"## {file.stem.removeprefix('bench_')}\n\n{carry_out(file)}\n" for file in files]
    seconds, (busy_now, own_now) = time.perf_counter() - began, busy_seconds()
    others = max(0.0, (busy_now - busy) - (own_now - own)) / seconds / (os.cpu_count() or 1)
    head.append(f"- all in {seconds:.0f} s, while others took {others:.0%} of the cores")
    print(f"\n{head[-1]}")
    if not names:
        RESULTS.write_text("\n".join([INTRODUCTION, *head, "", *parts]))
        print(f"written to {RESULTS}")


if __name__ == "__main__":
    main([name for name in sys.argv[1:] if name != "--peers"])
