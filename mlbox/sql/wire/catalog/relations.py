"""The relations of ``pg_catalog`` and ``information_schema``, as tables and views of a DuckDB of their own.

``BASE`` are the tables that a snapshot of our objects fills; the views over them have the columns of PostgreSQL 14.
What mlbox has none of is an empty relation with its columns, so that joins with it go on working.
"""

from __future__ import annotations

from mlbox.base.names import literal
from mlbox.sql.wire import types as t

BASE = """
CREATE TABLE _pg_schemas (oid UINTEGER, name VARCHAR, comment VARCHAR);
CREATE TABLE _pg_relations (oid UINTEGER, schema_oid UINTEGER, name VARCHAR, kind VARCHAR, comment VARCHAR, rows BIGINT,
    definition VARCHAR, indexed BOOLEAN);
CREATE TABLE _pg_columns (relation UINTEGER, num BIGINT, name VARCHAR, type UINTEGER, modifier BIGINT, not_null BOOLEAN,
    default_text VARCHAR, comment VARCHAR, duckdb_type VARCHAR);
CREATE TABLE _pg_constraints (oid UINTEGER, schema_oid UINTEGER, name VARCHAR, relation UINTEGER, kind VARCHAR,
    keys UINTEGER[], text VARCHAR, foreign_relation UINTEGER, foreign_keys UINTEGER[], index_oid UINTEGER);
CREATE TABLE _pg_indexes (oid UINTEGER, schema_oid UINTEGER, name VARCHAR, relation UINTEGER, keys UINTEGER[],
    is_unique BOOLEAN, is_primary BOOLEAN, text VARCHAR);
CREATE TABLE _pg_functions (oid UINTEGER, schema_oid UINTEGER, name VARCHAR, arguments VARCHAR, names VARCHAR[],
    result VARCHAR, comment VARCHAR);
"""

TYPE_NAMES = (
    "name",
    "xid",
    "cid",
    "tid",
    "aclitem",
    "pg_node_tree",
    "cstring",
    "regproc",
    "regprocedure",
    "regnamespace",
    "regrole",
)
INFORMATION_TYPES = ("sql_identifier", "character_data", "cardinal_number", "yes_or_no", "time_stamp")

SYSTEM_RELATIONS = {
    "pg_type": 1247,
    "pg_attribute": 1249,
    "pg_proc": 1255,
    "pg_class": 1259,
    "pg_authid": 1260,
    "pg_database": 1262,
    "pg_constraint": 2606,
    "pg_namespace": 2615,
    "pg_attrdef": 2604,
    "pg_index": 2610,
    "pg_trigger": 2620,
    "pg_tablespace": 1213,
    "pg_extension": 3079,
    "pg_description": 2609,
}
"""Their numbers are written into clients and their queries."""

OWNER = 10
PG_CATALOG, INFORMATION_SCHEMA = 11, 13_000

VIEWS = {
    "pg_namespace": f"""
        SELECT oid, name AS nspname, {OWNER}::UINTEGER AS nspowner, NULL::VARCHAR[] AS nspacl FROM _pg_schemas""",
    "pg_class": f"""
        SELECT oid, name AS relname, schema_oid AS relnamespace, 0::UINTEGER AS reltype, 0::UINTEGER AS reloftype,
            {OWNER}::UINTEGER AS relowner, CASE kind WHEN 'i' THEN 403 WHEN 'r' THEN 2 ELSE 0 END::UINTEGER AS relam,
            oid AS relfilenode, 0::UINTEGER AS reltablespace, 0 AS relpages, rows::FLOAT AS reltuples,
            0 AS relallvisible, 0::UINTEGER AS reltoastrelid, indexed AS relhasindex, FALSE AS relisshared,
            'p' AS relpersistence, kind AS relkind,
            (SELECT count(*) FROM _pg_columns WHERE relation = r.oid)::SMALLINT AS relnatts,
            (SELECT count(*) FROM _pg_constraints WHERE relation = r.oid AND kind = 'c')::SMALLINT AS relchecks,
            FALSE AS relhasrules, FALSE AS relhastriggers, FALSE AS relhassubclass, FALSE AS relrowsecurity,
            FALSE AS relforcerowsecurity, TRUE AS relispopulated, 'd' AS relreplident, FALSE AS relispartition,
            0::UINTEGER AS relrewrite, 0::UINTEGER AS relfrozenxid, 0::UINTEGER AS relminmxid,
            NULL::VARCHAR[] AS relacl, NULL::VARCHAR[] AS reloptions, NULL::VARCHAR AS relpartbound
        FROM _pg_relations r""",
    "pg_attribute": """
        SELECT relation AS attrelid, c.name AS attname, type AS atttypid, -1 AS attstattarget,
            coalesce(y.size, -1)::SMALLINT AS attlen, num::SMALLINT AS attnum, 0 AS attndims, -1 AS attcacheoff,
            modifier::INTEGER AS atttypmod, FALSE AS attbyval, 'i' AS attalign, 'x' AS attstorage,
            '' AS attcompression, not_null AS attnotnull, default_text IS NOT NULL AS atthasdef,
            FALSE AS atthasmissing, '' AS attidentity, '' AS attgenerated, FALSE AS attisdropped, TRUE AS attislocal,
            0 AS attinhcount, 0::UINTEGER AS attcollation, NULL::VARCHAR[] AS attacl, NULL::VARCHAR[] AS attoptions,
            NULL::VARCHAR[] AS attfdwoptions, NULL::VARCHAR AS attmissingval
        FROM _pg_columns c LEFT JOIN _pg_types y ON y.oid = c.type""",
    "pg_attrdef": """
        SELECT 1000000 + relation * 1000 + num AS oid, relation AS adrelid, num::SMALLINT AS adnum,
            default_text AS adbin FROM _pg_columns WHERE default_text IS NOT NULL""",
    "pg_type": f"""
        SELECT oid, name AS typname, {PG_CATALOG}::UINTEGER AS typnamespace, {OWNER}::UINTEGER AS typowner,
            size::SMALLINT AS typlen, FALSE AS typbyval, kind AS typtype, category AS typcategory,
            FALSE AS typispreferred, TRUE AS typisdefined, ',' AS typdelim, 0::UINTEGER AS typrelid,
            0::UINTEGER AS typsubscript, element AS typelem, arrays AS typarray, name || 'in' AS typinput,
            name || 'out' AS typoutput, name || 'recv' AS typreceive, name || 'send' AS typsend, '-' AS typmodin,
            '-' AS typmodout, '-' AS typanalyze, 'i' AS typalign, 'x' AS typstorage, FALSE AS typnotnull,
            0::UINTEGER AS typbasetype, -1 AS typtypmod, 0 AS typndims, 0::UINTEGER AS typcollation,
            NULL::VARCHAR AS typdefaultbin, NULL::VARCHAR AS typdefault, NULL::VARCHAR[] AS typacl FROM _pg_types""",
    "pg_index": """
        SELECT oid AS indexrelid, relation AS indrelid, len(keys)::SMALLINT AS indnatts,
            len(keys)::SMALLINT AS indnkeyatts, is_unique AS indisunique, is_primary AS indisprimary,
            FALSE AS indisexclusion, TRUE AS indimmediate, FALSE AS indisclustered, TRUE AS indisvalid,
            FALSE AS indcheckxmin, TRUE AS indisready, TRUE AS indislive, FALSE AS indisreplident, keys AS indkey,
            list_transform(keys, lambda k: 0::UINTEGER) AS indcollation,
            list_transform(keys, lambda k: 0::UINTEGER) AS indclass, list_transform(keys, lambda k: 0) AS indoption,
            NULL::VARCHAR AS indexprs, NULL::VARCHAR AS indpred, FALSE AS indnullsnotdistinct FROM _pg_indexes""",
    "pg_constraint": """
        SELECT oid, name AS conname, schema_oid AS connamespace, kind AS contype, FALSE AS condeferrable,
            FALSE AS condeferred, TRUE AS convalidated, relation AS conrelid, 0::UINTEGER AS contypid,
            index_oid AS conindid, 0::UINTEGER AS conparentid, foreign_relation AS confrelid,
            CASE kind WHEN 'f' THEN 'a' ELSE ' ' END AS confupdtype,
            CASE kind WHEN 'f' THEN 'a' ELSE ' ' END AS confdeltype,
            CASE kind WHEN 'f' THEN 's' ELSE ' ' END AS confmatchtype, TRUE AS conislocal, 0 AS coninhcount,
            TRUE AS connoinherit, keys AS conkey, foreign_keys AS confkey, text AS conbin FROM _pg_constraints""",
    "pg_description": """
        SELECT oid AS objoid, 1259::UINTEGER AS classoid, 0 AS objsubid, comment AS description FROM _pg_relations
        WHERE comment IS NOT NULL
        UNION ALL SELECT relation, 1259, num::INTEGER, comment FROM _pg_columns WHERE comment IS NOT NULL
        UNION ALL SELECT oid, 2615, 0, comment FROM _pg_schemas WHERE comment IS NOT NULL
        UNION ALL SELECT oid, 1255, 0, comment FROM _pg_functions WHERE comment IS NOT NULL""",
    "pg_database": f"""
        SELECT 16000::UINTEGER AS oid, getvariable('database') AS datname, {OWNER}::UINTEGER AS datdba, 6 AS encoding,
            'c' AS datlocprovider, 'C' AS datcollate, 'C' AS datctype, FALSE AS datistemplate, TRUE AS datallowconn,
            -1 AS datconnlimit, 0::UINTEGER AS datlastsysoid, 0::UINTEGER AS datfrozenxid, 0::UINTEGER AS datminmxid,
            1663::UINTEGER AS dattablespace, NULL::VARCHAR AS daticulocale, NULL::VARCHAR[] AS datacl""",
    "pg_roles": f"""
        SELECT {OWNER}::UINTEGER AS oid, getvariable('user') AS rolname, TRUE AS rolsuper, TRUE AS rolinherit,
            TRUE AS rolcreaterole, TRUE AS rolcreatedb, TRUE AS rolcanlogin, FALSE AS rolreplication,
            -1 AS rolconnlimit, '********' AS rolpassword, NULL::TIMESTAMPTZ AS rolvaliduntil, TRUE AS rolbypassrls,
            NULL::VARCHAR[] AS rolconfig""",
    "pg_authid": "SELECT * FROM pg_roles",
    "pg_user": f"""
        SELECT getvariable('user') AS usename, {OWNER}::UINTEGER AS usesysid, TRUE AS usecreatedb, TRUE AS usesuper,
            FALSE AS userepl, TRUE AS usebypassrls, '********' AS passwd, NULL::TIMESTAMPTZ AS valuntil,
            NULL::VARCHAR[] AS useconfig""",
    "pg_proc": f"""
        SELECT oid, name AS proname, schema_oid AS pronamespace, {OWNER}::UINTEGER AS proowner, 14::UINTEGER AS prolang,
            1::FLOAT AS procost, 0::FLOAT AS prorows, 0::UINTEGER AS provariadic, '-' AS prosupport, 'f' AS prokind,
            FALSE AS prosecdef, FALSE AS proleakproof, FALSE AS proisstrict, result LIKE 'TABLE%' AS proretset,
            's' AS provolatile, 's' AS proparallel, len(names)::SMALLINT AS pronargs, 0::SMALLINT AS pronargdefaults,
            25::UINTEGER AS prorettype, list_transform(names, lambda n: 25::UINTEGER) AS proargtypes,
            NULL::UINTEGER[] AS proallargtypes, NULL::VARCHAR[] AS proargmodes, names AS proargnames,
            NULL::VARCHAR AS proargdefaults, NULL::UINTEGER[] AS protrftypes, '' AS prosrc, NULL::VARCHAR AS probin,
            NULL::VARCHAR AS prosqlbody, NULL::VARCHAR[] AS proconfig, NULL::VARCHAR[] AS proacl,
            FALSE AS proisagg, FALSE AS proiswindow FROM _pg_functions""",
    "pg_language": "SELECT 14::UINTEGER AS oid, 'sql' AS lanname, 10::UINTEGER AS lanowner, FALSE AS lanispl",
    "pg_am": """
        SELECT * FROM (VALUES (2::UINTEGER, 'heap', '-', 't'), (403::UINTEGER, 'btree', '-', 'i'))
        AS a(oid, amname, amhandler, amtype)""",
    "pg_tablespace": """
        SELECT 1663::UINTEGER AS oid, 'pg_default' AS spcname, 10::UINTEGER AS spcowner, NULL::VARCHAR[] AS spcacl,
            NULL::VARCHAR[] AS spcoptions""",
    "pg_settings": """
        SELECT unnest(map_keys(getvariable('settings'))) AS name,
            unnest(map_values(getvariable('settings'))) AS setting,
            NULL::VARCHAR AS unit, '' AS category, '' AS short_desc, '' AS extra_desc, 'user' AS context,
            'string' AS vartype, 'default' AS source, NULL::VARCHAR AS min_val, NULL::VARCHAR AS max_val,
            NULL::VARCHAR[] AS enumvals, '' AS boot_val, '' AS reset_val, FALSE AS pending_restart""",
    "pg_tables": """
        SELECT s.name AS schemaname, r.name AS tablename, getvariable('user') AS tableowner,
            NULL::VARCHAR AS tablespace, indexed AS hasindexes, FALSE AS hasrules, FALSE AS hastriggers,
            FALSE AS rowsecurity FROM _pg_relations r JOIN _pg_schemas s ON s.oid = r.schema_oid WHERE kind = 'r'""",
    "pg_views": """
        SELECT s.name AS schemaname, r.name AS viewname, getvariable('user') AS viewowner, definition
        FROM _pg_relations r JOIN _pg_schemas s ON s.oid = r.schema_oid WHERE kind = 'v'""",
    "pg_indexes": """
        SELECT s.name AS schemaname, r.name AS tablename, i.name AS indexname, NULL::VARCHAR AS tablespace,
            i.text AS indexdef
        FROM _pg_indexes i JOIN _pg_relations r ON r.oid = i.relation JOIN _pg_schemas s ON s.oid = r.schema_oid""",
    "pg_stat_activity": """
        SELECT 16000::UINTEGER AS datid, getvariable('database') AS datname, 1 AS pid, 10::UINTEGER AS usesysid,
            getvariable('user') AS usename, '' AS application_name, NULL::VARCHAR AS client_addr, -1 AS client_port,
            now() AS backend_start, now() AS xact_start, now() AS query_start, now() AS state_change,
            NULL::VARCHAR AS wait_event_type, NULL::VARCHAR AS wait_event, 'active' AS state, '' AS query,
            'client backend' AS backend_type""",
    "pg_stat_user_tables": """
        SELECT r.oid AS relid, s.name AS schemaname, r.name AS relname, r.rows AS n_live_tup, 0::UINTEGER AS n_dead_tup
        FROM _pg_relations r JOIN _pg_schemas s ON s.oid = r.schema_oid WHERE kind = 'r'""",
    "pg_timezone_names": "SELECT 'UTC' AS name, 'UTC' AS abbrev, INTERVAL 0 HOUR AS utc_offset, FALSE AS is_dst",
    "pg_collation": f"""
        SELECT 950::UINTEGER AS oid, 'C' AS collname, {PG_CATALOG}::UINTEGER AS collnamespace,
            10::UINTEGER AS collowner, 'c' AS collprovider, TRUE AS collisdeterministic, -1 AS collencoding,
            'C' AS collcollate,
            'C' AS collctype, NULL::VARCHAR AS colliculocale, NULL::VARCHAR AS collversion""",
}

EMPTY = {
    "pg_inherits": "inhrelid inhparent inhseqno:INTEGER inhdetachpending:BOOLEAN",
    "pg_enum": "oid enumtypid enumsortorder:FLOAT enumlabel:VARCHAR",
    "pg_range": "rngtypid rngsubtype rngmultitypid rngcollation rngsubopc rngcanonical:VARCHAR rngsubdiff:VARCHAR",
    "pg_trigger": "oid tgrelid tgparentid tgname:VARCHAR tgfoid tgtype:SMALLINT tgenabled:VARCHAR tgisinternal:BOOLEAN "
    "tgconstrrelid tgconstrindid tgconstraint tgdeferrable:BOOLEAN tginitdeferred:BOOLEAN tgnargs:SMALLINT "
    "tgattr:VARCHAR tgargs:BLOB tgqual:VARCHAR tgoldtable:VARCHAR tgnewtable:VARCHAR",
    "pg_policy": "oid polname:VARCHAR polrelid polcmd:VARCHAR polpermissive:BOOLEAN polroles:UINTEGER[] "
    "polqual:VARCHAR polwithcheck:VARCHAR",
    "pg_rewrite": "oid rulename:VARCHAR ev_class ev_type:VARCHAR ev_enabled:VARCHAR is_instead:BOOLEAN ev_qual:VARCHAR "
    "ev_action:VARCHAR",
    "pg_rules": "schemaname:VARCHAR tablename:VARCHAR rulename:VARCHAR definition:VARCHAR",
    "pg_publication": "oid pubname:VARCHAR pubowner puballtables:BOOLEAN pubinsert:BOOLEAN pubupdate:BOOLEAN "
    "pubdelete:BOOLEAN pubtruncate:BOOLEAN pubviaroot:BOOLEAN",
    "pg_publication_rel": "oid prpubid prrelid prqual:VARCHAR prattrs:VARCHAR",
    "pg_publication_namespace": "oid pnpubid pnnspid",
    "pg_publication_tables": "pubname:VARCHAR schemaname:VARCHAR tablename:VARCHAR",
    "pg_statistic_ext": "oid stxrelid stxname:VARCHAR stxnamespace stxowner stxstattarget:INTEGER stxkeys:UINTEGER[] "
    "stxkind:VARCHAR[] stxexprs:VARCHAR",
    "pg_foreign_table": "ftrelid ftserver ftoptions:VARCHAR[]",
    "pg_foreign_server": "oid srvname:VARCHAR srvowner srvfdw srvtype:VARCHAR srvversion:VARCHAR srvacl:VARCHAR[] "
    "srvoptions:VARCHAR[]",
    "pg_foreign_data_wrapper": "oid fdwname:VARCHAR fdwowner fdwhandler fdwvalidator fdwacl:VARCHAR[] "
    "fdwoptions:VARCHAR[]",
    "pg_user_mapping": "oid umuser umserver umoptions:VARCHAR[]",
    "pg_user_mappings": "umid srvid srvname:VARCHAR umuser usename:VARCHAR umoptions:VARCHAR[]",
    "pg_extension": "oid extname:VARCHAR extowner extnamespace extrelocatable:BOOLEAN extversion:VARCHAR "
    "extconfig:UINTEGER[] extcondition:VARCHAR[]",
    "pg_available_extensions": "name:VARCHAR default_version:VARCHAR installed_version:VARCHAR comment:VARCHAR",
    "pg_depend": "classid objid objsubid:INTEGER refclassid refobjid refobjsubid:INTEGER deptype:VARCHAR",
    "pg_shdepend": "dbid classid objid objsubid:INTEGER refclassid refobjid deptype:VARCHAR",
    "pg_shdescription": "objoid classoid description:VARCHAR",
    "pg_seclabels": "objoid classoid objsubid:INTEGER objtype:VARCHAR objnamespace objname:VARCHAR provider:VARCHAR "
    "label:VARCHAR",
    "pg_sequence": "seqrelid seqtypid seqstart seqincrement seqmax seqmin seqcache seqcycle:BOOLEAN",
    "pg_sequences": "schemaname:VARCHAR sequencename:VARCHAR sequenceowner:VARCHAR data_type:VARCHAR start_value "
    "min_value max_value increment_by cycle:BOOLEAN cache_size last_value",
    "pg_matviews": "schemaname:VARCHAR matviewname:VARCHAR matviewowner:VARCHAR tablespace:VARCHAR hasindexes:BOOLEAN "
    "ispopulated:BOOLEAN definition:VARCHAR",
    "pg_partitioned_table": "partrelid partstrat:VARCHAR partnatts:SMALLINT partdefid partattrs:UINTEGER[] "
    "partclass:UINTEGER[] partcollation:UINTEGER[] partexprs:VARCHAR",
    "pg_auth_members": "roleid member grantor admin_option:BOOLEAN",
    "pg_group": "groname:VARCHAR grosysid grolist:UINTEGER[]",
    "pg_db_role_setting": "setdatabase setrole setconfig:VARCHAR[]",
    "pg_default_acl": "oid defaclrole defaclnamespace defaclobjtype:VARCHAR defaclacl:VARCHAR[]",
    "pg_event_trigger": "oid evtname:VARCHAR evtevent:VARCHAR evtowner evtfoid evtenabled:VARCHAR evttags:VARCHAR[]",
    "pg_aggregate": "aggfnoid aggkind:VARCHAR aggnumdirectargs:SMALLINT aggtransfn:VARCHAR aggfinalfn:VARCHAR "
    "aggsortop aggtranstype agginitval:VARCHAR",
    "pg_operator": "oid oprname:VARCHAR oprnamespace oprowner oprkind:VARCHAR oprcanmerge:BOOLEAN oprcanhash:BOOLEAN "
    "oprleft oprright oprresult oprcom oprnegate oprcode oprrest oprjoin",
    "pg_opclass": "oid opcmethod opcname:VARCHAR opcnamespace opcowner opcfamily opcintype opcdefault:BOOLEAN "
    "opckeytype",
    "pg_opfamily": "oid opfmethod opfname:VARCHAR opfnamespace opfowner",
    "pg_cast": "oid castsource casttarget castfunc castcontext:VARCHAR castmethod:VARCHAR",
    "pg_conversion": "oid conname:VARCHAR connamespace conowner conforencoding:INTEGER contoencoding:INTEGER conproc "
    "condefault:BOOLEAN",
    "pg_locks": "locktype:VARCHAR database relation pid:INTEGER mode:VARCHAR granted:BOOLEAN",
    "pg_cursors": "name:VARCHAR statement:VARCHAR is_holdable:BOOLEAN is_binary:BOOLEAN is_scrollable:BOOLEAN "
    "creation_time:TIMESTAMPTZ",
    "pg_prepared_statements": "name:VARCHAR statement:VARCHAR prepare_time:TIMESTAMPTZ parameter_types:VARCHAR[] "
    "from_sql:BOOLEAN",
    "pg_prepared_xacts": "transaction gid:VARCHAR prepared:TIMESTAMPTZ owner:VARCHAR database:VARCHAR",
    "pg_replication_slots": "slot_name:VARCHAR plugin:VARCHAR slot_type:VARCHAR datoid database:VARCHAR active:BOOLEAN",
    "pg_stat_replication": "pid:INTEGER usesysid usename:VARCHAR application_name:VARCHAR state:VARCHAR",
    "pg_subscription": "oid subdbid subname:VARCHAR subowner subenabled:BOOLEAN",
    "pg_ts_config": "oid cfgname:VARCHAR cfgnamespace cfgowner cfgparser",
    "pg_ts_dict": "oid dictname:VARCHAR dictnamespace dictowner dicttemplate dictinitoption:VARCHAR",
    "pg_ts_parser": "oid prsname:VARCHAR prsnamespace",
    "pg_ts_template": "oid tmplname:VARCHAR tmplnamespace",
}
"""Relations without rows: ``column:type``, UINTEGER where no type stands."""

_RELATION = """
    FROM _pg_relations r JOIN _pg_schemas s ON s.oid = r.schema_oid"""
INFORMATION_VIEWS = {
    "schemata": """
        SELECT getvariable('database') AS catalog_name, name AS schema_name, getvariable('user') AS schema_owner,
            NULL::VARCHAR AS default_character_set_catalog, NULL::VARCHAR AS default_character_set_schema,
            NULL::VARCHAR AS default_character_set_name, NULL::VARCHAR AS sql_path FROM _pg_schemas""",
    "tables": f"""
        SELECT getvariable('database') AS table_catalog, s.name AS table_schema, r.name AS table_name,
            CASE kind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type,
            NULL::VARCHAR AS self_referencing_column_name, NULL::VARCHAR AS reference_generation,
            NULL::VARCHAR AS user_defined_type_catalog, NULL::VARCHAR AS user_defined_type_schema,
            NULL::VARCHAR AS user_defined_type_name, CASE kind WHEN 'v' THEN 'NO' ELSE 'YES' END AS is_insertable_into,
            'NO' AS is_typed, NULL::VARCHAR AS commit_action, r.comment AS table_comment {_RELATION}
        WHERE kind IN ('r', 'v') AND r.schema_oid <> {PG_CATALOG}""",
    "views": f"""
        SELECT getvariable('database') AS table_catalog, s.name AS table_schema, r.name AS table_name,
            definition AS view_definition, 'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS is_insertable_into
        {_RELATION} WHERE kind = 'v'""",
    "columns": """
        SELECT getvariable('database') AS table_catalog, s.name AS table_schema, r.name AS table_name,
            c.name AS column_name, num::INTEGER AS ordinal_position, default_text AS column_default,
            CASE WHEN not_null THEN 'NO' ELSE 'YES' END AS is_nullable,
            CASE WHEN y.element <> 0 THEN 'ARRAY' ELSE y.shown END AS data_type,
            NULL::INTEGER AS character_maximum_length,
            CASE type WHEN 1700 THEN ((modifier - 4) >> 16) & 65535 WHEN 20 THEN 64 WHEN 23 THEN 32 WHEN 21 THEN 16
                WHEN 701 THEN 53 WHEN 700 THEN 24 END::INTEGER AS numeric_precision,
            CASE WHEN type = 1700 THEN 10 WHEN type IN (20, 21, 23, 700, 701) THEN 2 END AS numeric_precision_radix,
            CASE WHEN type = 1700 THEN (modifier - 4) & 65535 WHEN type IN (20, 21, 23) THEN 0 END::INTEGER
                AS numeric_scale,
            CASE WHEN type IN (1083, 1114, 1184, 1186) THEN 6 END AS datetime_precision,
            NULL::VARCHAR AS character_set_name, NULL::VARCHAR AS collation_name, NULL::VARCHAR AS domain_name,
            getvariable('database') AS udt_catalog, 'pg_catalog' AS udt_schema, y.name AS udt_name,
            'NO' AS is_identity, NULL::VARCHAR AS identity_generation, 'NEVER' AS is_generated,
            NULL::VARCHAR AS generation_expression, 'YES' AS is_updatable, duckdb_type, c.comment AS column_comment
        FROM _pg_columns c JOIN _pg_relations r ON r.oid = c.relation JOIN _pg_schemas s ON s.oid = r.schema_oid
        LEFT JOIN _pg_types y ON y.oid = c.type""",
    "table_constraints": """
        SELECT getvariable('database') AS constraint_catalog, s.name AS constraint_schema, k.name AS constraint_name,
            getvariable('database') AS table_catalog, s.name AS table_schema, r.name AS table_name,
            CASE k.kind WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' WHEN 'f' THEN 'FOREIGN KEY' ELSE 'CHECK' END
                AS constraint_type, 'NO' AS is_deferrable, 'NO' AS initially_deferred, 'YES' AS enforced
        FROM _pg_constraints k JOIN _pg_relations r ON r.oid = k.relation JOIN _pg_schemas s ON s.oid = r.schema_oid""",
    "key_column_usage": """
        SELECT getvariable('database') AS constraint_catalog, s.name AS constraint_schema, k.name AS constraint_name,
            getvariable('database') AS table_catalog, s.name AS table_schema, r.name AS table_name,
            c.name AS column_name, list_position(k.keys, c.num)::INTEGER AS ordinal_position,
            NULL::INTEGER AS position_in_unique_constraint
        FROM _pg_constraints k JOIN _pg_relations r ON r.oid = k.relation JOIN _pg_schemas s ON s.oid = r.schema_oid
        JOIN _pg_columns c ON c.relation = k.relation AND list_contains(k.keys, c.num)
        WHERE k.kind IN ('p', 'u', 'f')""",
    "routines": """
        SELECT getvariable('database') AS specific_catalog, s.name AS specific_schema, f.name AS specific_name,
            getvariable('database') AS routine_catalog, s.name AS routine_schema, f.name AS routine_name,
            'FUNCTION' AS routine_type, result AS data_type, NULL::VARCHAR AS routine_definition
        FROM _pg_functions f JOIN _pg_schemas s ON s.oid = f.schema_oid""",
}
INFORMATION_EMPTY = {
    "referential_constraints": "constraint_catalog:VARCHAR constraint_schema:VARCHAR constraint_name:VARCHAR "
    "unique_constraint_catalog:VARCHAR unique_constraint_schema:VARCHAR unique_constraint_name:VARCHAR "
    "match_option:VARCHAR update_rule:VARCHAR delete_rule:VARCHAR",
    "constraint_column_usage": "table_catalog:VARCHAR table_schema:VARCHAR table_name:VARCHAR column_name:VARCHAR "
    "constraint_catalog:VARCHAR constraint_schema:VARCHAR constraint_name:VARCHAR",
    "sequences": "sequence_catalog:VARCHAR sequence_schema:VARCHAR sequence_name:VARCHAR data_type:VARCHAR",
    "parameters": "specific_catalog:VARCHAR specific_schema:VARCHAR specific_name:VARCHAR ordinal_position:INTEGER "
    "parameter_mode:VARCHAR parameter_name:VARCHAR data_type:VARCHAR",
    "triggers": "trigger_catalog:VARCHAR trigger_schema:VARCHAR trigger_name:VARCHAR event_manipulation:VARCHAR "
    "event_object_schema:VARCHAR event_object_table:VARCHAR action_statement:VARCHAR action_timing:VARCHAR",
    "table_privileges": "grantor:VARCHAR grantee:VARCHAR table_catalog:VARCHAR table_schema:VARCHAR table_name:VARCHAR "
    "privilege_type:VARCHAR is_grantable:VARCHAR with_hierarchy:VARCHAR",
    "element_types": "object_catalog:VARCHAR object_schema:VARCHAR object_name:VARCHAR object_type:VARCHAR "
    "collection_type_identifier:VARCHAR data_type:VARCHAR",
}
FILLED = ("_pg_schemas", "_pg_relations", "_pg_columns", "_pg_constraints", "_pg_indexes", "_pg_functions")
RELATIONS = frozenset({*VIEWS, *EMPTY, *FILLED, "_pg_types"})
"""Names without a schema that are of the catalog; views are told as what they are made of."""
INFORMATION = frozenset({*INFORMATION_VIEWS, *INFORMATION_EMPTY})


def _types() -> str:
    """Our types and their arrays as a table."""
    rows = []
    for kind in t.TYPES:
        name = kind.name.strip('"')
        rows.append(
            f"({kind.oid}, {literal(name)}, {kind.size}, {literal('p' if kind.category == 'X' else 'b')}, "
            f"{literal(kind.category)}, 0, {kind.array}, {literal(kind.shown)})"
        )
        if kind.array:
            rows.append(
                f"({kind.array}, {literal('_' + name)}, -1, 'b', 'A', {kind.oid}, 0, {literal(kind.shown + '[]')})"
            )
    columns = "oid, name, size, kind, category, element, arrays, shown"
    return (
        f"CREATE TABLE _pg_types AS SELECT oid::UINTEGER AS oid, name, size::INTEGER AS size, kind, category, "
        f"element::UINTEGER AS element, arrays::UINTEGER AS arrays, shown "
        f"FROM (VALUES {', '.join(rows)}) AS v({columns})"
    )


def _empty(schema: str, name: str, columns: str) -> str:
    parts = []
    for column in columns.split():
        title, _, kind = column.partition(":")
        parts.append(f'"{title}" {kind or "UINTEGER"}')
    return f"CREATE TABLE {schema}.{name} ({', '.join(parts)})"


def statements() -> list[str]:
    """What makes the relations, in order."""
    made = ["CREATE SCHEMA _information", BASE, _types()]
    made += [f'CREATE TYPE "{name}" AS VARCHAR' for name in TYPE_NAMES]
    made += [f"CREATE TYPE {name} AS UINTEGER[]" for name in ("int2vector", "oidvector")]
    made += [f"CREATE TYPE _information.{name} AS VARCHAR" for name in INFORMATION_TYPES]
    made += [_empty("main", name, columns) for name, columns in EMPTY.items()]
    made += [_empty("_information", name, columns) for name, columns in INFORMATION_EMPTY.items()]
    made += [f"CREATE VIEW {name} AS {query}" for name, query in VIEWS.items()]
    made += [f"CREATE VIEW _information.{name} AS {query}" for name, query in INFORMATION_VIEWS.items()]
    return made
