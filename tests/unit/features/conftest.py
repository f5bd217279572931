from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from feature_house import FeatureHouse, opened


@pytest.fixture
def sets(tmp_path: Path) -> Iterator[FeatureHouse]:
    """A home of its own for each test."""
    yield from opened(tmp_path / "home")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureHouse]:
    """One home for the examples of a property; names are made anew by each."""
    yield from opened(tmp_path_factory.mktemp("shared") / "home")
