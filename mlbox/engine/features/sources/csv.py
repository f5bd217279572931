"""CSV files."""

from __future__ import annotations

from mlbox.engine.features.sources.base import SOURCES
from mlbox.engine.features.sources.files import FileSource

OPTIONS = (
    *("all_varchar", "auto_detect", "columns", "comment", "compression", "dateformat", "decimal_separator", "delim"),
    *("encoding", "escape", "header", "hive_partitioning", "ignore_errors", "names", "null_padding", "nullstr"),
    *("quote", "sample_size", "sep", "skip", "strict_mode", "thousands", "timestampformat", "types", "union_by_name"),
)
SOURCES.add("csv", FileSource("read_csv", (".csv", ".tsv", ".txt"), OPTIONS))
