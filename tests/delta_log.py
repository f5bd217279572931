"""Reads a Delta table as the protocol has it (checkpoint, then log), without the package that wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb


def live_files(table: Path) -> dict[str, dict[str, str | None]]:
    """Path → partition values of the files that make up the newest version."""
    log = table / "_delta_log"
    files: dict[str, dict[str, str | None]] = {}
    start = -1
    if (log / "_last_checkpoint").exists():
        start = json.loads((log / "_last_checkpoint").read_text())["version"]
        checkpoint = log / f"{start:020d}.checkpoint.parquet"
        found = duckdb.execute(f"SELECT add FROM '{checkpoint}' WHERE add IS NOT NULL").fetchall()
        files |= {unquote(add["path"]): dict(add["partitionValues"]) for (add,) in found}
    for entry in sorted(log.glob("*.json")):
        if int(entry.stem) <= start:
            continue
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            if "remove" in action:
                files.pop(unquote(action["remove"]["path"]), None)
            if "add" in action:
                files[unquote(action["add"]["path"])] = action["add"]["partitionValues"]
    return files


def rows(table: Path, columns: list[str]) -> list[tuple[Any, ...]]:
    """Of the columns; those of partitions as texts."""
    found: list[tuple[Any, ...]] = []
    for path, parts in live_files(table).items():
        names = [f"${place}" if name in parts else f'"{name}"' for place, name in enumerate(columns, 1)]
        given = {str(place): parts[name] for place, name in enumerate(columns, 1) if name in parts}
        query = f"SELECT {', '.join(names)} FROM read_parquet('{table / path}', hive_partitioning = false)"
        found += duckdb.execute(query, given).fetchall()
    return found
