"""Homes for tests, copied from one that each process makes once: its migrations and views cost more than most tests."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from mlbox.base.home import Home
from mlbox.engine.catalog import public_views
from mlbox.engine.catalog.database import Catalog


def fresh_home(path: Path) -> Home:
    """A home at ``path`` as its first opening leaves it; one that is there already stays as it is."""
    if not path.exists():
        shutil.copytree(_template(), path)
    return Home(path)


def forget_template() -> None:
    """Remove what :func:`fresh_home` copies, at the end of this process."""
    if _template.cache_info().currsize:
        shutil.rmtree(_template().parent, ignore_errors=True)
        _template.cache_clear()


@cache
def _template() -> Path:
    home = Home(Path(tempfile.mkdtemp(prefix="mlbox-tests-")) / "home")
    catalog = Catalog.open(home)
    public_views.create(catalog)
    catalog.close()
    return home.path
