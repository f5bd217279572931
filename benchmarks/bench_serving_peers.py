"""How do other servers of models do with the same model, the same requests, the same core?

Run by ``make bench ARGS="bench_serving_peers --peers"``: it makes environments of their own for them in
``~/.cache/mlbox-bench`` (or where ``MLBOX_BENCH_CACHE`` says), which takes some minutes and 2 GB the first time.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench_serving import NAMES, inputs, matrix, models
from load import apart, descendants, memory_mb
from report import folder, from_tests
from serving_target import Target, bare_server, check, take_turns

CONNECTIONS = (16, 64)
ROUNDS = 3
PATIENCE = 60
"""Seconds until a server must have answered."""
PEERS = {
    "fastapi": ("fastapi", "uvicorn[standard]"),
    "kserve": ("kserve",),
    "mlserver": ("mlserver",),
    "litserve": ("litserve",),
    "bentoml": ("bentoml",),
}
"""By the name in ``serving_peer.py``: what it is installed from, with onnxruntime."""
DEFINITIONS = f"""
CREATE MODEL m FROM 'model.onnx' INPUT ({inputs(NAMES)});
CREATE ENDPOINT logged USING MODEL m LOG ALL;
"""


@dataclass
class Found:
    """A server that runs: what is asked of it, how long it took to its first answer, and what it is."""

    target: Target
    seconds: float
    version: str


def cache() -> Path:
    return Path(os.environ.get("MLBOX_BENCH_CACHE") or Path.home() / ".cache" / "mlbox-bench")


def environment(name: str) -> tuple[str, str]:
    """Its Python, made at first use, and the versions of what is in it; raises ``CalledProcessError``."""
    place = cache() / name
    python = place / "bin" / "python"
    if not (place / ".done").exists():
        print(f"installing {name} into {place}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        command = [str(python), "-m", "pip", "install", "-q", *PEERS[name], "onnxruntime"]
        subprocess.run(command, check=True, stdout=sys.stderr)
        (place / ".done").touch()
    package = PEERS[name][0]
    code = f"from importlib.metadata import version as v; print({package!r}, v({package!r}))"
    return str(python), subprocess.run(
        [str(python), "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def first_answer(url: str, body: bytes, process: subprocess.Popen[bytes] | None) -> None:
    """Wait for it; raises ``TimeoutError``."""
    until = time.monotonic() + PATIENCE
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    while time.monotonic() < until:
        with suppress(OSError, urllib.error.URLError), urllib.request.urlopen(request, timeout=30) as answer:
            if answer.status == 200:
                return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.02)
    raise TimeoutError(f"{url} has not answered")


@contextmanager
def peer(name: str, model: Path, body: bytes) -> Iterator[Found]:
    """One of the others."""
    python, version = environment(name)
    port = free_port()
    ports = f"{port},{free_port()}" if name == "mlserver" else str(port)
    command = [python, str(Path(__file__).with_name("serving_peer.py")), name, str(model), ports]
    began = time.perf_counter()
    log = (model.parent / f"{name}.log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, process_group=0, cwd=model.parent)
    try:
        url = f"http://127.0.0.1:{port}/v2/models/m/infer"
        first_answer(url, body, process)
        yield Found(Target(name, url, body, process.pid, CONNECTIONS), time.perf_counter() - began, version)
    finally:
        for member in (*descendants(process.pid), process.pid):  # BentoML's worker has a session of its own
            with suppress(ProcessLookupError):
                os.kill(member, 9)
        process.wait()


@contextmanager
def ours(model: Path, body: bytes) -> Iterator[Found]:
    """mlbox with its prediction log, started on a home that has the endpoint."""
    from mlbox import __version__

    place = model.parent
    server = from_tests("real_server").Server(place / "home")
    status, _, content = server.request("POST", "/sql", {"sql": DEFINITIONS, "folder": str(place)})
    if status != 200:
        raise RuntimeError(content.decode())
    server.stop()
    began = time.perf_counter()
    server.start()
    try:
        url = f"{server.url}/v2/models/logged/infer"
        first_answer(url, body, None)
        seconds = time.perf_counter() - began
        target = Target("mlbox, with log", url, body, server.process.pid, CONNECTIONS, 0.4)
        yield Found(target, seconds, f"mlbox {__version__}")
    finally:
        server.stop()


@contextmanager
def bound(model: Path, body: bytes) -> Iterator[Found]:
    """The model behind a raw ASGI application."""
    began = time.perf_counter()
    with bare_server(model) as (url, process):
        first_answer(url, body, None)
        yield Found(Target("bound", url, body, process, CONNECTIONS), time.perf_counter() - began, "granian")


def measure(place: Path) -> None:
    model = models(place)
    made = from_tests("onnx_models")
    row = [float(value) for value in made.np.sin(7 + made.np.arange(len(NAMES)))]
    body = matrix(row)
    with ExitStack() as stack:
        found = [stack.enter_context(ours(model, body)), stack.enter_context(bound(model, body))]
        for name in PEERS:
            try:
                found.append(stack.enter_context(peer(name, model, body)))
            except (subprocess.CalledProcessError, TimeoutError, OSError) as error:
                print(f"{name} was not measured: {error}\n")
                log = model.parent / f"{name}.log"
                print(log.read_text()[-2000:] if log.exists() else "", file=sys.stderr)
        targets = [each.target for each in found]
        check(targets)
        take_turns(targets, ROUNDS, place)
        tell(found, [memory_mb(target.process) for target in targets])


def tell(found: list[Found], memory: list[float]) -> None:
    print(
        "**How do others do on the same core?** Ratio: requests/s of mlbox with its log over theirs, 64 connections.\n"
    )
    print("| server | 16 connections | 64 connections | p50 | p99 | CPU a request | memory | first answer | ratio |")
    print("| ------ | -------------: | -------------: | --: | --: | ------------: | -----: | -----------: | ----: |")
    first = median(found[0].target.requests[64])
    for each, megabytes in zip(found, memory, strict=True):
        target = each.target
        rates = " | ".join(f"{median(target.requests[number]):,.0f}/s" for number in CONNECTIONS)
        p50, p99, cpu = (median(part[64]) for part in (target.p50, target.p99, target.cpu))
        ratio = first / median(target.requests[64])
        name = each.version if each.version != "granian" else "bound (a raw ASGI application)"
        times = f"{p50:.1f} ms | {p99:.1f} ms | {cpu:,.0f} µs"
        print(f"| {name} | {rates} | {times} | {megabytes:.0f} MB | {each.seconds:.1f} s | {ratio:.2f} |")
    print("\np50 and p99 at 64 connections. Memory: the proportional share of all its processes after the load.\n")


if __name__ == "__main__":
    if os.environ.get("MLBOX_BENCH_PEERS"):
        apart()
        with folder() as place:
            measure(place)
    else:
        print(
            'Not measured now: `make bench ARGS="bench_serving_peers --peers"` installs the other servers and does.\n'
        )
