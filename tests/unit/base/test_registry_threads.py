"""A registry that two threads ask at the same time for the first time."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from mlbox.base.registry import Registry


def test_who_asks_while_plug_ins_are_imported_gets_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "slow_plugins"
    package.mkdir()
    (package / "__init__.py").write_text("import threading\nimporting, go_on = threading.Event(), threading.Event()\n")
    wait = "from slow_plugins import importing, go_on\nimporting.set()\nassert go_on.wait(30)\n"
    (package / "first.py").write_text(wait)
    monkeypatch.syspath_prepend(str(tmp_path))
    registry: Registry[int] = Registry("slow plugin", "slow_plugins")
    found: list[list[str]] = []
    threads = [threading.Thread(target=lambda: found.append(registry.names())) for _ in range(2)]
    import slow_plugins  # type: ignore[import-not-found]

    registry.add("known", 1)
    threads[0].start()
    assert slow_plugins.importing.wait(30)
    threads[1].start()
    threads[1].join(0.2)
    assert found == []  # the second one waits
    slow_plugins.go_on.set()
    for thread in threads:
        thread.join(30)
    assert found == [["known"], ["known"]]
    for name in [name for name in sys.modules if name.startswith("slow_plugins")]:
        del sys.modules[name]
