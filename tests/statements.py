"""A session of a house in this process, for tests that say everything in statements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbox.base.command import Caller
from mlbox.base.errors import MlboxError
from mlbox.sql.session import Session


class Statements:
    """Statements of the owner; relative paths start at ``folder``."""

    def __init__(self, house: Any, folder: Path) -> None:
        self.house = house
        self.folder = folder
        self.session = Session(house.catalog, house.dispatcher, Caller(), base_folder=str(folder))

    def do(self, text: str, parameters: Any = None) -> Any:
        """The result of the last one."""
        return [outcome.result for outcome in self.session.run(text, parameters)][-1]

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """Its rows."""
        return [tuple(row.values()) for row in self.do(text).table.to_pylist()]

    def refused(self, text: str) -> MlboxError:
        """The error that it must give."""
        with pytest.raises(MlboxError) as caught:
            self.do(text)
        return caught.value
