"""A Docker engine for tests and CI: the one that can be reached, else a private one that is started and stopped here.

    with engine(folder) as variables: ...      # what `mlbox up` needs in its environment

A private engine needs root, ``dockerd`` and ``iptables``; its data, socket and processes are in ``folder`` alone.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from engines import processes

USUAL = "unix:///var/run/docker.sock"
IMAGE = "mlbox-test-python:3"
_PROGRAMS = ("sh", "env", "sleep", "cat", "id", "rm", "mkdir")


def reachable() -> str:
    """Address of an engine that answers; empty: none."""
    for address in (os.environ.get("DOCKER_HOST", ""), USUAL):
        if address.startswith("unix://") and answers(address.removeprefix("unix://")):
            return address
        if address.startswith("tcp://"):
            return address
    return ""


def why_not() -> str:
    """Why there can be no engine here; empty: there can."""
    if reachable():
        return ""
    if os.geteuid() != 0:
        return "no Docker engine answers, and starting one needs root"
    missing = [name for name in ("dockerd", "iptables") if shutil.which(name) is None]
    return f"no Docker engine answers, and to start one there is no {' and no '.join(missing)}" if missing else ""


@contextmanager
def engine(folder: Path) -> Iterator[dict[str, str]]:
    """Settings of mlbox for an engine that has ``IMAGE``."""
    known = reachable()
    if known:
        make_image(known)
        yield _settings(known)
        return
    folder.mkdir(parents=True, exist_ok=True)
    short = Path(tempfile.mkdtemp(prefix="mlbox-docker-"))  # paths of sockets have at most 107 characters
    address = f"unix://{short}/docker.sock"
    storage = [] if _overlay_works(folder) else ["--storage-driver", "vfs"]
    command = ["dockerd", "--data-root", str(folder / "data"), "--exec-root", str(short / "exec")]
    command += ["-p", str(short / "pid"), "-H", address, "--exec-opt", "native.cgroupdriver=cgroupfs", *storage]
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        stop_by = time.monotonic() + 60
        while not answers(f"{short}/docker.sock"):
            if process.poll() is not None or time.monotonic() > stop_by:
                raise RuntimeError("dockerd did not start:\n" + (folder / "dockerd.log").read_text()[-3000:])
            time.sleep(0.1)
        make_image(address)
        yield _settings(address)
    finally:
        with suppress(OSError, ValueError):
            if int((short / "pid").read_text()) != process.pid:  # a test has started it again
                processes.Started.of(short / "pid").end()
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(short, ignore_errors=True)
        shutil.rmtree(folder / "data", ignore_errors=True)


def _settings(address: str) -> dict[str, str]:
    return {"MLBOX_DOCKER_HOST": address, "MLBOX_DOCKER_IMAGE": IMAGE}


def make_image(address: str) -> None:
    """``IMAGE`` out of this machine's Python, since a registry may be out of reach."""
    _make(address, IMAGE, ())


def make_base_image(address: str) -> None:
    """``BASE_IMAGE``: ``IMAGE`` with the shared libraries that usual images of Python have, for packages in C++."""
    import docker

    packages = Path(docker.__file__).parents[1]
    _make(address, BASE_IMAGE, [next(packages.glob(name)) for name in ("_duckdb*.so", "_cffi_backend*.so")])


def _make(address: str, image: str, binaries: Sequence[Path]) -> None:
    """An image with what the binaries want to be loaded, unless it is there."""
    import docker

    client = docker.DockerClient(base_url=address, timeout=600)
    try:
        client.images.get(image)
        return
    except docker.errors.ImageNotFound:
        pass
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            _fill(archive, binaries)
        file.seek(0)
        name, _, tag = image.partition(":")
        client.api.import_image(src=file, repository=name, tag=tag, changes=["ENV PATH=/usr/bin:/bin"])
    client.close()


BASE_IMAGE = "mlbox-test-base:1"
SERVING_IMAGE = "mlbox-test-serving:1"
_PACKAGES = """
granian litestar litestar_htmx multidict multipart _multipart polyfactory sniffio anyio idna httpx httpcore h11
certifi typing_extensions.py duckdb _duckdb*.so adbc_driver_duckdb pyarrow pyarrow.libs onnxruntime numpy numpy.libs
msgspec cryptography cffi _cffi_backend*.so uvloop yaml _yaml sqlglot lmdb uv click rich markdown_it mdurl pygments
fsspec pytz dateutil six.py flatbuffers google packaging docker requests urllib3 charset_normalizer apscheduler
tzlocal opentelemetry
"""
"""What a replica imports."""


def make_serving_image(address: str) -> None:
    """``SERVING_IMAGE``: ``IMAGE`` with this mlbox, of which each call makes a new one.

    Compiled as it is here: replicas with a fifth of a processor would else take minutes to start on a busy machine.
    """
    import docker
    import uv

    packages = Path(docker.__file__).parents[1]
    root = Path(__file__).resolve().parents[2]
    client = docker.DockerClient(base_url=address, timeout=600)
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            _fill(archive)
            libraries: list[Path] = []
            for pattern in _PACKAGES.split():
                for path in packages.glob(pattern):
                    archive.add(path, f"site/{path.name}", filter=_no_tests)
                    libraries += [path] if path.is_file() and path.suffix == ".so" else path.rglob("*.so*")
            for path in sorted(_libraries(libraries)):
                if not path.startswith(str(packages)) and path.lstrip("/") not in archive.getnames():
                    archive.add(os.path.realpath(path), path.lstrip("/"))
            for path in packages.glob("*.dist-info"):
                archive.add(path, f"site/{path.name}")
            archive.add(root / "mlbox", "site/mlbox", filter=_no_pages)
            archive.add(uv.find_uv_bin(), "usr/bin/uv")
            _text(archive, "usr/bin/mlbox", '#!/bin/sh\nexec python3 -m mlbox "$@"\n', 0o755)
        file.seek(0)
        name, _, tag = SERVING_IMAGE.partition(":")
        changes = ["ENV PATH=/usr/bin:/bin", "ENV PYTHONPATH=/site", "ENV PYTHONDONTWRITEBYTECODE=1"]
        client.api.import_image(src=file, repository=name, tag=tag, changes=changes)
    client.close()


def _no_tests(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    name = entry.name.rpartition("/")[2]
    return None if name in {"test", "tests"} else entry


def _no_pages(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.endswith("mlbox/ui/web") else entry


def _fill(archive: tarfile.TarFile, more: Sequence[Path] = ()) -> None:
    """The interpreter with its library, the shared libraries of all, a shell and a few programs."""
    import sys

    import uv

    interpreter = Path(os.path.realpath(sys.executable))
    prefix = Path(sys.base_prefix)
    for name, mode in (("tmp", 0o1777), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755), ("root", 0o755)):
        _folder(archive, name, mode)
    for name, target in (("bin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")):
        _folder(archive, target, 0o755)
        _link(archive, name, target)
    _text(archive, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    _text(archive, "etc/group", "root:x:0:\n")
    binaries = [interpreter, Path(uv.find_uv_bin()), *more]
    for program in _PROGRAMS:
        path = shutil.which(program)
        assert path is not None
        binaries.append(Path(path))
        archive.add(os.path.realpath(path), f"usr/bin/{program}")
    library = prefix / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    binaries += library.rglob("lib-dynload/*.so")
    for path in sorted(_libraries(binaries)):
        archive.add(os.path.realpath(path), path.lstrip("/"))
    archive.add(interpreter, str(interpreter).lstrip("/"))
    for link in ("python3", "python"):
        if interpreter != Path("/usr/bin") / link:
            _link(archive, f"usr/bin/{link}", str(interpreter))
    archive.add(library, str(library).lstrip("/"), filter=_needed)
    pip = library / "site-packages" / "pip"
    if pip.is_dir():
        archive.add(pip, str(pip).lstrip("/"))


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    left_out = {"test", "tests", "site-packages", "dist-packages", "idlelib", "ensurepip", "tkinter"}
    name = entry.name.rpartition("/")[2]
    return None if name in left_out or name.startswith("config-3") else entry


def _libraries(binaries: list[Path]) -> set[str]:
    said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    words = [word for line in said.splitlines() if line.startswith("\t") for word in line.split()]
    return {word for word in words if word.startswith("/")}


def _folder(archive: tarfile.TarFile, name: str, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    archive.addfile(entry)


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    archive.addfile(entry)


def _text(archive: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    import io

    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(text), mode
    archive.addfile(entry, io.BytesIO(text.encode()))


def answers(path: str) -> bool:
    """Whether an engine does at this socket."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            probe.connect(path)
            probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b"200" in probe.recv(100)
    except OSError:
        return False


def _overlay_works(folder: Path) -> bool:
    """Not on top of another overlay."""
    said = subprocess.run(["stat", "-f", "-c", "%T", str(folder)], capture_output=True, text=True, check=False).stdout
    return "overlay" not in said
