"""A wheel that no index has: ``tiny-thing`` 1.0, whose module says 42."""

from __future__ import annotations

import zipfile
from pathlib import Path

WHEEL = "tiny_thing-1.0-py3-none-any.whl"


def make_wheel(folder: Path) -> Path:
    """In ``folder/wheels``, which it makes."""
    path = folder / "wheels" / WHEEL
    path.parent.mkdir()
    info = "tiny_thing-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_thing.py", "ANSWER = 42\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"tiny_thing.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path
