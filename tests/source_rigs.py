"""Kinds of sources with a place where their rows really stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from mlbox.sql.session import Session

Row = tuple[int, str, float]
"""id, time, amount."""


class Rig(Protocol):
    """A place for rows of (id, ts, amount)."""

    def declared(self) -> str:
        """What follows CREATE SOURCE name."""
        ...

    def add(self, rows: Sequence[Row]) -> None:
        """More rows."""
        ...


class Files:
    """A file for every addition."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder = folder / "incoming"
        self.folder.mkdir()
        self.suffix = suffix
        self.count = 0

    def declared(self) -> str:
        return f"FROM '{self.folder}/*.{self.suffix}'"

    def add(self, rows: Sequence[Row]) -> None:
        self.count += 1
        self.write(self.folder / f"{self.count:04d}.{self.suffix}", rows)

    def write(self, path: Path, rows: Sequence[Row]) -> None:
        import pyarrow
        from pyarrow import parquet

        if self.suffix == "csv":
            path.write_text("id,ts,amount\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
        elif self.suffix == "jsonl":
            path.write_text("".join(json.dumps({"id": a, "ts": b, "amount": c}) + "\n" for a, b, c in rows))
        else:
            columns = list(zip(*rows, strict=True))
            parquet.write_table(pyarrow.table(dict(zip(("id", "ts", "amount"), map(list, columns), strict=True))), path)


class Table:
    """A table of DuckDB, read by a query with a watermark."""

    def __init__(self, session: Session) -> None:
        self.session = session
        list(session.run("CREATE TABLE standing (n BIGINT, id INTEGER, ts VARCHAR, amount DOUBLE)"))
        self.count = 0

    def declared(self) -> str:
        return "WITH (watermark = n) AS SELECT * FROM standing"

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.count += 1
            list(self.session.run("INSERT INTO standing VALUES (?, ?, ?, ?)", [self.count, *row]))


def made(kind: str, folder: Path, session: Session) -> Any:
    """The rig of a kind."""
    if kind == "query":
        return Table(session)
    return Files(folder, {"csv": "csv", "json": "jsonl", "parquet": "parquet"}[kind])
