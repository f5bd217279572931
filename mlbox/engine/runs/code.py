"""The user's files as one zip of the artifact store, and back."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from mlbox.engine.runs.source import Source
from mlbox.engine.storage.artifacts import ArtifactStore, Blob

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files make the same zip


def store(source: Source, artifacts: ArtifactStore) -> Blob:
    """Put the files of ``source`` into the store."""
    with tempfile.TemporaryDirectory(prefix="mlbox-code-") as temporary:
        folder = Path(temporary) / "code"
        source.copy_to(folder)
        target = Path(temporary) / "code.zip"
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
                entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                with path.open("rb") as stream, archive.open(entry, "w") as member:
                    shutil.copyfileobj(stream, member)
        return artifacts.put_path(target)


def unpack(digest: str, artifacts: ArtifactStore, folder: Path) -> None:
    """Put the files of a stored zip below ``folder``, complete or not at all; nothing to do when it is there."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with artifacts.open(digest) as stream, zipfile.ZipFile(stream) as archive:
            for entry in archive.infolist():
                path = Path(archive.extract(entry, temporary))  # extract() keeps names inside the folder
                if entry.external_attr >> 16 & 0o100:
                    path.chmod(0o755)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
