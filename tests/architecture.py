"""The house's own rules, read from the sources without running them: floors, sizes, cycles, imports, where SQL lives.

A rule is a function from modules to complaints (``path:line: what``), so that the rules themselves can be tested on
small examples. ``test_architecture.py`` applies them.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]

FLOORS: tuple[tuple[str, ...], ...] = (
    ("base",),
    ("engine.catalog",),
    ("engine.security", "engine.storage"),
    ("engine.models",),
    ("engine.runs",),
    ("engine.features",),
    ("engine.search",),
    ("engine.workflows",),
    ("engine.monitor",),
    ("engine.hub",),
    ("engine.archives",),
    ("serve",),
    ("sql",),
    ("api",),
    ("ui",),
    ("app",),
    ("cli",),
)
"""Lowest first. A package imports from floors below its own; rooms of one floor do not see each other."""

FILE_LINES, FUNCTION_LINES, PUBLIC_METHODS, PARAMETERS = 400, 60, 15, 6

AT_TOP_LEVEL = frozenset({"msgspec"})
"""What is light enough to be imported when a module is; all else is imported by the function that uses it."""

HEAVY = frozenset(
    "anyio apscheduler dask docker duckdb faker granian httpx kubernetes lancedb litestar lmdb numpy onnx onnxruntime "
    "pandas polyfactory prompt_toolkit pyarrow pygments pyspark pytz redis rich sklearn sqlglot tokenizers uv".split()
)

CATALOG_SQL = re.compile(r"\bcatalog\.main\.|\bdata\._mlbox\.|\b_mlbox\.")
MAY_HOLD_CATALOG_SQL = (
    "mlbox.engine.catalog.tables",
    "mlbox.engine.catalog.views",
    "mlbox.engine.catalog.migrations",
    "mlbox.sql",
)

CLIENT_FINDS = frozenset(
    {"cloudpickle", "distributed", "numpy", "onnxmltools", "pandas", "polars", "pyarrow", "pyspark", "skl2onnx"}
)
"""Libraries of the user's environment that the client uses inside a function, where they are installed."""

BAD_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "tools", "mixins"})
NEWER_THAN_3_9 = {"tomllib", "datetime.UTC", "enum.StrEnum", "typing.Self", "typing.TypeAlias", "typing.override"}


@dataclass(frozen=True)
class Import:
    """``import a.b`` or ``from a.b import c`` (then ``names`` holds c)."""

    module: str
    names: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Module:
    """A source file: ``name`` is dotted, ``path`` relative to the project."""

    name: str
    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    @cached_property
    def imports(self) -> list[Import]:
        """All of them but those that only a type checker reads."""
        return list(_imports(self.tree, self.name, deep=True))

    @cached_property
    def top_imports(self) -> list[Import]:
        """Those that run when the module is imported."""
        return list(_imports(self.tree, self.name, deep=False))

    def complain(self, line: int, what: str) -> str:
        return f"{self.path}:{line}: {what}"


def _imports(node: ast.AST, module: str, *, deep: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from _imports(other, module, deep=deep)
        elif isinstance(child, ast.Import):
            yield from (Import(alias.name, (), child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                base = ".".join([*module.split(".")[: -child.level], *filter(None, [base])])
            yield Import(base, tuple(alias.name for alias in child.names), child.lineno)
        elif deep or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _imports(child, module, deep=deep)


def modules_of(*folders: str) -> list[Module]:
    """The Python files below ``folders``, by name."""
    found = []
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "node_modules" in path.parts:
                continue
            relative = path.relative_to(ROOT)
            name = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
            found.append(Module(name, str(relative), path.read_text(encoding="utf-8")))
    return found


def floor_of(name: str) -> tuple[int, str] | None:
    """Height and room of a dotted module name of ours; None for the package itself."""
    for height, rooms in enumerate(FLOORS):
        for room in rooms:
            if name == f"mlbox.{room}" or name.startswith(f"mlbox.{room}."):
                return height, room
    return None


# -- rules ------------------------------------------------------------------------------------------------------------


def upward_imports(modules: Iterable[Module]) -> Iterator[str]:
    """Imports that do not go down; type checkers' imports count too, since a type is knowledge as well."""
    for module in modules:
        here = floor_of(module.name)
        if here is None:
            if module.name not in {"mlbox.__main__", "mlbox.engine"}:
                yield module.complain(1, f"{module.name} lies on no floor")
            continue
        for found in _imports_with_types(module):
            targets = [found.module, *(f"{found.module}.{name}" for name in found.names)]
            for there in {floor_of(target) for target in targets} - {None}:
                assert there is not None
                if there[1] != here[1] and there[0] >= here[0]:
                    yield module.complain(found.line, f"{here[1]} imports {there[1]}, which is not below it")


def _imports_with_types(module: Module) -> Iterator[Import]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, (), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imports(ast.Module([node], []), module.name, deep=True)


def top_level_weight(modules: Iterable[Module]) -> Iterator[str]:
    """Third-party imports that run when a module is imported."""
    for module in modules:
        allowed = AT_TOP_LEVEL | ({"litestar"} if module.name.startswith("mlbox.api") else frozenset())
        for found in module.top_imports:
            top = found.module.split(".")[0]
            if top != "mlbox" and top not in sys.stdlib_module_names and top not in allowed:
                yield module.complain(found.line, f"imports {top} at top level: import it in the function that uses it")


def not_standard_library(
    modules: Iterable[Module], *, ours: tuple[str, ...] = (), if_found: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Imports of anything but the standard library and ``ours``; a function may use ``if_found`` where it is there."""
    for module in modules:
        top = set(module.top_imports)
        for found in module.imports:
            first = found.module.split(".")[0]
            if first in sys.stdlib_module_names or (first in if_found and found not in top):
                continue
            if not any(found.module == own or found.module.startswith(f"{own}.") for own in ours):
                yield module.complain(found.line, f"imports {found.module}")


def newer_than_39(modules: Iterable[Module]) -> Iterator[str]:
    """Syntax and common calls that Python 3.9 does not know."""
    for module in modules:
        try:
            ast.parse(module.source, module.path, feature_version=(3, 9))
        except SyntaxError as error:
            yield module.complain(error.lineno or 1, f"is not Python 3.9: {error.msg}")
        future = any(found.module == "__future__" and "annotations" in found.names for found in module.top_imports)
        if not future and any(isinstance(node, ast.BinOp) for node in _annotations(module.tree)):
            yield module.complain(1, "writes X | Y in annotations without `from __future__ import annotations`")
        for found in module.imports:
            for name in {found.module, *(f"{found.module}.{name}" for name in found.names)} & NEWER_THAN_3_9:
                yield module.complain(found.line, f"uses {name}")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Match):
                yield module.complain(node.lineno, "uses match")
            if isinstance(node, ast.Call):
                for keyword in {word.arg for word in node.keywords} & _NEW_KEYWORDS.get(ast.unparse(node.func), set()):
                    yield module.complain(node.lineno, f"uses {ast.unparse(node.func)}({keyword}=)")


_NEW_KEYWORDS = {"zip": {"strict"}, "dataclass": {"slots", "kw_only"}, "dataclasses.dataclass": {"slots", "kw_only"}}


def _annotations(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            found = getattr(node, name, None)
            if isinstance(found, ast.expr):
                yield from (part for part in ast.walk(found) if isinstance(part, ast.expr))


def too_large(modules: Iterable[Module]) -> Iterator[str]:
    """Files, functions, classes and parameter lists beyond the limits."""
    for module in modules:
        lines = module.source.count("\n")
        if lines > FILE_LINES:
            yield module.complain(1, f"file of {lines} lines; {FILE_LINES} at most")
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    yield module.complain(node.lineno, f"{node.name}: {length} lines; {FUNCTION_LINES} at most")
                count = _parameters(node.args)
                if count > PARAMETERS:
                    yield module.complain(node.lineno, f"{node.name}: {count} parameters; {PARAMETERS} at most")
            elif isinstance(node, ast.ClassDef):
                methods = [
                    child.name
                    for child in node.body
                    if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_")
                ]
                if len(set(methods)) > PUBLIC_METHODS:
                    yield module.complain(
                        node.lineno, f"{node.name}: {len(set(methods))} public methods; {PUBLIC_METHODS} at most"
                    )


def _parameters(arguments: ast.arguments) -> int:
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def cycles(modules: Iterable[Module]) -> Iterator[str]:
    """Modules that need one another to be imported."""
    known = {module.name: module for module in modules}
    graph: dict[str, set[str]] = {name: set() for name in known}
    for name, module in known.items():
        for found in module.top_imports:
            for target in (*(f"{found.module}.{part}" for part in found.names), found.module):
                if target in known and target != name:
                    graph[name].add(target)
    reach: dict[str, set[str]] = {}
    for name in graph:
        seen: set[str] = set()
        waiting = list(graph[name])
        while waiting:
            current = waiting.pop()
            if current not in seen:
                seen.add(current)
                waiting.extend(graph[current])
        reach[name] = seen
    told: set[str] = set()
    for name in sorted(graph):
        circle = sorted({other for other in reach[name] if name in reach[other]})
        if circle and name not in told:
            told.update(circle)
            yield known[name].complain(1, "import cycle: " + ", ".join(circle))


def misplaced_sql(modules: Iterable[Module]) -> Iterator[str]:
    """SQL over our own tables outside its place; the public views ``ml.…`` may be read anywhere."""
    for module in modules:
        if any(module.name == place or module.name.startswith(f"{place}.") for place in MAY_HOLD_CATALOG_SQL):
            continue
        documentation = _docstrings(module.tree)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                match = CATALOG_SQL.search(node.value)
                if match:
                    yield module.complain(node.lineno, f"{match[0]}… belongs into engine/catalog/tables or views")


def _docstrings(tree: ast.AST) -> set[int]:
    """Bare strings: the documentation of a module, class, function or field."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    }


def bad_names(modules: Iterable[Module]) -> Iterator[str]:
    """Files whose name says nothing of what is in them."""
    for module in modules:
        if module.name.rpartition(".")[2] in BAD_NAMES:
            yield module.complain(1, "the name says nothing of what is inside")
