"""The user's code as data: its files, handlers and requirements are read, never imported."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import secrets
import shutil
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlbox.base.errors import Invalid, NotFound, Where
from mlbox.base.suggest import did_you_mean
from mlbox.client.binding import CONTEXT_NAMES, as_declared, default_handler
from mlbox.client.clusters import session_asked_for
from mlbox.engine.runs.origins.base import Fetched, Place, inside, origin_of

_MAIN_FILES = ("function.py", "handler.py", "main.py", "train.py")
_LEFT_OUT = {"__pycache__", "node_modules", "venv", "env"}
_MOST_FILES = 5000
_PEP_723 = re.compile(r"(?m)^# /// script\s*$\s(?P<content>(^#(| .*)$\s)+)^# ///$")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a handler. ``default`` and ``annotation`` are source text; None: there is none."""

    name: str
    default: str | None = None
    annotation: str | None = None

    def __str__(self) -> str:
        text = self.name if self.annotation is None else f"{self.name}: {self.annotation}"
        if self.default is None:
            return text
        return f"{text}={self.default}" if self.annotation is None else f"{text} = {self.default}"


@dataclass(frozen=True, slots=True)
class HandlerInfo:
    """A public function of the file."""

    name: str
    line: int
    parameters: tuple[Parameter, ...]
    doc: str | None
    accepts_any: bool
    """Whether it takes ``**keywords``."""

    @property
    def signature(self) -> str:
        """As the user wrote it: ``train(ctx, frame, learning_rate=0.1)``."""
        shown = [str(entry) for entry in self.parameters] + (["**more"] if self.accepts_any else [])
        return f"{self.name}({', '.join(shown)})"

    def check_arguments(self, given: set[str], inputs: set[str]) -> None:
        """Raise ``Invalid``, which shows the signature, when a parameter is unknown or a required one is missing."""
        known = {entry.name for entry in self.parameters} - set(CONTEXT_NAMES)
        for name in sorted(given - known):
            if not self.accepts_any:
                near = did_you_mean(name, known - inputs, kind="parameter")
                hint = f"{near}; the signature is {self.signature}" if near else f"the signature is {self.signature}"
                raise Invalid(f"{self.name} has no parameter {name!r}", hint=hint).of_option(name)
        for entry in self.parameters:
            required = entry.default is None and entry.name not in CONTEXT_NAMES
            is_context = entry is self.parameters[0] and (entry.annotation or "").split(".")[-1] == "Context"
            given_by_engine = session_asked_for(entry.name, entry.annotation) is not None
            if required and not is_context and not given_by_engine and entry.name not in given | inputs:
                rows = " (rows: RUN ... FROM)" if entry.name == "frame" else ""
                raise Invalid(f"{self.name} needs {entry.name!r}{rows}", hint=f"the signature is {self.signature}")

    def check_types(self, name: str, values: Iterable[Any]) -> None:
        """Raise ``Invalid``, which shows the signature, for a value that the annotation of a parameter does not take:
        the run would refuse it too."""
        entry = next((known for known in self.parameters if known.name == name), None)
        for value in values:
            try:
                as_declared((entry.annotation or "") if entry is not None else "", value)
            except (ValueError, KeyError, TypeError, OverflowError):
                raise Invalid(
                    f"parameter {name!r} of {self.name} is {value!r}, not {entry.annotation if entry else ''}",
                    hint=f"the signature is {self.signature}",
                ).of_option(name) from None


@dataclass(frozen=True, slots=True)
class ClassInfo:
    """A public class of the file, with its public methods."""

    name: str
    line: int
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """What was found at a path: ``root`` is a file or a folder, ``file`` the name of the file with the handlers."""

    root: Path
    file: str
    handlers: tuple[HandlerInfo, ...]
    requirements: tuple[str, ...]
    """PEP 723 ``dependencies`` of the file, else of ``requirements.txt`` in the folder."""
    python: str | None
    """PEP 723 ``requires-python``."""
    digest: str
    """SHA-256 over names and bytes of all files, hexadecimal."""
    revision: str | None = None
    """The commit, where it comes from a repository."""
    scratch: Any = field(default=None, compare=False, repr=False)
    """What keeps fetched files until they are stored."""
    classes: tuple[ClassInfo, ...] = ()
    """Public classes of the file: they serve, they are not run."""

    def handler(self, name: str | None) -> HandlerInfo | None:
        """The handler called ``name``, or the default one; None when the file is a script without functions.
        Raises ``NotFound`` with the nearest names."""
        by_name = {entry.name: entry for entry in self.handlers}
        if name:
            if name in by_name:
                return by_name[name]
            named = {*by_name, *(entry.name for entry in self.classes)}
            raise NotFound(f"{self.file} has no handler {name!r}", hint=did_you_mean(name, named, kind="handler"))
        if not by_name:
            return None
        chosen = default_handler(list(by_name))
        if chosen is None:
            hint = "name one with HANDLER; there are: " + ", ".join(by_name)
            raise NotFound(f"{self.file} has several functions and none was chosen", hint=hint)
        return by_name[chosen]

    def copy_to(self, folder: Path) -> None:
        """Put all files below ``folder``; complete or not there at all. A folder that is there is left as it is."""
        if folder.exists():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        try:
            for name, path in _files(self.root):
                target = building / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            os.rename(building, folder)
        except OSError as error:
            if not folder.exists():  # else another thread was first
                raise Invalid(f"the function's files cannot be copied: {error}") from None
        finally:
            shutil.rmtree(building, ignore_errors=True)


def fetch_source(text: str, base: Path, handler: str | None = None) -> Source:
    """What ``FROM`` names: a path, or a place that one of the origins knows. Raises as :func:`read_source`, and
    ``Unavailable`` when the place cannot be reached."""
    place, _, inner = text.partition("#")
    origin = origin_of(place)
    if origin is None:
        root = Path(base, place).expanduser().absolute()
        found = inside(root, inner) if inner and root.is_dir() else Fetched(root)
        return read_source(found.root, found.main)
    scratch = tempfile.TemporaryDirectory(prefix="mlbox-code-")
    found = origin.fetch(Place(place, inner or handler, base, Path(scratch.name)))
    return replace(read_source(found.root, found.main), revision=found.revision, scratch=scratch)


def read_source(path: Path, main_file: str | None = None) -> Source:
    """Read a ``.py`` file, or a folder (``main_file`` in it; else ``function.py``, ``handler.py``, ``main.py``,
    ``train.py`` or its only ``.py`` file). Raises ``NotFound`` (missing file; nearest names) and ``Invalid`` (a syntax
    error with its file and line, not Python, too many files)."""
    path = path.expanduser().absolute()
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        python = [name for name in siblings if name.endswith(".py")]
        hint = did_you_mean(path.name, python) or f"looked in {path.parent}"
        raise NotFound(f"there is no file {path}", hint=hint)
    main = path / main_file if main_file else _main_file(path) if path.is_dir() else path
    if main.suffix != ".py":
        raise Invalid(f"{path} is not a Python file", hint="a function is a .py file or a folder with one")
    text = read_text(main)
    tree = _parse(text, main)
    requirements, python_version = _inline(text, main)
    if path.is_dir():
        requirements = requirements or _of_folder(path)
    name = main.relative_to(path).as_posix() if path.is_dir() else main.name
    found = tuple(_handlers(tree))
    return Source(path, name, found, requirements, python_version, digest_of(path), classes=tuple(_classes(tree)))


def _of_folder(folder: Path) -> tuple[str, ...]:
    """What ``requirements.txt`` lists, else the dependencies of ``pyproject.toml``."""
    listed, project = folder / "requirements.txt", folder / "pyproject.toml"
    if listed.is_file():
        return read_requirements(listed)
    if not project.is_file():
        return ()
    try:
        dependencies = tomllib.loads(read_text(project)).get("project", {}).get("dependencies", [])
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"pyproject.toml is not valid TOML: {error}") from None
    return tuple(str(entry) for entry in dependencies)


def _main_file(folder: Path) -> Path:
    candidates = sorted(folder.glob("*.py"))
    for name in _MAIN_FILES:
        if folder / name in candidates:
            return folder / name
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise NotFound(f"the folder {folder} has no Python file")
    names = ", ".join(entry.name for entry in candidates)
    raise Invalid(f"the folder {folder} has several Python files: {names}", hint=f"name one of them {_MAIN_FILES[0]}")


def read_text(file: Path) -> str:
    """The text of a file; ``Invalid`` when it cannot be read or is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not UTF-8 text") from None
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}") from None


def _parse(text: str, file: Path) -> ast.Module:
    try:
        return ast.parse(text, str(file))
    except SyntaxError as error:
        line, column = error.lineno or 1, error.offset or 1
        lines = text.splitlines()
        shown = lines[line - 1] if line <= len(lines) else ""
        offset = sum(len(entry) + 1 for entry in lines[: line - 1]) + column - 1
        message = f"{file.name}, line {line}: {error.msg}"
        raise Invalid(message, hint=shown.strip() or None, where=Where(line, column, offset, shown)) from None
    except ValueError as error:
        raise Invalid(f"{file.name} is not Python: {error}") from None


def _handlers(tree: ast.Module) -> Iterator[HandlerInfo]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield HandlerInfo(
                name=node.name,
                line=node.lineno,
                parameters=tuple(_parameters(node.args)),
                doc=ast.get_docstring(node),
                accepts_any=node.args.kwarg is not None,
            )


def _classes(tree: ast.Module) -> Iterator[ClassInfo]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
            methods = [entry.name for entry in node.body if isinstance(entry, kinds)]
            yield ClassInfo(node.name, node.lineno, tuple(name for name in methods if not name.startswith("_")))


def _parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    plain = [*arguments.posonlyargs, *arguments.args]
    padding: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    defaults = [*padding, *arguments.defaults, *arguments.kw_defaults]
    for entry, default in zip([*plain, *arguments.kwonlyargs], defaults, strict=True):
        yield Parameter(
            entry.arg,
            None if default is None else ast.unparse(default),
            None if entry.annotation is None else ast.unparse(entry.annotation),
        )


def _inline(text: str, file: Path) -> tuple[tuple[str, ...], str | None]:
    """PEP 723: the ``# /// script`` block."""
    match = _PEP_723.search(text + "\n")
    if match is None:
        return (), None
    content = "".join(line[2:] if line.startswith("# ") else line[1:] for line in match["content"].splitlines(True))
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{file.name}: the script block is not valid TOML: {error}") from None
    dependencies = table.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(entry, str) for entry in dependencies):
        raise Invalid(f"{file.name}: dependencies of the script block must be a list of strings")
    python = table.get("requires-python")
    return tuple(dependencies), str(python) if python else None


def read_requirements(file: Path) -> tuple[str, ...]:
    """The lines of a requirements file that name packages."""
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in read_text(file).splitlines())
    return tuple(line for line in lines if line and not line.startswith("-"))


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """Relative name and path of each file that belongs to the function, sorted by name."""
    if root.is_file():
        yield root.name, root
        return
    found: list[tuple[str, Path]] = []
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _LEFT_OUT]
        for name in names:
            path = Path(parent) / name
            if not name.startswith(".") and not name.endswith(".pyc") and path.is_file():
                found.append((path.relative_to(root).as_posix(), path))
        if len(found) > _MOST_FILES:
            raise Invalid(f"{root} has more than {_MOST_FILES} files", hint="name the file itself, or a smaller folder")
    yield from sorted(found)


def digest_of(root: Path) -> str:
    """SHA-256 over names and bytes of all files of a function."""
    digest = hashlib.sha256()
    for name, path in _files(root):
        data = path.read_bytes()
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()
