"""A Python function as a file that runs by itself: its own file, or what it needs out of a notebook or shell."""

from __future__ import annotations

import builtins
import dis
import inspect
import os
import textwrap
import types
from typing import Any, Callable, Dict, List, NamedTuple, Set

from mlbox.client.failures import MlboxClientError

_PLAIN = (bool, int, float, str, bytes, type(None))


class Source(NamedTuple):
    """Where a handler stands: a file of the user's, or the text of one to be made."""

    handler: str
    path: str = ""
    text: str = ""


def source_of(function: Callable[..., Any]) -> Source:
    """The file of a function that an import can find; of one that was typed in, a text with the imports, functions,
    classes and plain values that it uses. Raises ``MlboxClientError`` for what cannot be written down."""
    name = getattr(function, "__qualname__", "")
    if not isinstance(function, types.FunctionType) or "<" in name:
        raise MlboxClientError(
            f"{function!r} cannot be run elsewhere", "give a function that is defined at the top of a file or cell"
        )
    path = inspect.getsourcefile(function) or ""
    if function.__module__ != "__main__" or (os.path.isfile(path) and _is_script(path)):
        if "." in name:
            raise MlboxClientError(f"{name} is a method", "give a function that is defined at the top of a file")
        return Source(name, path=os.path.abspath(path))
    return Source(name, text=_text(function))


def _is_script(path: str) -> bool:
    """Whether ``__main__`` is a file whose top does not run the work itself, as a notebook's cells do not."""
    return path.endswith(".py") and not os.path.basename(path).startswith(("ipykernel", "<"))


def _text(function: types.FunctionType) -> str:
    found = _Collected()
    found.take(function.__name__, function)
    _take_packagers(found, function.__module__)
    return "\n".join([*sorted(found.imports), "", *found.values, "", *found.parts, ""])


def _take_packagers(found: _Collected, module: str) -> None:
    """Packagers that were typed in too, of classes that go along: nothing names them."""
    import sys

    if "mlbox.client.packagers" not in sys.modules:
        return
    from mlbox.client.packagers import registered

    for entry in registered():
        owner = type(entry.packager)
        names = [name[len(module) + 1 :] for name in entry.types if name.startswith(module + ".")]
        if owner.__module__ == module and any(name in found.done for name in names):
            found.take(owner.__name__, owner)


class _Collected:
    """What a function uses, in the order in which it must stand."""

    def __init__(self) -> None:
        self.imports: Set[str] = set()
        self.values: List[str] = []
        self.parts: List[str] = []
        self.done: Set[str] = set()
        """Names that were taken."""

    def take(self, name: str, value: Any) -> None:
        """``value`` is used under ``name``."""
        if name in self.done:
            return
        self.done.add(name)
        module = getattr(value, "__module__", None)
        if isinstance(value, types.ModuleType):
            real = value.__name__
            self.imports.add(f"import {real}" if real == name else f"import {real} as {name}")
        elif module not in (None, "__main__") and hasattr(value, "__qualname__"):
            own = value.__qualname__
            self.imports.add(f"from {module} import {own}" + ("" if own == name else f" as {name}"))
        elif isinstance(value, (types.FunctionType, type)):
            self._define(name, value)
        elif _is_plain(value):
            self.values.append(f"{name} = {value!r}")
        else:
            raise MlboxClientError(
                f"the function uses {name}, a {type(value).__name__}, which cannot be written into a file",
                "give it as a parameter or input, or make it inside of the function",
            )

    def _define(self, name: str, value: Any) -> None:
        try:
            text = textwrap.dedent(_source(value))
        except (OSError, TypeError, SyntaxError):
            raise MlboxClientError(
                f"the source of {name} is not known", "write it into a file, and give the function from there"
            ) from None
        for used, entry in _globals_of(value).items():
            self.take(used, entry)
        self.parts += ["", text]


def _source(value: Any) -> str:
    """Its text; of a class that was typed into a cell, which has no file, by way of a method of it."""
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        methods = [entry for entry in vars(value).values() if isinstance(entry, types.FunctionType)]
        if not isinstance(value, type) or not methods:
            raise
    import ast
    import linecache

    lines = linecache.getlines(methods[0].__code__.co_filename)
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.ClassDef) and node.name == value.__name__:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno])
    raise OSError(value.__name__)


def _globals_of(value: Any) -> Dict[str, Any]:
    """Global names that a function, or the methods of a class, use."""
    functions = [value] if isinstance(value, types.FunctionType) else [
        entry for entry in vars(value).values() if isinstance(entry, types.FunctionType)
    ]  # fmt: skip
    found: Dict[str, Any] = {}
    if isinstance(value, type) and functions:
        outside = _outside(value)
        known = functions[0].__globals__
        found.update((name, known[name]) for name in outside if name in known and name != value.__name__)
    for function in functions:
        names = _names(function.__code__) | set(_annotations(function))
        for name in sorted(names):
            if name in function.__globals__ and not hasattr(builtins, name) and name != function.__name__:
                found[name] = function.__globals__[name]
    return found


def _names(code: types.CodeType) -> Set[str]:
    names = {entry.argval for entry in dis.get_instructions(code) if entry.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names(constant)
    return names


def _outside(value: type) -> List[str]:
    """Names of the decorators and bases of a class."""
    import ast

    node = ast.parse(textwrap.dedent(_source(value))).body[0]
    if not isinstance(node, ast.ClassDef):
        return []
    parts = [*node.decorator_list, *node.bases, *(entry.value for entry in node.keywords)]
    return [inner.id for part in parts for inner in ast.walk(part) if isinstance(inner, ast.Name)]


def _annotations(function: types.FunctionType) -> List[str]:
    """First words of annotations, which are evaluated when the function is defined."""
    import ast

    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return []
    node = tree.body[0]
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return []
    outside: List[ast.AST] = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
    outside += [a.annotation for a in (*node.args.args, *node.args.kwonlyargs) if a.annotation]
    outside += [node.returns] if node.returns else []
    return [inner.id for part in outside for inner in ast.walk(part) if isinstance(inner, ast.Name)]


def _is_plain(value: Any) -> bool:
    if isinstance(value, _PLAIN):
        return True
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_is_plain(entry) for entry in value)
    return isinstance(value, dict) and all(_is_plain(key) and _is_plain(entry) for key, entry in value.items())
