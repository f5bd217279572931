"""The house obeys its own rules (``architecture.py``), and the rules can fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import pytest
from architecture import (
    CLIENT_FINDS,
    FILE_LINES,
    HEAVY,
    ROOT,
    Module,
    bad_names,
    cycles,
    misplaced_sql,
    modules_of,
    newer_than_39,
    not_standard_library,
    too_large,
    top_level_weight,
    upward_imports,
)

HOUSE = modules_of("mlbox")
CLIENT = [module for module in HOUSE if module.name == "mlbox" or module.name.startswith("mlbox.client")]
INSIDE = [module for module in HOUSE if module not in CLIENT]


# -- the house obeys --------------------------------------------------------------------------------------------------


def _none(complaints: Iterable[str]) -> None:
    found = list(complaints)
    if found:
        pytest.fail(f"{len(found)} against the rules:\n  " + "\n  ".join(found), pytrace=False)


def test_there_is_a_house() -> None:
    assert len(INSIDE) > 50
    assert len(CLIENT) > 5


def test_imports_go_down_only() -> None:
    _none(upward_imports(INSIDE))


def test_base_is_standard_library_only() -> None:
    _none(
        not_standard_library(
            [module for module in INSIDE if module.name.startswith("mlbox.base")], ours=("mlbox.base",)
        )
    )


def test_client_stands_apart() -> None:
    _none(not_standard_library(CLIENT, ours=("mlbox.client",), if_found=CLIENT_FINDS))


def test_client_is_python_39() -> None:
    _none(newer_than_39(CLIENT))


def test_nothing_heavy_at_top_level() -> None:
    _none(top_level_weight(INSIDE))


def test_sizes() -> None:
    _none(too_large([*HOUSE, *modules_of("packaging", "docs", "benchmarks", "examples")]))


def test_sizes_of_the_dashboard() -> None:
    sources = [*(ROOT / "mlbox/ui/web/src").rglob("*.ts"), *(ROOT / "mlbox/ui/web/src").rglob("*.tsx")]
    assert sources
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in sources}
    _none(f"{path}:1: file of {lines} lines" for path, lines in sorted(lengths.items()) if lines > FILE_LINES)


def test_no_import_cycles() -> None:
    _none(cycles(HOUSE))


def test_sql_over_our_tables_is_in_one_place() -> None:
    _none(misplaced_sql(INSIDE))


def test_names_say_something() -> None:
    _none(bad_names([*HOUSE, *modules_of("tests")]))


def test_no_packages_among_tests() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


# -- and at run time --------------------------------------------------------------------------------------------------


def _loaded(*arguments: str) -> set[str]:
    """Names of all modules that a fresh interpreter loads, as it tells itself."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    told = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("import time:"))
    assert done.returncode == 0, told
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def test_import_mlbox_loads_nothing_else_of_ours() -> None:
    loaded = _loaded("-c", "import mlbox")
    assert "mlbox" in loaded
    assert {name for name in loaded if name.startswith("mlbox.")} == set()
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("arguments", [("-m", "mlbox", "--version"), ("-m", "mlbox", "--help")])
def test_command_line_starts_light(arguments: tuple[str, ...]) -> None:
    loaded = _loaded(*arguments)
    assert "mlbox.cli.main" in loaded
    assert loaded & HEAVY == set()


def test_house_is_put_together_without_web_frame() -> None:
    loaded = _loaded("-c", "import mlbox.app.house")
    assert "mlbox.engine.runs.service" in loaded
    assert loaded & HEAVY == set()


# -- the rules can fail -----------------------------------------------------------------------------------------------


def _module(name: str, source: str) -> Module:
    return Module(name, name.replace(".", "/") + ".py", source)


@pytest.mark.parametrize(
    ("rule", "name", "source", "said"),
    [
        (upward_imports, "mlbox.base.x", "from mlbox.engine.catalog import database", "not below"),
        (upward_imports, "mlbox.engine.runs.x", "from mlbox.engine import features", "not below"),
        (upward_imports, "mlbox.engine.storage.x", "def f():\n    import mlbox.engine.security", "not below"),
        (upward_imports, "mlbox.somewhere.x", "", "no floor"),
        (top_level_weight, "mlbox.sql.x", "class A:\n    import duckdb", "duckdb"),
        (top_level_weight, "mlbox.sql.x", "import litestar.app", "litestar"),
        (newer_than_39, "mlbox.client.x", "match 1:\n    case 1: pass", "3.9"),
        (newer_than_39, "mlbox.client.x", "def f(x: int | None): pass", "__future__"),
        (newer_than_39, "mlbox.client.x", "from datetime import UTC", "datetime.UTC"),
        (newer_than_39, "mlbox.client.x", "zip((), (), strict=True)", "strict"),
        (too_large, "mlbox.sql.x", "\n" * 401, "401 lines"),
        (too_large, "mlbox.sql.x", "def f():\n" + "    x = 1\n" * 60, "61 lines"),
        (too_large, "mlbox.sql.x", "class A:\n def f(self, a, b, c, *, d, e, f, g): ...", "7 parameters"),
        (too_large, "mlbox.sql.x", "class A:\n" + "".join(f" def f{n}(self): ...\n" for n in range(16)), "16 public"),
        (misplaced_sql, "mlbox.engine.runs.x", 'f"SELECT {1} FROM catalog.main.runs"', "belongs"),
        (bad_names, "mlbox.sql.helpers", "", "says nothing"),
        (not_standard_library, "mlbox.client.x", "def f():\n    import numpy", "numpy"),
        (not_standard_library, "mlbox.client.x", "def f():\n    from mlbox.base import errors", "mlbox.base"),
    ],
)
def test_rule_complains(rule: object, name: str, source: str, said: str) -> None:
    assert callable(rule)
    complaints = list(rule([_module(name, source)]))
    assert len(complaints) >= 1
    assert said in complaints[0]


def test_cycle_is_found() -> None:
    pair = [
        _module("mlbox.sql.a", "from mlbox.sql import b"),
        _module("mlbox.sql.b", "import mlbox.sql.a"),
        _module("mlbox.sql.c", "def f():\n    import mlbox.sql.a"),
    ]
    assert [line.partition(": ")[2] for line in cycles(pair)] == ["import cycle: mlbox.sql.a, mlbox.sql.b"]
    assert list(cycles([pair[0], pair[2]])) == []
