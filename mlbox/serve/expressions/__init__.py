"""SQL expressions over the columns of a request: a subset of DuckDB's, compiled once, computed without it.

One row through SQL takes 0.65 ms; here an operator takes a few microseconds, for one row as for a thousand.
"""
