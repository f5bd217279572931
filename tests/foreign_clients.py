"""Clients of others whose libraries want other versions than ours: each in an environment of its own, made once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = {
    "kserve": ["kserve>=0.21,<0.22"],
    "mlserver": ["mlserver>=1.7.1,<1.8", "pandas"],
    "fakellm": ["fakellm>=0.3.5,<0.4"],
}
ROOT = Path(__file__).resolve().parents[1]


def _folder(name: str) -> Path:
    kind = f"{sys.version_info.major}.{sys.version_info.minor}"
    return ROOT / ".venv" / "clients" / f"{name}-{kind}"


def python_of(name: str) -> Path:
    """The interpreter of the environment."""
    return _folder(name) / "bin" / "python"


def why_not(name: str) -> str:
    """Make the environment where it is not there yet; what kept it from being made, empty: it is there."""
    folder = _folder(name)
    done = folder / "made"
    wanted = " ".join(REQUIREMENTS[name])
    if done.is_file() and done.read_text() == wanted:
        return ""
    uv = str(Path(sys.executable).with_name("uv"))
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(python_of(name)), *REQUIREMENTS[name]],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            told = [line.strip() for line in ran.stderr.splitlines() if line.strip()]
            return f"{wanted} cannot be installed: {' '.join(told[-3:])[-300:]}"
    done.write_text(wanted)
    return ""
