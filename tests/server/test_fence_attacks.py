"""What members try on a real server: each attack is refused or bounded, tells nothing, and disturbs nobody."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fenced import SECRET, Member, shared_server

Members = dict[str, Member]

GRAPH = """CREATE ENDPOINT g USING GRAPH '{{"steps": [{}]}}'"""
READS = {
    "read_text": "SELECT * FROM read_text('{passwd}')",
    "read_blob": "SELECT * FROM read_blob('{passwd}')",
    "read_blob_of_the_attached_catalog": "SELECT * FROM read_blob('{home}/catalog.duckdb')",
    "read_csv": "SELECT * FROM read_csv('{passwd}', header = false)",
    "read_csv_auto_alias": "SELECT * FROM read_csv_auto('{passwd}')",
    "read_json": "SELECT * FROM read_json('{passwd}')",
    "read_parquet": "SELECT * FROM read_parquet('{passwd}')",
    "parquet_metadata": "SELECT * FROM parquet_metadata('{passwd}')",
    "read_duckdb": "SELECT * FROM read_duckdb('{home}/catalog.duckdb')",
    "glob": "SELECT * FROM glob('{home}/*')",
    "sniff_csv": "SELECT * FROM sniff_csv('{passwd}')",
    "quoted_function_name": """SELECT * FROM "read_text"('{passwd}')""",
    "qualified_function_name": "SELECT * FROM system.main.read_text('{passwd}')",
    "upper_case_function_name": "SELECT * FROM READ_TEXT('{passwd}')",
    "comment_in_the_call": "SELECT * FROM read_text/* */('{passwd}')",
    "file_as_a_table": "SELECT * FROM '{passwd}'",
    "file_as_a_quoted_table": 'SELECT * FROM "{home}/x.csv"',
    "file_behind_a_query_of_its_name": """SELECT * FROM 'x.csv', (WITH "x.csv" AS (SELECT 1) FROM "x.csv")""",
    "file_by_path_escape": "SELECT * FROM read_csv('../../../../../../etc/passwd')",
    "file_in_a_subquery": "SELECT (SELECT content FROM read_text('{passwd}'))",
    "file_in_a_lateral_join": "FROM t, LATERAL (SELECT * FROM read_text('{passwd}'))",
    "file_in_exists": "SELECT 1 WHERE EXISTS (FROM read_text('{passwd}'))",
    "file_in_limit": "FROM t LIMIT (SELECT count(*) FROM glob('{home}/*'))",
    "file_in_a_window": "SELECT sum(k) OVER (ORDER BY (SELECT max(size) FROM read_text('{passwd}'))) FROM t",
    "file_in_described_query": "DESCRIBE SELECT * FROM read_csv('{passwd}')",
    "file_in_explained_query": "EXPLAIN SELECT * FROM read_text('{passwd}')",
    "other_project": "SELECT * FROM closed.hidden_table",
    "other_project_with_database": "SELECT * FROM data.closed.hidden_table",
    "other_project_quoted": 'SELECT * FROM "closed"."hidden_table"',
    "other_project_in_a_cte": "WITH w AS (FROM closed.hidden_table) FROM w",
    "other_project_in_a_union": "SELECT k::VARCHAR FROM t UNION ALL SELECT word FROM closed.hidden_table",
    "other_project_in_a_pivot": "FROM (PIVOT closed.hidden_table ON word IN ('a') USING count(*))",
    "other_project_pivoted_dynamically": "PIVOT closed.hidden_table ON word USING count(*)",
    "other_project_summarized": "SUMMARIZE closed.hidden_table",
    "other_project_described": "DESCRIBE closed.hidden_table",
    "other_project_in_a_join": "FROM t POSITIONAL JOIN closed.hidden_table",
    "other_project_in_a_lambda": "SELECT list_transform([1], lambda i: (SELECT max(word) FROM closed.hidden_table))",
    "other_project_by_query": "FROM query('FROM closed.hidden_table')",
    "other_project_by_query_table": "FROM query_table('closed.hidden_table')",
    "other_project_by_serialized_sql": (
        "FROM json_execute_serialized_sql(json_serialize_sql('FROM closed.hidden_table'))"
    ),
    "other_project_by_show": "SHOW RUNS IN PROJECT closed",
    "other_project_by_show_where": "SHOW RUNS WHERE name IN (SELECT word FROM closed.hidden_table)",
    "other_project_by_where_that_closes_its_bracket": "SHOW RUNS WHERE 1=1) UNION FROM closed.hidden_table --",
    "other_project_by_use": "USE PROJECT closed",
    "other_project_by_describe": "DESCRIBE PROJECT closed",
    "other_project_by_features": "FROM ml.features('closed.v', 't')",
    "other_project_as_a_spine": "FROM ml.features('v', 'closed.hidden_table')",
    "catalog_as_a_spine": "FROM ml.features('v', 'catalog.main.tokens')",
    "other_project_by_predict": "SELECT ml.predict('closed.m', t) FROM t",
    "other_project_by_search": "FROM ml.search('closed.notes', 'a')",
    "other_project_by_embed": "SELECT ml.embed('closed.notes', 'a')",
    "other_project_by_ask": "SELECT ml.ask('closed.e', t) FROM t",
    "other_project_by_the_model_of_a_graph": GRAPH.format('{"kind": "model", "model": "closed.m"}'),
    "other_project_by_the_code_of_a_graph": GRAPH.format('{"kind": "map", "function": "closed.f"}'),
    "other_project_by_the_vector_of_a_graph": GRAPH.format('{"kind": "enrich", "vector": "closed.v"}'),
    "other_project_by_the_end_of_a_stack": "CREATE ENDPOINT g USING ENSEMBLE STACK (m, m) BY closed.m",
    "a_file_by_a_graph": "CREATE ENDPOINT g USING GRAPH '/etc/passwd'",
    "other_project_by_evaluate": "FROM ml.evaluate('closed.m', 't')",
    "catalog_as_rows_of_evaluate": "FROM ml.evaluate('m', 'catalog.main.tokens')",
    "other_project_by_type": "SELECT NULL::closed.mood",
    "other_project_by_lineage": "SHOW LINEAGE OF MODEL closed.m",
    "other_project_by_explain": "EXPLAIN FROM closed.hidden_table",
    "other_project_by_our_explain": "EXPLAIN RUN closed.f",
    "tokens_of_the_catalog": "SELECT * FROM catalog.main.tokens",
    "secrets_of_the_catalog": "SELECT * FROM catalog.main.secrets",
    "catalog_by_default_schema": "SELECT * FROM catalog.tokens",
    "claims_of_the_data": "SELECT * FROM data._mlbox.claims",
    "predictions_of_all": "SELECT * FROM data._mlbox.predictions",
    "hidden_rows_of_feature_sets": 'SELECT * FROM data._sets."closed.f"',
    "information_schema": "SELECT * FROM information_schema.tables",
    "pg_catalog": "SELECT * FROM pg_catalog.pg_class",
    "pg_tables_unqualified": "SELECT * FROM pg_tables",
    "sqlite_master": "SELECT sql FROM sqlite_master",
    "duckdb_tables": "SELECT * FROM duckdb_tables()",
    "duckdb_tables_as_a_view": "SELECT * FROM duckdb_tables",
    "duckdb_views_behind_a_query_of_its_name": "WITH duckdb_views AS (SELECT 1) FROM duckdb_views",
    "duckdb_settings": "SELECT * FROM duckdb_settings()",
    "duckdb_secrets": "SELECT * FROM duckdb_secrets()",
    "duckdb_logs": "SELECT * FROM duckdb_logs()",
    "duckdb_variables": "SELECT * FROM duckdb_variables()",
    "duckdb_prepared_statements": "SELECT * FROM duckdb_prepared_statements()",
    "duckdb_temporary_files": "SELECT * FROM duckdb_temporary_files()",
    "pragma_function": "SELECT * FROM pragma_table_info('closed.hidden_table')",
    "pragma_storage_info": "SELECT * FROM pragma_storage_info('closed.hidden_table')",
    "pragma_database_list": "SELECT * FROM pragma_database_list",
    "show_all_tables": "SHOW ALL TABLES",
    "show_databases": "SHOW DATABASES",
    "show_tables_from": "SHOW TABLES FROM closed",
    "getenv": "SELECT getenv('PATH')",
    "getenv_as_a_method": "SELECT 'PATH'.getenv()",
    "current_setting": "SELECT current_setting('temp_directory')",
    "session_id": "SELECT getvariable('mlbox_session')",
    "session_id_guessed": "SELECT _ml_features('v', 'closed.hidden_table', repeat('0', 48))",
    "session_id_left_out": "SELECT _ml_features('v', 'closed.hidden_table', '')",
    "sequence_moved": "SELECT nextval('closed.seq')",
    "log_written": "SELECT write_log('x')",
    "columns_of_the_plan": "SELECT json_serialize_plan('FROM closed.hidden_table')",
}
WRITES = {
    "writing_cte": "WITH w AS (INSERT INTO t VALUES (1, 1) RETURNING *) SELECT * FROM w",
    "deleting_cte": "WITH w AS (DELETE FROM t RETURNING *) SELECT * FROM w",
    "copying_cte": "WITH w AS (COPY t TO '{home}/stolen.csv') SELECT * FROM w",
    "explain_analyze": "EXPLAIN ANALYZE INSERT INTO t VALUES (1, 1)",
    "explain_analyze_in_brackets": "EXPLAIN (ANALYZE, FORMAT json) INSERT INTO t VALUES (1, 1)",
    "explain_analyze_behind_a_comment": "EXPLAIN /* */ ANALYZE INSERT INTO t VALUES (1, 1)",
    "copy_to": "COPY t TO '{home}/stolen.csv'",
    "copy_of_a_query": "COPY (SELECT 1) TO '{home}/stolen.csv'",
    "copy_from": "COPY t FROM '{passwd}'",
    "export_database": "EXPORT DATABASE '{home}/stolen'",
    "import_database": "IMPORT DATABASE '{home}/stolen'",
    "attach": "ATTACH '{home}/catalog.duckdb' AS c2",
    "attach_a_new_file": "ATTACH '{home}/new.duckdb' AS c2",
    "detach_catalog": "DETACH catalog",
    "install": "INSTALL httpfs",
    "load": "LOAD httpfs",
    "set_threads": "SET threads = 1",
    "set_global": "SET GLOBAL memory_limit = '1TB'",
    "reset": "RESET memory_limit",
    "set_variable": "SET VARIABLE mlbox_projects = ['closed']",
    "set_variable_of_the_session": "SET VARIABLE mlbox_session = ''",
    "reset_variable": "RESET VARIABLE mlbox_user",
    "set_search_path": "SET search_path = 'data.closed'",
    "set_schema": "SET schema = 'closed'",
    "use_schema": "USE data.closed",
    "pragma_assignment": "PRAGMA memory_limit = '1TB'",
    "pragma_call": "PRAGMA database_list",
    "call": "CALL pragma_version()",
    "call_checkpoint": "CALL force_checkpoint()",
    "checkpoint": "CHECKPOINT catalog",
    "begin": "BEGIN",
    "commit_of_the_fence": "COMMIT; DELETE FROM t",
    "two_statements": "SELECT 1; DROP TABLE closed.hidden_table",
    "prepare": "PREPARE p AS FROM closed.hidden_table",
    "execute": "EXECUTE p",
    "deallocate": "DEALLOCATE p",
    "vacuum": "VACUUM",
    "analyze": "ANALYZE t",
    "create_macro": "CREATE MACRO m() AS TABLE FROM read_text('{passwd}')",
    "create_secret": "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "create_persistent_secret": "CREATE PERSISTENT SECRET s (TYPE s3)",
    "create_schema": "CREATE SCHEMA data.mine",
    "create_sequence": "CREATE SEQUENCE s",
    "create_type": "CREATE TYPE mood AS ENUM (SELECT word FROM closed.hidden_table)",
    "create_index": "CREATE INDEX i ON t (k)",
    "create_temporary_table": "CREATE TEMP TABLE t2 AS FROM closed.hidden_table",
    "create_profile": "CREATE PROFILE lake TYPE s3 WITH (endpoint_url = 'http://127.0.0.1:9')",
    "drop_profile": "DROP PROFILE IF EXISTS lake",
    "create_project": "CREATE PROJECT mine",
    "drop_project": "DROP PROJECT open_p CASCADE",
    "drop_other_project": "DROP PROJECT closed CASCADE",
    "drop_view_of_the_catalog": "DROP VIEW catalog.ml.runs",
    "drop_schema": "DROP SCHEMA data.closed CASCADE",
    "replace_view_of_the_catalog": "CREATE OR REPLACE VIEW catalog.ml.runs AS SELECT 1",
    "insert_into_catalog": "INSERT INTO catalog.main.members VALUES ('closed', 'vera', 'admin', now(), 'x')",
    "insert_into_ml": "INSERT INTO ml.runs SELECT 1",
    "update_catalog": "UPDATE catalog.main.members SET role = 'admin'",
    "delete_audit": "DELETE FROM catalog.main.audit",
    "comment_on": "COMMENT ON TABLE closed.hidden_table IS 'x'",
    "insert_into_other_project": "INSERT INTO closed.hidden_table VALUES ('x')",
    "insert_into_hidden_schema": "INSERT INTO data._mlbox.claims VALUES ('x')",
    "create_in_hidden_schema": "CREATE TABLE data._mlbox.x AS SELECT 1",
    "create_in_main": "CREATE TABLE data.main.x AS SELECT 1",
    "update_from_other_project": "UPDATE t SET x = (SELECT length(word) FROM closed.hidden_table)",
    "delete_by_other_project": "DELETE FROM t USING closed.hidden_table",
    "insert_from_other_project": "INSERT INTO t SELECT 1, length(word) FROM closed.hidden_table",
    "insert_from_a_file": "INSERT INTO t SELECT 1, size FROM read_text('{passwd}')",
    "upsert_by_other_project": (
        "INSERT INTO t VALUES (1, 1) ON CONFLICT DO UPDATE SET x = (SELECT length(word) FROM closed.hidden_table)"
    ),
    "returning_other_project": "DELETE FROM t RETURNING (SELECT word FROM closed.hidden_table)",
    "view_of_other_project": "CREATE VIEW v AS FROM closed.hidden_table",
    "view_of_a_file": "CREATE VIEW v AS FROM read_text('{passwd}')",
    "table_of_other_project": "CREATE TABLE v AS FROM closed.hidden_table",
    "default_of_a_column": "CREATE TABLE v (a VARCHAR DEFAULT getenv('HOME'))",
    "check_with_a_query": "CREATE TABLE v (a INT CHECK (a IN (SELECT 1)))",
    "foreign_key": "CREATE TABLE v (a VARCHAR REFERENCES closed.hidden_table (word))",
    "rename_into_other_project": "ALTER TABLE t SET SCHEMA closed",
    "alter_other_project": "ALTER TABLE closed.hidden_table ADD COLUMN a INT",
    "merge": "MERGE INTO t USING closed.hidden_table h ON true WHEN MATCHED THEN DELETE",
    "grant_to_myself": "GRANT admin ON PROJECT closed TO 'eddie'",
    "token_of_another": "CREATE TOKEN FOR 'ada'",
    "token_of_the_owner": "CREATE TOKEN FOR 'local'",
    "function_from_a_file_of_the_server": "CREATE FUNCTION f FROM '{passwd}'",
    "source_of_a_file_of_the_server": "CREATE SOURCE s TYPE csv FROM '{passwd}'",
    "source_of_a_file_by_url": "CREATE SOURCE s TYPE csv FROM 'file://{passwd}'",
    "source_by_path_escape": "CREATE SOURCE s TYPE csv FROM '{home}/uploads/*/../../../../../../etc/passwd'",
    "source_at_a_url": "CREATE SOURCE s TYPE csv FROM 'http://127.0.0.1:9/x.csv'",
    "files_of_a_set_at_a_path": "CREATE FEATURE SET g (ENTITY k INT, TIMESTAMP t, x INT) WITH (location = '/tmp/x')",
    "files_of_a_set_at_a_url": "CREATE FEATURE SET g (ENTITY k INT, TIMESTAMP t, x INT) WITH (location = 's3://b/x')",
    "files_of_a_set_in_the_home": "CREATE FEATURE SET g (ENTITY k INT, TIMESTAMP t, x INT) WITH (location = '{home}')",
    "source_whose_query_reads_a_file": "CREATE SOURCE s AS SELECT * FROM read_csv('{passwd}')",
    "model_from_a_file_of_the_server": "CREATE MODEL m FROM '{home}/catalog.duckdb'",
    "mount_of_the_host": "CREATE FUNCTION f FROM 'module:os' HANDLER getcwd RUNTIME docker WITH (mounts = ['/:/host'])",
    "repository_on_the_server": "CREATE FUNCTION f FROM 'git+file://{home}'",
    "run_over_a_file_of_the_server": "RUN f INPUTS (a = '{passwd}')",
    "run_over_other_project": "RUN f FROM closed.hidden_table",
    "run_over_a_query_of_other_project": "RUN f FROM (SELECT * FROM closed.hidden_table)",
    "run_in_other_project": "RUN closed.f",
    "feature_set_of_other_project": (
        "CREATE FEATURE SET fs (ENTITY k, TIMESTAMP ts) AS SELECT word AS k, now() AS ts FROM closed.hidden_table"
    ),
    "collection_of_other_project": "CREATE COLLECTION c KEY (id) TEXT body AS SELECT * FROM closed.t",
    "collection_of_files": "CREATE COLLECTION c KEY (filename) TEXT content AS SELECT * FROM read_text('/etc/passwd')",
    "tokenizer_of_server": "CREATE COLLECTION c KEY (id) TEXT body EMBED WITH MODEL m TOKENIZER '/etc/passwd' "
    "AS SELECT 1 AS id, 'a' AS body",
    "vector_of_other_project": "CREATE FEATURE VECTOR v AS FEATURES (closed.fs.*)",
    "endpoint_of_other_project": "CREATE ENDPOINT e USING MODEL closed.m",
    "monitor_baseline_of_other_project": "CREATE MONITOR m ON TABLE t BASELINE (SELECT * FROM closed.hidden_table)",
    "alert_in_other_project": "CREATE ALERT closed.a WHEN 1 > 0 THEN NOTIFY 'log:'",
    "schedule_in_other_project": "CREATE SCHEDULE closed.s EVERY INTERVAL 1 HOUR DO SELECT 1",
}
CODES = {"forbidden", "not_found", "invalid", "statement", "not_executed", "conflict", "unauthorized", "cancelled"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Members]]:
    home = tmp_path_factory.mktemp("fence") / "home"
    with shared_server(home) as (_, members):
        yield home, members


def attack(member: Member, home: Path, text: str) -> dict[str, Any]:
    text = text.replace("{home}", str(home)).replace("{passwd}", "/etc/passwd")
    error = member.error(text)
    told = json.dumps(error)
    assert SECRET not in told and "root:" not in told, told
    if "hidden_table" not in text:
        assert "hidden_table" not in told, told
    assert error["code"] in CODES, error
    return error


@pytest.mark.parametrize(
    "given",
    ["profile = api", "PROFILE = NULL", "endpoint_url = 'http://127.0.0.1:9', anon = true", "token = SECRET k"]
    + [
        "username = 'x'",
        "ca_file = '/etc/passwd'",
        "\"table\" = 'salaries'",
        "query = 'SELECT 1'",
        "sslmode = 'disable'",
    ],
)
def test_a_source_of_the_owner_is_not_turned_elsewhere(shared: tuple[Path, Members], given: str) -> None:
    _, members = shared
    members["owner"].answer(
        "CREATE PROFILE IF NOT EXISTS api TYPE http WITH (token = 'tok-4712'); "
        "CREATE SOURCE IF NOT EXISTS pub FROM 'https://127.0.0.1:9/x.csv'"
    )
    for user in ("eddie", "ada"):
        error = members[user].error(f"ALTER SOURCE pub SET ({given})")
        assert error["code"] == "forbidden" and "owner" in error["hint"], error
        assert members[user].answer("ALTER SOURCE pub SET (comment = 'of all', owner = 'eddie')")[0] == 200
    assert members["owner"].rows("SELECT options FROM ml.sources WHERE name = 'pub'") == [["{}"]]


@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_a_viewer_is_refused(shared: tuple[Path, Members], name: str) -> None:
    home, members = shared
    attack(members["vera"], home, {**READS, **WRITES}[name])


@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_an_editor_is_refused(shared: tuple[Path, Members], name: str) -> None:
    home, members = shared
    attack(members["eddie"], home, {**READS, **WRITES}[name])


def test_nothing_is_changed_by_all_that(shared: tuple[Path, Members]) -> None:
    home, members = shared
    owner = members["owner"]
    for text in WRITES.values():
        attack(members["vera"], home, text)
    assert owner.rows("SELECT count(*), sum(x) FROM open_p.t") == [[100, 9900]]
    assert owner.rows("SELECT word FROM closed.hidden_table") == [[SECRET]]
    assert owner.rows("SELECT DISTINCT project FROM ml.members") == [["open_p"]]
    assert not list(home.glob("stolen*")) and not (home / "new.duckdb").exists()
    assert owner.rows("SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'open_p'") == [[1]]
    refused = owner.rows("SELECT count(*) FROM ml.audit WHERE caller = 'vera' AND outcome = 'error'")[0][0]
    assert refused > 50


def test_members_do_what_they_may(shared: tuple[Path, Members]) -> None:
    _, members = shared
    vera, eddie = members["vera"], members["eddie"]
    assert vera.rows("SELECT count(*) FROM t") == [[100]]
    assert vera.rows("SELECT count(*) FROM data.open_p.t JOIN open_p.t u USING (k)") == [[100]]
    assert vera.rows("SELECT n FROM shown") == [[len(SECRET)]]  # a view shows what its maker wanted to show
    assert vera.rows("FROM ml.projects SELECT name") == [["open_p"]]
    assert vera.rows("WITH RECURSIVE r AS (SELECT 1 i UNION ALL SELECT i + 1 FROM r WHERE i < 9) SELECT max(i) FROM r")
    assert vera.rows("SELECT k, rank() OVER (ORDER BY x DESC) FROM t QUALIFY rank() OVER (ORDER BY x) = 1") == [
        [0, 100]
    ]
    assert vera.rows("SELECT $a + 1", parameters={"a": 1}) == [[2]]
    assert eddie.rows("CREATE TABLE mine AS FROM t; INSERT INTO mine VALUES (-1, 0); SELECT count(*) FROM mine") == [
        [101]
    ]
    assert eddie.rows("UPDATE mine SET x = 0 WHERE k < 5; DELETE FROM mine WHERE x = 0; SELECT count(*) FROM mine") == [
        [95]
    ]
    assert eddie.rows("ALTER TABLE mine ADD COLUMN note VARCHAR; DROP TABLE mine; SELECT 1") == [[1]]


HUGE = {
    "ten_billion_characters": "SELECT repeat('x', 10000000000)",
    "three_billion_characters": "SELECT length(repeat('x', 3000000000))",
    "a_length_from_a_column": "SELECT lpad('x', k * 100000000, 'y') FROM t",
    "a_length_from_a_parameter": "SELECT rpad('x', $n, 'y')",
    "a_list_of_a_billion": "SELECT list_resize([1], 1000000000)",
    "a_wide_format": "SELECT format('{:>1000000000}', 1)",
    "a_wide_printf": "SELECT printf('%1000000000d', 1)",
}


@pytest.mark.parametrize("name", HUGE)
def test_huge_values_are_refused(shared: tuple[Path, Members], name: str) -> None:
    home, members = shared
    parameters = {"n": 10**10} if "$n" in HUGE[name] else None
    assert members["vera"].error(HUGE[name], parameters=parameters)["code"] == "forbidden"


def test_deep_nesting_is_an_error(shared: tuple[Path, Members]) -> None:
    _, members = shared
    assert members["vera"].error("SELECT " + "(" * 5000 + "1" + ")" * 5000)["code"] in CODES
    assert members["vera"].error("SELECT 1" + " UNION ALL SELECT 1" * 3000 + " UNION")["code"] in CODES
    assert members["vera"].rows("SELECT 1") == [[1]]


def test_many_sessions_at_once_disturb_nobody(shared: tuple[Path, Members]) -> None:
    """Each statement has a session of its own, which is gone with its answer."""
    home, members = shared
    failed: list[object] = []

    def work() -> None:
        for number in range(40):
            if members["vera"].rows(f"SELECT max(k) + {number} FROM t") != [[99 + number]]:
                failed.append(number)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    assert members["eddie"].rows("SELECT count(*) FROM t") == [[100]]
    for thread in threads:
        thread.join()
    assert not failed


def test_what_scripts_log_takes_the_roles_of_members(shared: tuple[Path, Members]) -> None:
    _, members = shared
    vera, eddie = members["vera"], members["eddie"]
    calls = "/mlflow/{}/api/2.0/mlflow/"
    search = {"experiment_ids": ["0"]}
    assert vera.request("POST", calls.format("open_p") + "runs/search", search)[0] == 200
    assert vera.request("POST", calls.format("open_p") + "runs/create", {})[0] == 403
    assert vera.request("POST", "/runs", {"project": "open_p"})[0] == 403
    for project in ("closed", "no_such"):
        assert eddie.request("POST", calls.format(project) + "runs/search", search)[0] == 404
        assert eddie.request("POST", calls.format(project) + "runs/create", {})[0] == 404
        assert eddie.request("POST", "/runs", {"project": project})[0] in (403, 404)
    status, _, body = eddie.request("POST", calls.format("open_p") + "runs/create", {})
    assert status == 200, body
    run = json.loads(body)["run"]["info"]["run_id"]
    assert eddie.request("GET", calls.format("open_p") + f"runs/get?run_id={run}")[0] == 200
    assert eddie.request("GET", calls.format("closed") + f"runs/get?run_id={run}")[0] == 404
    status, _, body = eddie.request("POST", "/runs", {"project": "open_p", "name": "own"})
    assert status == 201, body
    other = json.loads(body)
    sent = {"batch": "b", "events": [{"kind": "metric", "name": "auc", "value": 1}]}
    assert eddie.request("POST", f"/run-api/{other['run_id']}/events", sent)[0] == 401  # takes the token of the run
