"""Images of functions: a base image, shell commands and requirements, made once and kept by the hash of all three.

They are installed in a container of the base image, which is then committed under a local tag. So the host's package
index, its credentials and its wheelhouse are used and leave no trace in the image, as they would in a build's layers.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shlex
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.engine.runs.executors.docker_engine import Engine, is_missing, told
from mlbox.engine.runs.executors.endings import write_json
from mlbox.engine.runs.interpreters import host_python, probe, satisfies
from mlbox.engine.runs.package_sources import PackageSources
from mlbox.engine.runs.uv import find_uv

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.runs.executors.base import LogSink

_REPOSITORY = "mlbox-function"
_FOLDER = "/mlbox-build"
_REMOVE = f"rm -rf {_FOLDER} 2>/dev/null || python3 -c \"import shutil; shutil.rmtree('{_FOLDER}')\""
_PATIENCE_SECONDS = 0.5
_NEWEST, _OLDEST = 13, 9
_AWAY = ("dial tcp", "timeout", "connection refused", "no such host", "network is unreachable", "i/o timeout")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of."""

    base: str
    commands: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the base image is all."""
        return not self.commands and not self.requirements

    def tag(self, base_id: str) -> str:
        """The local tag; ``base_id`` is the content of the base image, so that another one makes another image."""
        text = json.dumps([1, base_id, self.commands, sorted(self.requirements)])
        return f"{_REPOSITORY}:{hashlib.sha256(text.encode()).hexdigest()[:20]}"

    def steps(self) -> str:
        """How it is made, for people."""
        parts = [f"from {self.base}", *(f"run {command}" for command in self.commands)]
        if self.requirements:
            parts.append(f"install {', '.join(self.requirements)}")
        return "; ".join(parts)


class Images:
    """Finds and makes images. Safe in threads: one image is made by one of them."""

    def __init__(self, engine: Engine, settings: Settings, used_file: Path, owner: str) -> None:
        self._engine = engine
        self._settings = settings
        self._used_file = used_file
        """Tag → when it was last used by this home, since an engine does not know."""
        self._owner = owner
        """Label of this home's containers."""
        self._building: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def recipe(
        self, image: str | None, python: str | None, requirements: tuple[str, ...], commands: tuple[str, ...]
    ) -> Recipe:
        """``image``, else the setting, else the slim image of ``python`` (a version or a range), else of the host's."""
        kept = tuple(line.strip() for line in requirements if line.strip())
        base = image or self._settings.docker_image
        return Recipe(base or default_image(python, self._settings.python), commands, kept)

    def foresee(self, recipe: Recipe) -> list[tuple[str, str, str]]:
        """The step of a plan; an engine that does not answer is told in it."""
        if recipe.plain:
            return [("reuse", f"image {recipe.base}", "pulled when the engine does not have it")]
        try:
            base = self._id(recipe.base)
            if base is None:
                return [("create", "image", f"{recipe.steps()}; {recipe.base} is pulled first")]
            tag = recipe.tag(base)
            return [("create" if self._id(tag) is None else "reuse", f"image {tag}", recipe.steps())]
        except MlboxError as error:
            return [("create", "image", f"{recipe.steps()} ({error.message})")]

    def ready(self, recipe: Recipe, sink: LogSink) -> str:
        """The image's name on the engine, pulled and made when it is not there. Told to ``sink``; if that raises,
        making stops. ``Invalid`` with the installer's words when it cannot be made."""
        base = self._id(recipe.base)
        if base is None:
            self._pull(recipe.base, sink)
            base = self._id(recipe.base)
        if recipe.plain or base is None:
            return recipe.base
        tag = recipe.tag(base)
        with self._lock:
            lock = self._building.setdefault(tag, threading.Lock())
        while not lock.acquire(timeout=_PATIENCE_SECONDS):
            sink.write("")
        try:
            if self._id(tag) is None:
                sink.write(f"building image {tag}: {recipe.steps()}\n")
                self._build(recipe, tag, sink)
        finally:
            lock.release()
        self._note_used(tag)
        return tag

    def is_building(self, tag: str) -> bool:
        """Whether somebody makes this image now."""
        with self._lock:
            return tag in self._building and self._building[tag].locked()

    def unused(self, before: datetime) -> list[tuple[str, int]]:
        """Tags and sizes of images that this home has not used since."""
        found = []
        for tag, used in self._used().items():
            if used < before.timestamp():
                with told("asking for an image", self._engine):
                    try:
                        size = int(self._engine.client().api.inspect_image(tag)["Size"])
                    except Exception as error:
                        if not is_missing(error):
                            raise
                        continue
                found.append((tag, size))
        return found

    def remove(self, tag: str) -> None:
        """Take an image away; ``Invalid`` when a container is made of it."""
        with told(f"removing {tag}", self._engine):
            try:
                self._engine.client().api.remove_image(tag)
            except Exception as error:
                if not is_missing(error):
                    raise

    def _used(self) -> dict[str, float]:
        try:
            return {str(tag): float(used) for tag, used in json.loads(self._used_file.read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def _note_used(self, tag: str) -> None:
        with self._lock:
            self._used_file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._used_file, {**self._used(), tag: time.time()})

    def _id(self, image: str) -> str | None:
        with told("asking for an image", self._engine):
            try:
                return str(self._engine.client().api.inspect_image(image)["Id"])
            except Exception as error:
                if is_missing(error):
                    return None
                raise

    def _pull(self, image: str, sink: LogSink) -> None:
        sink.write(f"pulling image {image}\n")
        repository, _, tag = image.partition(":") if "/" not in image.rpartition(":")[2] else (image, "", "")
        try:
            for event in self._engine.client().api.pull(repository, tag=tag or "latest", stream=True, decode=True):
                if "error" in event:
                    raise _not_pulled(image, str(event["error"]))
                sink.write("")
        except MlboxError:
            raise
        except Exception as error:
            if getattr(error, "status_code", None) is None:
                with told(f"pulling {image}", self._engine):
                    raise
            raise _not_pulled(image, str(getattr(error, "explanation", "") or error)) from None

    def _build(self, recipe: Recipe, tag: str, sink: LogSink) -> None:
        with told(f"building {tag}", self._engine):
            client = self._engine.client()
            container = client.containers.create(
                recipe.base,
                entrypoint=["/usr/bin/env"],  # an empty one of the base would not replace it, and it does no harm
                command=["sh", f"{_FOLDER}/install.sh"],
                user="root",
                working_dir="/",
                labels={"mlbox.build": tag, "mlbox.home": self._owner},
                environment={},
            )
            try:
                container.put_archive("/", self._files(recipe, client.info().get("Architecture", "")))
                container.start()
                status, said = _watch(container, sink)
                if status != 0:
                    raise _not_built(recipe, said)
                container.commit(_REPOSITORY, tag.rpartition(":")[2], changes=self._changes(recipe.base))
            finally:
                container.remove(v=True, force=True)

    def _changes(self, base: str) -> list[str]:
        """What the container of the build must not leave in the image."""
        config = self._engine.client().api.inspect_image(base)["Config"] or {}
        changes = [f"ENTRYPOINT {json.dumps(config.get('Entrypoint') or [])}"]
        changes.append(f"CMD {json.dumps(config.get('Cmd') or ['python3'])}")
        return [*changes, f"USER {config.get('User') or 'root'}", f"WORKDIR {config.get('WorkingDir') or '/'}"]

    def _files(self, recipe: Recipe, architecture: str) -> bytes:
        """The folder of the build as a tar: script, requirements, certificates, wheels, and uv where it can run."""
        sources = PackageSources.of(self._settings)
        files: dict[str, tuple[bytes, int]] = {
            "requirements.txt": ("\n".join(recipe.requirements).encode() + b"\n", 0o644),
            "install.sh": (_script(recipe, sources.container_variables(_FOLDER)).encode(), 0o755),
        }
        for name, path in sources.container_files().items():
            files[name] = (path.read_bytes(), 0o644)
        if recipe.requirements and architecture in (platform.machine(), {"x86_64": "amd64"}.get(platform.machine())):
            files["uv"] = (find_uv(self._settings.uv).read_bytes(), 0o755)
        return _tar({f"{_FOLDER.strip('/')}/{name}": entry for name, entry in files.items()})


def default_image(python: str | None, host: str) -> str:
    """The slim image of ``python`` (a version or a range), else of the interpreter ``host``, else of the one found."""
    if not python:
        version = probe(host_python(host)).version
        return f"python:{version[0]}.{version[1]}-slim"
    fitting = [minor for minor in range(_NEWEST, _OLDEST - 1, -1) if _fits(minor, python)]
    if not fitting:
        raise Invalid(f"no image is known for Python {python}", hint="name one with IMAGE")
    return f"python:3.{fitting[0]}-slim"


def _fits(minor: int, wanted: str) -> bool:
    return any(satisfies((3, minor, patch), wanted) for patch in range(30))


def _script(recipe: Recipe, variables: Mapping[str, str]) -> str:
    lines = ["set -e", *(f"export {name}={shlex.quote(value)}" for name, value in variables.items())]
    for command in recipe.commands:
        lines += [f"echo {shlex.quote('+ ' + command)}", f"( {command}\n)"]
    if recipe.requirements:
        where = f"-r {_FOLDER}/requirements.txt"
        lines += [
            f"if [ -x {_FOLDER}/uv ] && {_FOLDER}/uv --version >/dev/null 2>&1; then",
            f"  {_FOLDER}/uv pip install --system --break-system-packages {where}",
            "else",
            f"  PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install {where}",
            "fi",
        ]
    return "\n".join([*lines, _REMOVE, ""])


def _tar(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, (data, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), mode, int(time.time())
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _watch(container: Any, sink: LogSink) -> tuple[int, list[str]]:
    """Tell the lines of a build as they come; its exit status and all lines."""
    said: list[str] = []
    done = threading.Event()

    def follow() -> None:
        try:
            for line in _lines(container.logs(stream=True, follow=True)):
                said.append(line)
        finally:
            done.set()

    threading.Thread(target=follow, name="image-build", daemon=True).start()
    count = 0
    while True:
        over = done.wait(_PATIENCE_SECONDS)
        new = said[count:]
        count += len(new)  # more lines may have come meanwhile
        sink.write("".join(new))
        if over and count == len(said):
            return int(container.wait()["StatusCode"]), said


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") + "\n" for line in whole)
    if rest:
        yield rest.decode(errors="replace") + "\n"


def _not_pulled(image: str, reason: str) -> MlboxError:
    message = f"image {image!r} is not on the engine and cannot be pulled: {reason}"
    if any(word in reason.lower() for word in _AWAY):
        return Unavailable(message, hint="can the engine reach the registry? docker load brings images without one")
    return Invalid(message, hint="correct IMAGE, or the setting docker_image; docker login opens private registries")


def _not_built(recipe: Recipe, said: list[str]) -> Invalid:
    explanation = "".join(line for line in said if not line.startswith("+ "))[-2000:].strip()
    return Invalid(
        f"the image of this function cannot be built ({recipe.steps()})",
        hint=explanation or None,
        details={"explanation": explanation, "requirements": list(recipe.requirements)},
    )
