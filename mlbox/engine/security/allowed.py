"""What a member's plain SQL may use. What is not named here is refused; add to it with care.

The lists were made from ``duckdb_functions()`` of DuckDB 2.0; a test compares them with the DuckDB that is installed.
"""

from __future__ import annotations

TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
"""Table functions that make rows out of their arguments and read nothing else."""

OUR_TABLE_FUNCTIONS = frozenset(
    {
        "features",
        "dataset",
        "features_at",
        "online",
        "evaluate",
        "predict",
        "drift",
        "search",
        "summary",
        "describe",
        "exec",
    }
)
"""Table macros of ``ml``; they check the rights of the session themselves."""
OUR_FUNCTIONS = frozenset({"ask", "embed", "predict"})

REFUSED_FUNCTIONS = frozenset(
    """
    getenv getvariable current_setting write_log nextval currval setval setseed current_query
    json_serialize_plan json_execute_serialized_sql parse_duckdb_log_message
    query query_table sleep_ms pg_sleep pg_get_viewdef pg_get_constraintdef pg_get_expr create_sort_key
    make_type cast_to_type get_type replace_type invoke combine finalize to_aggregate_state stats index_key
    get_block_size vector_type current_query_id current_connection_id current_transaction_id txid_current in_search_path
    """.split()
)
"""Functions that read or change the state of the server or of other sessions, or that are DuckDB's own insides."""

GROWING = {"repeat": 1, "lpad": 1, "rpad": 1, "list_resize": 1, "array_resize": 1}
"""Functions that make a value of any size out of a number, and which argument it is: it must be a constant."""
LONGEST = 1_000_000
"""Characters or elements that such a value may have. DuckDB's memory limit does not hold for one value."""
PATTERNED = frozenset({"format", "printf", "bar"})
"""Functions whose pattern may hold a width; the pattern must be a constant without a large number."""

SYSTEM_RELATIONS = ("duckdb_", "pragma_", "sqlite_", "pg_", "_ml")
"""Beginnings of names that mean views and functions of DuckDB or insides of ours, wherever they stand."""

CHANGING = frozenset({"INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER"})
"""Types of statements that an editor may send besides those that read."""

DEFINITION_WORDS_REFUSED = frozenset(
    "SELECT FROM TABLE VALUES REFERENCES SCHEMA TEMP TEMPORARY SECRET MACRO FUNCTION SEQUENCE TRIGGER".split()
)
"""Words that have no place in the columns of CREATE TABLE and in what ALTER TABLE does, for a member."""
