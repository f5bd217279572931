"""What all benchmarks share: cases measured in turn, tables of figures with ratios, a home to measure in.

A file prints its tables as Markdown; ``run.py`` collects what they print.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlbox.app.house import House

ROOT = Path(__file__).parent.parent
HEAD = ("name", "value", "unit", "peer", "ratio")

Samples = Sequence[float]


@dataclass(frozen=True, slots=True)
class Row:
    """A figure: samples of ours and, where there is one, of the peer, taken in turn."""

    name: str
    values: Samples
    unit: str
    peer: Samples | None = None

    def cells(self) -> tuple[str, ...]:
        """Medians; the ratio is ours over the peer's, with its lowest and highest of the rounds."""
        if self.peer is None:
            return (self.name, shown(median(self.values)), self.unit, "", "")
        ratio = median(self.values) / median(self.peer)
        rounds = [ours / theirs for ours, theirs in zip(self.values, self.peer, strict=True)]
        spread = f" ({min(rounds):.2f} to {max(rounds):.2f})" if len(rounds) > 1 else ""
        return (self.name, shown(median(self.values)), self.unit, shown(median(self.peer)), f"{ratio:.2f}{spread}")


class Table:
    """Figures that answer one question; ``peer`` says what they are compared with."""

    def __init__(self, question: str, peer: str) -> None:
        self._question = question
        self._peer = peer
        self._rows: list[Row] = []

    def add(self, name: str, values: Samples, unit: str, peer: Samples | None = None) -> None:
        """A row; with ``peer``, as many samples as values."""
        self._rows.append(Row(name, values, unit, peer))

    def print(self) -> None:
        """To standard output, as Markdown that can be read as it is."""
        lines = [HEAD, *(row.cells() for row in self._rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
        numbers = {1, 3}
        print(f"**{self._question}** Peer: {self._peer}.\n")
        for number, line in enumerate(lines):
            cells = [
                cell.rjust(width) if column in numbers else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            print("| " + " | ".join(cells) + " |")
            if number == 0:
                rules = ["-" * (width - 1) + (":" if column in numbers else "-") for column, width in enumerate(widths)]
                print("| " + " | ".join(rules) + " |")
        print(flush=True)


def shown(value: float) -> str:
    """Three digits that count, no more."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def in_turn(cases: Mapping[str, Callable[[], float]], rounds: int, *, warm: bool = True) -> dict[str, list[float]]:
    """Samples of each case: one of each a round, so that what disturbs the machine disturbs all of them.

    Every other round goes backwards. With ``warm`` each is called once before, and that is not counted.
    """
    if warm:
        for case in cases.values():
            case()
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds):
        for name in list(cases)[:: -1 if number % 2 else 1]:
            samples[name].append(cases[name]())
    return samples


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for the time of a benchmark."""
    with tempfile.TemporaryDirectory(prefix="mlbox-bench-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@contextmanager
def open_house(home: Path) -> Iterator[tuple[House, Callable[[str], Any]]]:
    """All of mlbox in this process, without HTTP, and a function that carries out a script; its last result."""
    from mlbox.app.house import House
    from mlbox.base.command import Caller
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings
    from mlbox.sql.session import Session

    house = House.open(Home(home), Settings())
    session = Session(house.catalog, house.dispatcher, Caller())
    try:
        yield house, lambda text: list(session.run(text))[-1].result
    finally:
        house.close()


def from_tests(module: str) -> Any:
    """A module that the tests share (``real_server``, ``onnx_models``)."""
    path = str(ROOT / "tests")
    if path not in sys.path:
        sys.path.append(path)
    return importlib.import_module(module)
