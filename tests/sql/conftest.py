"""One house with one of everything for all tests of the language that do not take its objects away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from everything import Everything
from fresh_home import fresh_home

from mlbox.app.house import House
from mlbox.base.settings import Settings


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """Project ``shop``; use names of your own for what you make."""
    folder = tmp_path_factory.mktemp("everything")
    house = House.open(fresh_home(folder / "home"), Settings())
    house.runs.reattach()
    house.endpoints.start()
    try:
        yield Everything(house, folder / "files")
    finally:
        house.close()
