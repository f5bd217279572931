"""One house with one of everything for all tests of the language that do not take its objects away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from everything import Everything, opened


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """Project ``shop``; use names of your own for what you make."""
    with opened(tmp_path_factory.mktemp("everything")) as made:
        yield made
