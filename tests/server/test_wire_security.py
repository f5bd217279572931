"""TLS, tokens, and what is no PostgreSQL protocol."""

from __future__ import annotations

import random
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from real_server import Server
from waiting import wait_until
from wire_clients import dsn, told

TOKEN = "a-token-of-the-server"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    settings = {"MLBOX_TOKEN": TOKEN, "MLBOX_PG_CERTIFICATE": str(certificate), "MLBOX_PG_KEY": str(key)}
    running = Server(folder / "home", environment=settings)
    yield running
    running.stop()


def test_the_password_is_the_token(guarded: Server) -> None:
    for mode in ("disable", "require"):
        with psycopg.connect(dsn(guarded, password=TOKEN, sslmode=mode), autocommit=True) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
            assert connection.pgconn.ssl_in_use == (mode == "require")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(dsn(guarded, password="wrong"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(dsn(guarded))


def test_the_certificate_is_verified(guarded: Server, tmp_path: Path) -> None:
    root = guarded.environment["MLBOX_PG_CERTIFICATE"]
    with psycopg.connect(dsn(guarded, password=TOKEN, sslmode="verify-full", sslrootcert=root)) as connection:
        assert connection.execute("SELECT 2").fetchone() == (2,)


def test_plain_text_behind_the_request_for_tls_is_refused(guarded: Server) -> None:
    with socket.create_connection(("127.0.0.1", guarded.pg_port), timeout=20) as client:
        startup = struct.pack("!i", 196_608) + b"user\0mlbox\0\0"
        client.sendall(struct.pack("!ii", 8, 80_877_103) + struct.pack("!i", len(startup) + 4) + startup)
        answer = b""
        while piece := client.recv(4096):
            answer += piece
    assert not answer.startswith(b"S") or b"R\0\0\0" not in answer


def test_without_tls_and_gss_the_server_says_so(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.pg_port), timeout=20) as client:
        client.sendall(struct.pack("!ii", 8, 80_877_104))
        assert client.recv(1) == b"N"
        client.sendall(struct.pack("!ii", 8, 80_877_103))
        assert client.recv(1) == b"N"
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        psycopg.connect(dsn(server, sslmode="require"))


def test_garbage_ends_its_connection_only(server: Server) -> None:
    chance = random.Random(5)
    startup = struct.pack("!i", 196_608) + b"user\0mlbox\0database\0mlbox\0\0"
    hello = struct.pack("!i", len(startup) + 4) + startup
    pieces = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        struct.pack("!i", 1 << 30),
        struct.pack("!i", -1),
        struct.pack("!ii", 8, 131_072),
        hello[:11],
        hello + b"Q" + struct.pack("!i", 1 << 30),
        hello + b"Q" + struct.pack("!i", -5),
        hello + b"Q\0\0",
        hello + b"\0" * 50,
        hello + b"B" + struct.pack("!i", 6) + b"\xff\xff",
        hello + b"P" + struct.pack("!i", 12) + b"a\0SELECT",
    ]
    pieces += [chance.randbytes(chance.randrange(1, 300)) for _ in range(40)]
    pieces += [hello + chance.randbytes(chance.randrange(1, 300)) for _ in range(40)]
    for piece in pieces:
        with socket.create_connection(("127.0.0.1", server.pg_port), timeout=20) as client:
            client.sendall(piece)
            client.shutdown(socket.SHUT_WR)
            try:
                while client.recv(65_536):
                    pass
            except ConnectionResetError:
                pass
    assert told(server, "SELECT 'still here'") == "still here"


def test_idle_and_busy_connections_end_with_the_server(own_server: Server) -> None:
    idle = psycopg.connect(dsn(own_server), autocommit=True)
    open_transaction = psycopg.connect(dsn(own_server))
    open_transaction.execute("CREATE TABLE half (a INTEGER)")
    busy = psycopg.connect(dsn(own_server), autocommit=True)
    busy.pgconn.send_query(b"SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range + b.range = 7")
    never_greeted = socket.create_connection(("127.0.0.1", own_server.pg_port))
    own_server.stop()
    assert own_server.process.returncode == 0
    with pytest.raises(psycopg.OperationalError):
        idle.execute("SELECT 1")
    never_greeted.close()
    own_server.start()
    assert told(own_server, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'half'") == "0"


def test_a_slow_reader_holds_nobody_up(server: Server) -> None:
    slow = socket.create_connection(("127.0.0.1", server.pg_port), timeout=20)
    startup = struct.pack("!i", 196_608) + b"user\0mlbox\0database\0mlbox\0\0"
    query = b"SELECT repeat('x', 1000) FROM range(200000)\0"
    slow.sendall(struct.pack("!i", len(startup) + 4) + startup + b"Q" + struct.pack("!i", len(query) + 4) + query)
    assert told(server, "SELECT 1") == "1"
    slow.close()
    waiting = "SELECT count(*) FROM range(1)"
    assert wait_until(lambda: told(server, waiting) == "1")


def test_tls_speaks_no_old_versions(guarded: Server) -> None:
    with socket.create_connection(("127.0.0.1", guarded.pg_port), timeout=20) as client:
        client.sendall(struct.pack("!ii", 8, 80_877_103))
        assert client.recv(1) == b"S"
        context = ssl.create_default_context(cafile=guarded.environment["MLBOX_PG_CERTIFICATE"])
        with context.wrap_socket(client, server_hostname="127.0.0.1") as secured:
            assert secured.version() in ("TLSv1.2", "TLSv1.3")
