"""What an archive says of itself: ``manifest.json``, with the hash of every other file.

{"format": 1, "mlbox": "0.1", "project": "shop", "comment": .., "owner": .., "options": {..}, "runs": true,
 "migrations": {"catalog": 12, "data": 3},
 "files": {"tables/tx.parquet": {"sha256": "..", "size": 123}, ..},
 "catalog": {"runs": "rows/runs.parquet", ..}, "data": {..},
 "schema": [{"name": "tx", "kind": "table", "sql": "CREATE TABLE ..", "file": "tables/tx.parquet"}, ..],
 "sets": [{"table": "spending@1", "sql": "..", "file": "feature_sets/spending@1.parquet"}, ..],
 "blobs": {"models/m@1.onnx": "<sha256>", ..}}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mlbox.base.errors import Invalid

FORMAT = 1
NAME = "manifest.json"
SCRIPT = "project.sql"


@dataclass(slots=True, kw_only=True)
class Manifest:
    """See above."""

    project: str
    mlbox: str
    format: int = FORMAT
    comment: str | None = None
    owner: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    created_at: str = ""
    runs: bool = True
    migrations: Mapping[str, int] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    catalog: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    schema: list[dict[str, Any]] = field(default_factory=list)
    sets: list[dict[str, Any]] = field(default_factory=list)
    blobs: dict[str, str] = field(default_factory=dict)

    def seal(self, folder: Path) -> None:
        """Hash all files of ``folder`` and write the manifest beside them."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.files[path.relative_to(folder).as_posix()] = _fingerprint(path)
        (folder / NAME).write_text(json.dumps(asdict(self), indent=1, default=str) + "\n")


def read(folder: Path, migrations: Mapping[str, int]) -> Manifest:
    """The manifest of an unpacked archive, every file compared with it. ``Invalid`` says what does not fit."""
    try:
        body = json.loads((folder / NAME).read_text())
        known = {entry.name for entry in fields(Manifest)}
        manifest = Manifest(**{name: value for name, value in body.items() if name in known})
    except (OSError, ValueError, TypeError) as error:
        raise Invalid(f"{NAME} of the archive cannot be read: {error}", hint="export the project again") from None
    newer = [name for name, number in manifest.migrations.items() if number > migrations.get(name, 0)]
    if manifest.format > FORMAT or newer:
        raise Invalid(
            f"the archive was written by a newer mlbox ({manifest.mlbox})", hint="apply it with that version, or update"
        )
    for name, told in manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise Invalid(f"{name!r} leaves the archive")
        if not path.is_file():
            raise Invalid(f"the archive is not whole: {name} is missing", hint="copy it again")
        if _fingerprint(path) != told:
            raise Invalid(
                f"the archive was changed: {name} does not have the hash that {NAME} tells",
                hint=f"copy it again; to apply changed statements, put {SCRIPT} alone into a folder",
            )
    return manifest


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        return {"sha256": hashlib.file_digest(stream, "sha256").hexdigest(), "size": path.stat().st_size}
