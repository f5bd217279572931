"""Builds the executable, ``dist/mlbox/mlbox``: ``make build``."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "dist" / "mlbox"


def size_mb(folder: Path) -> float:
    """Megabytes on disk; links count nothing."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def main() -> int:
    """Run PyInstaller and tell what came out."""
    if not (ROOT / "mlbox/ui/static/index.html").is_file():
        print("error: the dashboard is not built\nhint: make ui", file=sys.stderr)
        return 1
    began = time.monotonic()
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", str(ROOT / "dist"), "--workpath", str(ROOT / "build/pyinstaller")]
    status = subprocess.run([*command, str(ROOT / "packaging/mlbox.spec")], cwd=ROOT, check=False).returncode
    if status:
        return status
    print(f"dist/mlbox: {size_mb(FOLDER):.0f} MB in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
