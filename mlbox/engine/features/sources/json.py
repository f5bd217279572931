"""JSON files: an object a line, or an array of them."""

from __future__ import annotations

from mlbox.engine.features.sources.base import SOURCES
from mlbox.engine.features.sources.files import FileSource

OPTIONS = (
    *("columns", "compression", "convert_strings_to_integers", "dateformat", "field_appearance_threshold", "format"),
    *("hive_partitioning", "ignore_errors", "maximum_depth", "maximum_object_size", "records", "sample_size"),
    *("timestampformat", "union_by_name"),
)
SOURCES.add("json", FileSource("read_json", (".json", ".jsonl", ".ndjson"), OPTIONS))
