"""The driver of a query that the server has Spark compute: rows come as Parquet, its rows go back so."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

SAME = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # what overflows or does not convert is an error, as in DuckDB
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
}
"""What makes Spark mean the same as DuckDB does."""
_PART = 32 << 20
"""Bytes of Parquet for each task of a shuffle, about."""


def compute(spark: Any, path: str) -> Dict[str, Any]:
    """Carry out the job of the file ``path``; how many rows its query gave.

    The job: ``inputs`` (name of a view to a folder of Parquet), ``views`` (name and SQL), ``query``, ``output``,
    ``columns`` (how many; they are called c0, c1, .. in the output), ``bytes`` of the inputs, and perhaps ``sample``
    with inputs and an output of its own, which is computed first.
    """
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    for name, value in SAME.items():
        spark.conf.set(name, value)
    if not spark.conf.get("spark.sql.shuffle.partitions", "200") != "200":
        spark.conf.set("spark.sql.shuffle.partitions", str(max(4, min(200, int(job.get("bytes", 0)) // _PART))))
    if job.get("sample"):
        _query(spark, job, job["sample"])
    rows = _query(spark, job, job)
    print(f"{rows:,} rows")
    return {"rows": rows}


def _query(spark: Any, job: Any, part: Any) -> int:
    for name, folder in part["inputs"].items():
        spark.read.parquet(folder).createOrReplaceTempView(name)
    for name, text in job["views"]:
        spark.sql(text).createOrReplaceTempView(name)
    frame = spark.sql(job["query"])
    if len(frame.columns) != job["columns"]:
        raise ValueError(
            f"Spark gives {len(frame.columns)} columns and not {job['columns']}: {', '.join(frame.columns)}"
        )
    frame.toDF(*[f"c{number}" for number in range(job["columns"])]).write.mode("overwrite").parquet(part["output"])
    return int(spark.read.parquet(part["output"]).count())
