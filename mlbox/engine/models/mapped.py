"""Models with large weights as files that several processes map into memory, so that all of them hold one copy.

ONNX Runtime copies what is in a model's own file, and once more when it lays weights out for its kernels. It maps what
lies in a file beside it, and can write such a file itself: the optimized graph, with weights as its kernels want them.
That file is of this version and this processor, and can be made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mlbox.base.errors import MlboxError
from mlbox.base.home import Home

_log = logging.getLogger("mlbox.models")
LARGE = 4 << 20
"""Bytes from which on a model is worth a file of its own."""

WEIGHTS = "weights.bin"
MODEL = "model.onnx"
_SMALLEST = 1 << 12
"""Bytes of a weight that is put into the file beside."""


class MappedModels:
    """A folder of them, made at first use by whichever process comes first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, home: Home) -> MappedModels:
        """Those of a home."""
        return cls(home.cache / "mapped")

    def find(self, digest: str, read: Callable[[], bytes]) -> Path | None:
        """The file to load a model from, of which ``read`` gives the bytes; ``None`` where it would share nothing, or
        cannot be made."""
        place = self._folder / f"{digest}-{_maker()}"
        try:
            if not place.is_dir():
                content = read()
                if len(content) < LARGE:
                    return None
                self._folder.mkdir(parents=True, exist_ok=True)
                self._make(place, content)
            os.utime(place)  # when it was last of use, for those who collect garbage
        except (OSError, MlboxError) as error:
            _log.warning("the weights of model %s are not shared: %s", digest[:12], error)
            return None
        return place / MODEL if (place / WEIGHTS).is_file() else None

    def unneeded(self, digests: Collection[str], before: float) -> Iterator[tuple[Path, str]]:
        """What may be deleted, and why: of models that are not among ``digests``, made by or for others than us, what a
        broken process has left, and what nobody has loaded since ``before`` (seconds since 1970). Who has it mapped
        keeps it; it is made again when it is needed."""
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            digest, _, maker = path.name.partition("-")
            with suppress(OSError):  # somebody else has just deleted it
                if path.suffix:
                    if path.stat().st_mtime < before:
                        yield path, "the process that made it is not there any more"
                elif digest not in digests:
                    yield path, "there is no such model any more"
                elif maker != _maker():
                    yield path, "of another version of ONNX Runtime, or another processor"
                elif path.stat().st_mtime < before:
                    yield path, "not used for long"

    def _make(self, place: Path, content: bytes) -> None:
        with open(place.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait for the first
            if place.is_dir():
                return
            building = place.with_suffix(".new")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            try:
                _write(content, building)
                weights = building / WEIGHTS
                if not weights.is_file() or weights.stat().st_size < len(content) // 2:  # trees, which are no weights
                    for file in building.iterdir():
                        file.unlink()
                building.rename(place)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        with suppress(OSError):
            place.with_suffix(".lock").unlink()


def _write(content: bytes, folder: Path) -> None:
    from mlbox.engine.models.sessions import options_of, session_of

    options = options_of()
    options.optimized_model_filepath = str(folder / MODEL)
    for name, value in (
        ("session.optimized_model_external_initializers_file_name", WEIGHTS),
        ("session.optimized_model_external_initializers_min_size_in_bytes", str(_SMALLEST)),
        ("session.save_external_prepacked_constant_initializers", "1"),
    ):
        options.add_session_config_entry(name, value)
    session_of(content, options)


@cache
def _maker() -> str:
    """What a file is good for: this version of ONNX Runtime, and processors like this one."""
    import onnxruntime as ort

    about: list[Any] = [ort.__version__, platform.machine()]
    with suppress(OSError), open("/proc/cpuinfo") as file:
        about += sorted({line.strip() for line in file if line.startswith(("flags", "Features", "model name"))})
    return hashlib.sha256(os.fsencode(repr(about))).hexdigest()[:12]
