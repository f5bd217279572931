"""Members over the PostgreSQL protocol: behind the fence of HTTP, also where a statement is only described."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fenced import SECRET, Member, shared_server
from wire_clients import dsn

Members = dict[str, Member]

READS = {
    "read_text": "SELECT * FROM read_text('{passwd}')",
    "read_blob_of_the_attached_catalog": "SELECT * FROM read_blob('{home}/catalog.duckdb')",
    "read_csv": "SELECT * FROM read_csv('{passwd}', header = false)",
    "file_beside_a_function_of_the_catalog": "SELECT version(), content FROM read_text('{passwd}')",
    "file_joined_with_the_catalog": "SELECT content FROM pg_class, read_text('{passwd}')",
    "file_in_a_subquery_of_the_catalog": "SELECT (SELECT content FROM read_text('{passwd}')) FROM pg_namespace",
    "file_as_a_table": "SELECT * FROM '{passwd}'",
    "glob_beside_the_catalog": "SELECT * FROM glob('{home}/*'), pg_am",
    "other_project": "SELECT * FROM closed.hidden_table",
    "other_project_with_database": "SELECT * FROM data.closed.hidden_table",
    "other_project_joined_with_the_catalog": "SELECT * FROM closed.hidden_table, pg_am",
    "other_project_by_query": "FROM query('FROM closed.hidden_table')",
    "own_tables": "SELECT * FROM catalog.main.projects",
    "other_project_inserted": "INSERT INTO t SELECT 1, 2 FROM closed.hidden_table RETURNING *",
}


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    with shared_server(tmp_path_factory.mktemp("wired") / "home", MLBOX_MEMBER_ROWS="1000") as (_, found):
        yield found


def connect(members: Members, user: str, database: str = "open_p", **more: Any) -> psycopg.Connection[Any]:
    member = members[user]
    return psycopg.connect(dsn(member.server, database, user=user, password=member.token), **more)


def test_members_sign_in_with_their_token(members: Members) -> None:
    with connect(members, "vera", autocommit=True) as connection:
        assert connection.execute("SELECT count(*), current_user FROM t").fetchone() is not None
        assert connection.execute("SELECT current_user").fetchone() == ("vera",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn(members["vera"].server, "open_p", user="vera", password=members["eddie"].token))
    with pytest.raises(psycopg.OperationalError, match="there is no project 'closed'"):
        connect(members, "vera", "closed")


def test_names_of_other_projects_are_not_shown(members: Members) -> None:
    with connect(members, "vera", autocommit=True) as connection:
        names = {row[0] for row in connection.execute("SELECT nspname FROM pg_namespace").fetchall()}
        assert "open_p" in names
        assert "closed" not in names
        query = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'hidden_table'"
        assert connection.execute(query).fetchone() == (0,)
    with connect(members, "owner", autocommit=True) as connection:
        assert connection.execute(query).fetchone() == (1,)


@pytest.mark.parametrize("attack", READS)
def test_attacks_are_refused(members: Members, attack: str, tmp_path: Path) -> None:
    home = members["owner"].server.home
    text = READS[attack].replace("{passwd}", "/etc/passwd").replace("{home}", str(home))
    with connect(members, "vera", autocommit=True) as connection:
        for act in (
            lambda: connection.execute(text, prepare=False),
            lambda: connection.execute(text.encode() + b" -- $1", prepare=True),
            lambda: connection.pgconn.prepare(b"", text.encode()),
            lambda: connection.execute(f"COPY ({text}) TO STDOUT"),
        ):
            try:
                given = act()
            except psycopg.Error as error:
                given = error
            assert SECRET not in str(given)
            assert "root:" not in str(given)
        described = connection.pgconn.describe_prepared(b"")
        names = [described.fname(column) for column in range(described.nfields)]
        assert b"word" not in names
        assert b"content" not in names
        connection.execute("SELECT 1")


def test_a_viewer_cannot_write_in_a_transaction(members: Members) -> None:
    for statement in ("INSERT INTO t VALUES (1, 2)", "WITH w AS (INSERT INTO t VALUES (1, 2) RETURNING *) FROM w"):
        with connect(members, "vera") as connection, pytest.raises(psycopg.Error):
            connection.execute("SELECT 1")
            connection.execute(statement)
    with connect(members, "owner", autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (100,)


def test_long_results_are_cut_and_say_so(members: Members) -> None:
    for autocommit in (True, False):
        with connect(members, "vera", autocommit=autocommit) as connection:
            heard: list[str] = []
            connection.add_notice_handler(lambda notice, heard=heard: heard.append(str(notice.message_primary)))
            assert len(connection.execute("SELECT a.k FROM t a, t b").fetchall()) == 1000
            assert heard == ["the result was cut after 1,000 rows; there are more"]
