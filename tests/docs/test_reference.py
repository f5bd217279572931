"""The reference is what the code says, nothing is undocumented, and no link leads nowhere."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
PAGES = ("sql.md", "views.md", "functions.md", "graph-steps.md", "settings.md", "errors.md", "cli.md")


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    specification = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PAGES)
def test_page_is_what_the_code_says(generator: ModuleType, name: str) -> None:
    committed = (DOCS / "reference" / name).read_text(encoding="utf-8")
    if committed != generator.PAGES[name]():
        pytest.fail(f"docs/reference/{name} differs from the code: run `make docs`", pytrace=False)


def test_every_how_to_is_listed() -> None:
    index = (DOCS / "how-to" / "index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (DOCS / "how-to").glob("*.md")} - {"index.md"}
    assert sorted(page for page in pages if f"]({page})" not in index) == []


def test_every_page_is_compared(generator: ModuleType) -> None:
    assert set(generator.PAGES) == set(PAGES) == {path.name for path in (DOCS / "reference").glob("*.md")}


def test_every_view_and_column_is_documented() -> None:
    from mlbox.engine.catalog.views.base import all_views

    views = all_views()
    assert len(views) > 10
    poor = [view.name for view in views if len(view.doc) < 10]
    poor += [f"{view.name}.{column.name}" for view in views for column in view.columns if not column.doc.strip()]
    poor += [
        f"{view.name}.{column.name} has no unit"
        for view in views
        for column in view.columns
        if re.search(r"_(ms|seconds|percent|bytes)$", column.name) and not column.unit
    ]
    assert poor == []


def test_every_setting_is_documented() -> None:
    from mlbox.base.settings import Settings

    entries = fields(Settings)
    assert len(entries) > 5
    assert [entry.name for entry in entries if not entry.metadata.get("doc", "").strip()] == []


def test_every_argument_is_documented(generator: ModuleType) -> None:
    from mlbox.cli.main import parser

    def poor(title: str, of: object) -> list[str]:
        found = [f"{title} {action.dest}" for action in of._actions if not (action.help or action.choices)]  # type: ignore[attr-defined]
        for name, child, summary in generator._verbs(of):
            found += ([] if summary else [f"{title} {name}"]) + poor(f"{title} {name}", child)
        return found

    assert poor("mlbox", parser()) == []


def documents() -> list[Path]:
    """Markdown that people read in the repository."""
    return sorted([*DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md"), *ROOT.glob("*.md")])


def anchors(generator: ModuleType, path: Path) -> set[str]:
    """Anchors of a page's headings; text in fences is not a heading."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return {generator.anchor(re.sub(r"[`*]", "", heading)) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def test_links_lead_somewhere(generator: ModuleType) -> None:
    broken = []
    checked = 0
    for path in documents():
        text = re.sub(r"^```.*?^```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for match in LINK.finditer(text):
            target = match[1] or match[2]
            if re.match(r"[a-z]+:", target):
                continue
            checked += 1
            name, _, part = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            if not file.exists() or (part and file.suffix == ".md" and part not in anchors(generator, file)):
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert checked > 10
    assert broken == []


def test_documents_are_reachable(generator: ModuleType) -> None:
    """Every page of docs is linked from another one."""
    linked = set()
    for path in documents():
        for match in LINK.finditer(path.read_text(encoding="utf-8")):
            linked.add((path.parent / (match[1] or match[2]).partition("#")[0]).resolve())
    orphans = [str(path.relative_to(ROOT)) for path in DOCS.rglob("*.md") if path.resolve() not in linked]
    assert [name for name in orphans if name != "docs/index.md"] == []
