"""Parquet files."""

from __future__ import annotations

from mlbox.engine.features.sources.base import SOURCES
from mlbox.engine.features.sources.files import FileSource

OPTIONS = ("binary_as_string", "hive_partitioning", "hive_types", "hive_types_autocast", "union_by_name")
SOURCES.add("parquet", FileSource("read_parquet", (".parquet", ".pq"), OPTIONS))
