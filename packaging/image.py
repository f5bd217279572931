"""Builds the image of mlbox on a Docker engine, without a registry of ours: ``make image``.

    python packaging/image.py --tag shop/mlbox:1 --with 'scikit-learn==1.9.0'

The wheel of this checkout and what it needs are put together here, for the Python and the machine of the base image,
and copied in; nothing is installed while the image is built, so that it needs no network.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mlbox.engine.runs.uv import find_uv, uv_environment

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "image"
EXTRAS = (
    *("docker", "kubernetes", "redis", "kafka", "rabbitmq"),
    *("postgres", "mysql", "delta", "remote", "tune", "vectors"),
)
"""What a server in a container may be asked for."""

PROGRAM = '#!/bin/sh\nexec python3 -m mlbox "$@"\n'
_ASKED = "import platform, sys; print('%d.%d' % sys.version_info[:2], platform.machine())"


class Failed(Exception):
    """What went wrong, for the one who builds."""


def main() -> int:
    """Build, and tell what came out."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tag", default="mlbox:latest", help="name of the image (default mlbox:latest)")
    parser.add_argument("--base", default="python:3.11-slim", help="image with Python 3.11 or later that it stands on")
    parser.add_argument("--with", dest="more", action="append", default=[], metavar="PACKAGE", help="a package besides")
    parser.add_argument("--without", action="append", default=[], choices=EXTRAS, help="an extra to leave out")
    options = parser.parse_args()
    began = time.monotonic()
    try:
        size = build(options.tag, options.base, options.more, [one for one in EXTRAS if one not in options.without])
    except Failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.tag}: {size / 1e6:.0f} MB in {time.monotonic() - began:.0f} s")
    return 0


def build(tag: str, base: str, more: list[str], extras: list[str]) -> int:
    """Make the image; its size in bytes."""
    import docker

    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except docker.errors.DockerException as error:
        raise Failed(
            f"no Docker engine answers: {error}\nhint: start it, or say where it is with DOCKER_HOST"
        ) from None
    version, machine = _asked(client, base)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    wheel = _wheel()
    _install(f"mlbox[{','.join(extras)}] @ file://{wheel}", more, version, machine)
    (FOLDER / "mlbox").write_text(PROGRAM)
    (FOLDER / "mlbox").chmod(0o755)
    shutil.copy(ROOT / "packaging" / "Dockerfile", FOLDER)
    (FOLDER / ".dockerignore").write_text("*.whl\n")
    try:
        image, _ = client.images.build(path=str(FOLDER), tag=tag, buildargs={"BASE": base}, rm=True)
    except docker.errors.BuildError as error:
        said = "".join(str(line.get("stream") or line.get("error") or "") for line in error.build_log)
        raise Failed(f"the image cannot be built: {error}\n{said[-2000:]}") from None
    return int(image.attrs["Size"])


def _asked(client: Any, base: str) -> tuple[str, str]:
    """Version and machine of the base image's Python."""
    import docker

    try:
        said = client.containers.run(base, entrypoint=["python3", "-c", _ASKED], command=[], remove=True)
    except docker.errors.DockerException as error:
        raise Failed(f"the base image {base} cannot be used: {error}\nhint: --base, an image with python3") from None
    version, machine = said.decode().split()
    if tuple(map(int, version.split("."))) < (3, 11):
        raise Failed(f"the base image {base} has Python {version}\nhint: mlbox needs 3.11 or later")
    return version, machine


def _wheel() -> Path:
    _run(_uv(), "build", "--wheel", "--quiet", "--out-dir", str(FOLDER), str(ROOT))
    (wheel,) = FOLDER.glob("mlbox-*.whl")
    return wheel


def _install(mlbox: str, more: list[str], version: str, machine: str) -> None:
    """For an interpreter that is not here."""
    command = [_uv(), "pip", "install", "--quiet", "--target", str(FOLDER / "site"), "--python-version", version]
    command += ["--python-platform", f"{machine}-manylinux_2_28", "--only-binary", ":all:", "--link-mode", "copy"]
    _run(*command, mlbox, *more)
    for path in (FOLDER / "site" / "bin").iterdir():
        if path.name != "uv":  # scripts name the interpreter of this machine
            path.unlink()


def _uv() -> str:
    return str(find_uv())


def _run(*command: str) -> None:
    done = subprocess.run(
        command, cwd=ROOT, env=uv_environment(os.environ), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"{' '.join(command[:4])} …:\n{done.stderr[-3000:]}")


if __name__ == "__main__":
    sys.exit(main())
