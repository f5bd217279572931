"""Makes ``dist/mlbox_client-<version>-py3-none-any.whl``: the SDK that user code imports, and nothing else.

For containers and clusters, where ``import mlbox`` must work and the platform is not wanted. The same sources give the
same bytes. Standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOMENT = (1980, 1, 1, 0, 0, 0)

METADATA = """\
Metadata-Version: 2.4
Name: mlbox-client
Version: {version}
Summary: The SDK of mlbox that user code imports: standard library only
License-Expression: Apache-2.0
License-File: LICENSE
Requires-Python: >=3.9

The module `mlbox` without the platform. Install either this or `mlbox`, not both: they hold the same module.
"""

WHEEL = """\
Wheel-Version: 1.0
Generator: mlbox
Root-Is-Purelib: true
Tag: py3-none-any
"""


def version() -> str:
    """Of the package."""
    text = (ROOT / "mlbox/__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    if found is None:
        raise SystemExit("mlbox/__init__.py names no version")
    return found[1]


def contents() -> dict[str, bytes]:
    """Name in the wheel → bytes, without the record."""
    sources = [ROOT / "mlbox/__init__.py", *sorted((ROOT / "mlbox/client").rglob("*.py"))]
    files = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sources}
    info = f"mlbox_client-{version()}.dist-info"
    files[f"{info}/METADATA"] = METADATA.format(version=version()).encode()
    files[f"{info}/WHEEL"] = WHEEL.encode()
    files[f"{info}/licenses/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    return files


def record(files: dict[str, bytes], name: str) -> bytes:
    """Hash and size of each file, as installers check them."""
    lines = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    return "\n".join([*lines, f"{name},,", ""]).encode()


def build(folder: Path) -> Path:
    """Write the wheel into ``folder``."""
    files = contents()
    name = f"mlbox_client-{version()}.dist-info/RECORD"
    files[name] = record(files, name)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"mlbox_client-{version()}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, MOMENT), data, zipfile.ZIP_DEFLATED)
    return target


def main() -> int:
    """Into ``dist/``, or the folder that is named."""
    target = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
