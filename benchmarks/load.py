"""Load on an HTTP server over kept connections: wrk where it is on PATH, else a small client of our own."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = %s
done = function(summary, latency, requests)
    local wrong = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
    io.write(string.format('\\n{"requests": %%d, "wrong": %%d, "microseconds": %%d, "p50": %%d, "p99": %%d}\\n',
        summary.requests, wrong, summary.duration, latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What came back in how many seconds."""

    requests: int
    seconds: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    """0 where the tool does not tell."""


def tool() -> str:
    """What sends the requests."""
    return "wrk" if shutil.which("wrk") else "a client in Python, which is slower than wrk"


def apart() -> None:
    """Keep this process and those that it starts on the last core; the load goes to the first one."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _first_core() -> None:
    os.sched_setaffinity(0, {0})


def send(url: str, body: bytes, connections: int, seconds: int, place: Path, spare: float = 0.0) -> Load:
    """The same POST again and again; any answer but 200 ends the benchmark, of a peer more than the share ``spare``."""
    if shutil.which("wrk") is None:
        return asyncio.run(_send(url, body, connections, seconds))
    script = place / "post.lua"
    script.write_text(SCRIPT % json.dumps(body.decode()))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script), url]
    first = _first_core if len(os.sched_getaffinity(0)) == 1 and (os.cpu_count() or 1) > 1 else None
    done = subprocess.run(command, capture_output=True, text=True, check=True, preexec_fn=first)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if found["wrong"] > spare * found["requests"] or not found["requests"]:
        raise RuntimeError(f"{url}: {done.stdout}")
    return Load(found["requests"], found["microseconds"] / 1e6, found["p50"] / 1000, found["p99"] / 1000)


async def _send(url: str, body: bytes, connections: int, seconds: float) -> Load:
    parts = urlsplit(url)
    head = f"POST {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    began = time.perf_counter()
    until = began + seconds

    async def one() -> int:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        count = 0
        while time.perf_counter() < until:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{url}: {answer.decode()}")
            length = next(line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            count += 1
        writer.close()
        return count

    counts = await asyncio.gather(*(one() for _ in range(connections)))
    return Load(sum(counts), time.perf_counter() - began)


def cpu_seconds(process: int) -> float:
    """What a process and its children that are alive have used so far."""
    used = 0.0
    for member in (process, *descendants(process)):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        used += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used


def memory_mb(process: int) -> float:
    """Memory of a process and its children, what they share counted once (proportional set size)."""
    found = 0.0
    for member in (process, *descendants(process)):
        try:
            text = Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:  # it has just ended
            continue
        found += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024
    return found


def descendants(process: int) -> list[int]:
    """Processes that it has started, and those that these have."""
    children = _children(process)
    return children + [each for child in children for each in descendants(child)]


def _children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task").glob("*/children")
    return [int(number) for file in found for number in file.read_text().split()]
