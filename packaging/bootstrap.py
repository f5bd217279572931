"""Makes ``.venv`` from ``uv.lock`` with nothing but a Python 3.11 or later.

    python3 packaging/bootstrap.py [EXTRA …]

Run by the host's interpreter before anything is installed, so: standard library only, and what of mlbox needs no more.
"""

import hashlib
import io
import os
import platform
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)


def main() -> int:
    """Environment, then uv in it, then what is locked."""
    if sys.version_info < OLDEST:
        return fail(f"Python {platform.python_version()} is too old; mlbox needs {OLDEST[0]}.{OLDEST[1]} or later")
    sys.path.insert(0, str(ROOT))
    from mlbox.engine.runs.uv import trust_the_system  # what an older Python cannot read, and needs nothing installed

    if not usable():
        print(f"making .venv with Python {platform.python_version()}", flush=True)
        # without pip, because Debian's python3 can make an environment and lacks the part that puts pip into it
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)])
    uv = find_uv()
    if uv is None:
        return fail(
            "uv could not be installed: this Python has no pip, and the package index did not answer",
            "install pip (Debian: apt-get install python3-venv), or set PYTHON=/path/to/another/python3",
        )
    extras = [argument for name in sys.argv[1:] for argument in ("--extra", name)]
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(VENV), "UV_PYTHON_DOWNLOADS": "never"}
    trust_the_system(environment)
    environment["MLBOX_WITHOUT_UI"] = "1"  # the dashboard is a step of its own, where its progress shows
    environment.pop("VIRTUAL_ENV", None)
    # inexact: what `make test` has added stays when `make setup` runs again
    command = [uv, "sync", "--frozen", "--inexact", "--python", str(PYTHON), *extras]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def usable() -> bool:
    """Whether ``.venv`` has a Python that answers and is new enough."""
    question = f"import sys; sys.exit(sys.version_info < {OLDEST!r})"
    try:
        return subprocess.run([str(PYTHON), "-c", question], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def find_uv() -> "str | None":
    """The locked uv in ``.venv``: there already, or by pip, or from the address in the lock where there is no pip."""
    binary = VENV / "bin" / "uv"
    package = locked("uv")
    wanted = f"uv=={package['version']}"
    if binary.is_file() and package["version"] in output([str(binary), "--version"]).split():
        return str(binary)
    pip = [sys.executable, "-m", "pip"]
    if output([str(PYTHON), "-m", "ensurepip"]):
        pip = [str(PYTHON), "-m", "pip"]
    install = [*pip, "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    target = [] if pip[0] == str(PYTHON) else ["--prefix", str(VENV), "--ignore-installed"]
    if output([*pip, "--version"]) and subprocess.run([*install, *target, wanted], check=False).returncode == 0:
        return str(binary)
    return unpack(package, binary)


def unpack(package: dict, binary: Path) -> "str | None":
    """Fetch the wheel that the lock names, check its hash, take the binary out."""
    libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    wanted = ("macosx", platform.machine()) if sys.platform == "darwin" else (libc, platform.machine())
    for wheel in package["wheels"]:
        name = wheel["url"].rpartition("/")[2]
        if not all(part in name for part in wanted):
            continue
        try:
            with urllib.request.urlopen(wheel["url"], timeout=60) as response:
                data = response.read()
        except OSError as error:
            print(f"{wheel['url']}: {error}", file=sys.stderr)
            return None
        if "sha256:" + hashlib.sha256(data).hexdigest() != wheel["hash"]:
            print(f"{name} is not what the lock names", file=sys.stderr)
            return None
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = next(entry for entry in archive.namelist() if entry.endswith(".data/scripts/uv"))
            binary.write_bytes(archive.read(member))
        binary.chmod(0o755)
        return str(binary)
    return None


def locked(name: str) -> dict:
    """What ``uv.lock`` says of a package."""
    import tomllib

    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    return next(package for package in packages if package["name"] == name)


def output(command: "list[str]") -> str:
    """What a command prints; nothing when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr or "done") if done.returncode == 0 else ""


def run(command: "list[str]") -> None:
    """A step that must succeed."""
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(status)


def fail(message: str, hint: str = "") -> int:
    """Say what is wrong and what to do."""
    print(f"error: {message}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
