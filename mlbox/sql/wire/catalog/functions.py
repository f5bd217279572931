"""Functions of PostgreSQL that clients call when they look around, as macros over the relations."""

from __future__ import annotations

import re

from mlbox import __version__
from mlbox.sql.wire.session_settings import SERVER_VERSION

_VERSION = f"PostgreSQL {SERVER_VERSION} (mlbox {__version__}, DuckDB)"
_VISIBLE: tuple[str, ...] = (
    "function",
    "type",
    "operator",
    "opclass",
    "opfamily",
    "collation",
    "conversion",
    "ts_config",
    "ts_dict",
)
_VISIBLE += ("ts_parser", "ts_template", "statistics_obj")
_PRIVILEGES: tuple[str, ...] = (
    "table",
    "any_column",
    "database",
    "schema",
    "sequence",
    "function",
    "language",
    "type",
    "tablespace",
)
_PRIVILEGES += ("foreign_data_wrapper", "server")

MACROS: dict[str, str] = {
    "version": f"() AS '{_VERSION}'",
    "current_database": "() AS getvariable('database')",
    "current_schema": "() AS getvariable('project')",
    "current_schemas": "(implicit) AS CASE WHEN implicit THEN ['pg_catalog', getvariable('project'), 'ml'] "
    "ELSE [getvariable('project'), 'ml'] END",
    "_session_user": "() AS getvariable('user')",
    "current_setting": "(name) AS _setting(name), (name, missing_ok) AS _setting(name)",
    "set_config": "(n, v, is_local) AS v",
    "pg_get_userbyid": "(oid) AS getvariable('user')",
    "format_type": "(o, m) AS _format_type(o::UINTEGER, m::BIGINT)",
    "pg_get_expr": "(expression, relation) AS expression, (expression, relation, pretty) AS expression",
    "pg_table_is_visible": "(o) AS (SELECT s.name IN (getvariable('project'), 'pg_catalog') "
    "FROM _pg_relations r JOIN _pg_schemas s ON s.oid = r.schema_oid WHERE r.oid = o::UINTEGER)",
    "obj_description": "(o) AS (SELECT max(description) FROM pg_description "
    "WHERE objoid = o::UINTEGER AND objsubid = 0), "
    "(o, catalogue) AS (SELECT max(description) FROM pg_description d "
    "WHERE objoid = o::UINTEGER AND objsubid = 0 AND classoid = _regclass(catalogue))",
    "col_description": "(o, n) AS (SELECT max(comment) FROM _pg_columns WHERE relation = o::UINTEGER AND num = n)",
    "shobj_description": "(o, catalogue) AS NULL::VARCHAR",
    "pg_get_constraintdef": "(o) AS (SELECT max(text) FROM _pg_constraints WHERE oid = o::UINTEGER), "
    "(o, pretty) AS (SELECT max(text) FROM _pg_constraints WHERE oid = o::UINTEGER)",
    "pg_get_indexdef": "(o) AS (SELECT max(text) FROM _pg_indexes WHERE oid = o::UINTEGER), "
    "(o, n, pretty) AS CASE WHEN n = 0 THEN (SELECT max(text) FROM _pg_indexes WHERE oid = o::UINTEGER) ELSE "
    "(SELECT max(c.name) FROM _pg_indexes i JOIN _pg_columns c ON c.relation = i.relation "
    "AND c.num = i.keys[n::INTEGER] WHERE i.oid = o::UINTEGER) END",
    "pg_get_viewdef": "(o) AS (SELECT max(definition) FROM _pg_relations WHERE oid = TRY_CAST(o AS UINTEGER)), "
    "(o, pretty) AS (SELECT max(definition) FROM _pg_relations WHERE oid = TRY_CAST(o AS UINTEGER))",
    "pg_get_function_result": "(o) AS (SELECT max(result) FROM _pg_functions WHERE oid = o::UINTEGER)",
    "pg_get_function_arguments": "(o) AS (SELECT max(arguments) FROM _pg_functions WHERE oid = o::UINTEGER)",
    "pg_get_function_identity_arguments": "(o) AS (SELECT max(arguments) FROM _pg_functions WHERE oid = o::UINTEGER)",
    "pg_get_functiondef": "(o) AS NULL::VARCHAR",
    "pg_get_function_sqlbody": "(o) AS NULL::VARCHAR",
    "pg_get_ruledef": "(o) AS NULL::VARCHAR, (o, pretty) AS NULL::VARCHAR",
    "pg_get_triggerdef": "(o) AS NULL::VARCHAR, (o, pretty) AS NULL::VARCHAR",
    "pg_get_partkeydef": "(o) AS NULL::VARCHAR",
    "pg_get_partition_constraintdef": "(o) AS NULL::VARCHAR",
    "pg_get_statisticsobjdef_columns": "(o) AS NULL::VARCHAR",
    "pg_get_serial_sequence": "(relation, name) AS NULL::VARCHAR",
    "pg_relation_is_publishable": "(o) AS FALSE",
    "pg_relation_size": "(o) AS 0::UINTEGER, (o, fork) AS 0::UINTEGER",
    "pg_total_relation_size": "(o) AS 0::UINTEGER",
    "pg_table_size": "(o) AS 0::UINTEGER",
    "pg_indexes_size": "(o) AS 0::UINTEGER",
    "pg_database_size": "(o) AS 0::UINTEGER",
    "pg_tablespace_size": "(o) AS 0::UINTEGER",
    "pg_tablespace_location": "(o) AS ''",
    "pg_encoding_to_char": "(n) AS 'UTF8'",
    "pg_char_to_encoding": "(name) AS 6",
    "getdatabaseencoding": "() AS 'UTF8'",
    "pg_client_encoding": "() AS 'UTF8'",
    "pg_is_in_recovery": "() AS FALSE",
    "pg_is_wal_replay_paused": "() AS FALSE",
    "pg_backend_pid": "() AS getvariable('process')",
    "pg_postmaster_start_time": "() AS now()",
    "pg_conf_load_time": "() AS now()",
    "inet_server_addr": "() AS NULL::VARCHAR",
    "inet_server_port": "() AS NULL::INTEGER",
    "inet_client_addr": "() AS NULL::VARCHAR",
    "inet_client_port": "() AS NULL::INTEGER",
    "txid_current": "() AS 1::UINTEGER",
    "to_regclass": "(n) AS _regclass_or_null(n)",
    "to_regtype": "(n) AS _regtype_or_null(n)",
    "array_upper": "(a, n) AS len(a)",
    "array_lower": "(a, n) AS CASE WHEN len(a) > 0 THEN 1 END",
    "array_length": "(a, n) AS len(a)",
    "quote_ident": "(name) AS CASE WHEN regexp_full_match(name, '[a-z_][a-z0-9_]*') THEN name "
    "ELSE '\"' || replace(name, '\"', '\"\"') || '\"' END",
    "pg_has_role": "(a, b) AS TRUE, (a, b, c) AS TRUE",
    "has_column_privilege": "(a, b, c) AS TRUE, (a, b, c, d) AS TRUE",
    "pg_advisory_lock": "(a) AS NULL::VARCHAR, (a, b) AS NULL::VARCHAR",
    "pg_try_advisory_lock": "(a) AS TRUE, (a, b) AS TRUE",
    "pg_advisory_unlock": "(a) AS TRUE, (a, b) AS TRUE",
    "pg_advisory_unlock_all": "() AS NULL::VARCHAR",
    "pg_my_temp_schema": "() AS 0::UINTEGER",
    "pg_is_other_temp_schema": "(o) AS FALSE",
    "pg_stat_get_numscans": "(o) AS 0::UINTEGER",
    "pg_options_to_table": "(o) AS NULL::VARCHAR",
    "pg_column_is_updatable": "(o, n, b) AS TRUE",
    "pg_relation_is_updatable": "(o, b) AS 28",
    "pg_partition_ancestors": "(o) AS TABLE SELECT NULL::UINTEGER AS relid WHERE FALSE",
    "aclexplode": "(acl) AS NULL::STRUCT(grantor UINTEGER, grantee UINTEGER, privilege_type VARCHAR, "
    "is_grantable BOOLEAN)",
    "acldefault": "(kind, owner) AS NULL::VARCHAR[]",
    **{f"pg_{kind}_is_visible": "(o) AS TRUE" for kind in _VISIBLE},
    **{f"has_{kind}_privilege": "(a, b) AS TRUE, (a, b, c) AS TRUE" for kind in _PRIVILEGES},
}
INTERNAL: tuple[tuple[str, str], ...] = (
    ("_setting", "(name) AS (SELECT getvariable('lowered')[lower(name)])"),
    (
        "_format_type",
        "(o, m) AS CASE WHEN o = 1700 AND m > 4 THEN 'numeric(' || (((m - 4) >> 16) & 65535) || ',' || "
        "((m - 4) & 65535) || ')' ELSE (SELECT y.shown FROM _pg_types y WHERE y.oid = o LIMIT 1) END",
    ),
    (
        "_regclass_or_null",
        "(n) AS coalesce(TRY_CAST(n AS UINTEGER), (SELECT r.oid FROM _pg_relations r "
        "JOIN _pg_schemas s ON s.oid = r.schema_oid WHERE lower(n) = lower(s.name || '.' || r.name) "
        "OR replace(n, '\"', '') = s.name || '.' || r.name "
        "OR ((lower(n) = lower(r.name) OR replace(n, '\"', '') = r.name) "
        "AND s.name IN (getvariable('project'), 'ml', 'pg_catalog')) ORDER BY CASE s.name "
        "WHEN getvariable('project') THEN 1 WHEN 'ml' THEN 2 ELSE 3 END LIMIT 1))",
    ),
    (
        "_regclass",
        "(n) AS coalesce(_regclass_or_null(n), error('relation \"' || n || '\" does not exist'))",
    ),
    (
        "_regclass_text",
        "(o) AS CASE WHEN o IS NULL THEN NULL WHEN o::VARCHAR = '0' THEN '-' ELSE coalesce((SELECT max(CASE "
        "WHEN s.name IN (getvariable('project'), 'ml', 'pg_catalog') THEN r.name ELSE s.name || '.' || r.name END) "
        "FROM _pg_relations r JOIN _pg_schemas s ON s.oid = r.schema_oid WHERE r.oid = TRY_CAST(o AS UINTEGER)), "
        "o::VARCHAR) END",
    ),
    (
        "_regtype_or_null",
        "(n) AS coalesce(TRY_CAST(n AS UINTEGER), (SELECT y.oid FROM _pg_types y WHERE lower(n) IN "
        "(y.name, y.shown, 'pg_catalog.' || y.name) LIMIT 1))",
    ),
    ("_regtype", "(n) AS coalesce(_regtype_or_null(n), error('type \"' || n || '\" does not exist'))"),
    ("_regtype_text", "(o) AS CASE WHEN o::VARCHAR = '0' THEN '-' ELSE _format_type(TRY_CAST(o AS UINTEGER), -1) END"),
    (
        "_regnamespace",
        "(n) AS coalesce(TRY_CAST(n AS UINTEGER), (SELECT s.oid FROM _pg_schemas s WHERE s.name = n LIMIT 1))",
    ),
    (
        "_regnamespace_text",
        "(o) AS coalesce((SELECT s.name FROM _pg_schemas s WHERE s.oid = TRY_CAST(o AS UINTEGER) LIMIT 1), o::VARCHAR)",
    ),
    ("_information._pg_expandarray", "(a) AS unnest(list_transform(a, lambda x, i: {'x': x, 'n': i}))"),
)
CALLED = re.compile(
    r"\b(?:" + "|".join(sorted(MACROS)) + r"|current_user|session_user|current_catalog|current_role|"
    r"current_schema|regclass|regtype|pg_[a-z_]+|information_schema)\b",
    re.I,
)
"""Words without which a statement is not about the catalog."""


def statements() -> list[str]:
    """What makes the macros, in order of need."""
    return [f"CREATE MACRO {name}{body}" for name, body in (*INTERNAL, *MACROS.items())]
