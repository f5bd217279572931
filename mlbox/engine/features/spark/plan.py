"""What Spark is to compute, as a value: tables that go there, views over them, one query."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Input:
    """A table that Spark is given as the view ``name``: rows of ``select`` (DuckDB's SQL); ``told`` is for people."""

    name: str
    select: str
    told: str


@dataclass(frozen=True, slots=True)
class SparkPlan:
    """``query`` (Spark's SQL) over ``inputs`` and ``views``, which may use those before them. ``columns`` are those of
    the result with the types of DuckDB, in its order."""

    inputs: tuple[Input, ...]
    views: tuple[tuple[str, str], ...]
    query: str
    columns: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """All of Spark's SQL."""
        views = [f"CREATE TEMPORARY VIEW {tick(name)} AS\n{sql}" for name, sql in self.views]
        return ";\n".join([*views, self.query])

    def to_text(self, paths: dict[str, str], output: str) -> str:
        """What the driver reads (JSON); see ``mlbox.client.on_spark``."""
        job = {"inputs": paths, "views": self.views, "query": self.query, "output": output}
        return json.dumps({**job, "columns": len(self.columns)})


def tick(name: str) -> str:
    """A name in Spark's SQL."""
    return "`" + name.replace("`", "``") + "`"
