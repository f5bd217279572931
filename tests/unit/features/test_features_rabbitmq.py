"""A real RabbitMQ: what each type of queue promises, what is said when it cannot be read, and its death."""

from __future__ import annotations

import gc
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from engines import rabbitmq
from onnx_models import scaled
from real_server import Server
from stream_rigs import batches_of
from waiting import wait_until

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.features.sinks.base import Target, open_sink
from mlbox.engine.features.sources.base import Source

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(bool(rabbitmq.why_not()), reason=rabbitmq.why_not() or "it is there"),
]
SET = "(ENTITY k BIGINT, TIMESTAMP ts, n BIGINT) AGGREGATE (count(*) OVER (1 DAY) AS c)"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> rabbitmq.Broker:
    return rabbitmq.shared(tmp_path_factory.mktemp("rabbitmq"))


@pytest.fixture
def queue(broker: rabbitmq.Broker, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"q-{uuid.uuid4().hex}"
    broker.declare(name, getattr(request, "param", "classic"))
    yield name
    broker.delete(name)


def source(broker: rabbitmq.Broker, queue: str, **options: Any) -> Source:
    uri = options.pop("uri", f"amqp://{broker.address}/{rabbitmq.VHOST}/{queue}")
    return Source("", "default", "s", "amqp", uri, options=options)


def taken(found: Source, positions: Mapping[str, Any], *, commit: bool = True) -> tuple[list[Any], dict[str, Any]]:
    """Bodies that come, and the positions behind them. Without ``commit`` the first batch is the last, and whoever
    reads is gone before it is acknowledged."""
    behind = dict(positions)
    bodies: list[Any] = []
    with closing(batches_of(found, positions)) as batches:
        for batch in batches:
            bodies += [json.loads(text) for text in batch.rows.column("_mlbox_json").to_pylist()]
            behind.update(batch.positions)
            if not batch.lag and (not len(batch.rows) or not commit):
                return bodies, behind
    raise AssertionError("the source has ended")


def messages(*bodies: Any, named: bool = True) -> list[tuple[bytes, str | None]]:
    return [(json.dumps(body).encode(), f"m-{body}" if named else None) for body in bodies]


@pytest.mark.parametrize("queue", ["classic", "quorum"], indirect=True)
def test_what_is_delivered_again_is_known_by_its_message_id(broker: rabbitmq.Broker, queue: str) -> None:
    found = source(broker, queue)
    broker.send(queue, messages(1, 2, 3))
    bodies, positions = taken(found, {}, commit=False)
    assert bodies == [1, 2, 3]
    broker.send(queue, [*messages(3, 4), (b"5", "m-4")])  # sent again by whoever sends, and one name for two messages
    assert taken(found, positions)[0] == [4, 5]
    assert taken(found, positions)[0] == []  # acknowledged, those that were known as well
    broker.send(queue, messages(1, 2, named=False))
    assert taken(found, positions, commit=False)[0] == [1, 2]
    assert taken(found, positions)[0] == [1, 2]  # at least once


@pytest.mark.parametrize("queue", ["stream"], indirect=True)
def test_a_stream_is_read_by_its_offsets_by_as_many_as_like(broker: rabbitmq.Broker, queue: str) -> None:
    found = source(broker, queue, prefetch=2)
    assert taken(found, {})[0] == []
    broker.send(queue, messages(*range(10), named=False))
    bodies, positions = taken(found, {})
    assert bodies == list(range(10)) and positions == {queue: {"offset": 10}}
    assert taken(found, {})[0] == list(range(10))
    broker.send(queue, messages(10, 11, named=False))
    assert taken(found, positions) == ([10, 11], {queue: {"offset": 12}})
    latest = source(broker, queue, start="latest")
    bodies, positions = taken(latest, {})
    assert bodies == [] and positions == {queue: {"offset": 12}}
    broker.send(queue, messages(12, named=False))
    assert taken(latest, positions)[0] == [12]


@pytest.mark.parametrize("queue", ["stream"], indirect=True)
def test_a_stream_that_was_made_anew_is_read_from_its_beginning(
    broker: rabbitmq.Broker, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = source(broker, queue, prefetch=2, start="latest")
    broker.send(queue, messages(*range(50), named=False))
    assert taken(found, {queue: {"offset": 0}})[1] == {queue: {"offset": 50}}
    assert taken(found, {queue: {"offset": 50}})[0] == [] and not caplog.records
    broker.delete(queue)
    broker.declare(queue, "stream")
    with pytest.raises(Unavailable, match="holds nothing, and was read up to offset 49") as caught:
        taken(found, {queue: {"offset": 50}})
    assert "made anew" in (caught.value.hint or "")
    broker.send(queue, messages(*range(100, 120), named=False))
    assert taken(found, {queue: {"offset": 50}}) == (list(range(100, 120)), {queue: {"offset": 20}})
    assert "ends at offset 19, and was read up to 49" in caplog.text
    assert taken(found, {queue: {"offset": 20}})[0] == []


@pytest.mark.parametrize("queue", ["classic", "quorum"], indirect=True)
def test_a_queue_has_one_reader(broker: rabbitmq.Broker, queue: str) -> None:
    found = source(broker, queue)
    with closing(batches_of(found)) as first:
        next(first)
        broker.send(queue, messages(*range(20)))
        with pytest.raises(Unavailable, match="another reader") as caught:
            taken(found, {})
        assert "one reader only" in (caught.value.hint or "")
        assert len(next(first).rows) == 20
    with broker.channel() as channel:  # a program of others, which has come first
        channel.basic_consume(queue, lambda *_: None)
        with pytest.raises(Unavailable, match="another reader"):
            taken(found, {})


def test_errors_say_what_to_do(broker: rabbitmq.Broker, queue: str) -> None:
    address, vhost = broker.address, rabbitmq.VHOST
    wrong = [
        (source(broker, queue, username=rabbitmq.USER, password="x"), "refuses the log-in", "password = SECRET"),
        (source(broker, queue, uri=f"amqp://{rabbitmq.STRANGER}@{address}/{vhost}/q", password=rabbitmq.PASSWORD),
         "access to vhost 'shop' refused for user 'stranger'", "the user let in"),
        (source(broker, queue, uri=f"amqp://{address}/nowhere/q"), "vhost nowhere not found", "is the virtual host"),
        (source(broker, "nothing"), "no queue 'nothing' in vhost 'shop'", "as soon as it is there"),
        (source(broker, queue, uri=f"amqps://{address}/{vhost}/q"), "SSL", "5671"),
        (source(broker, queue, uri=f"amqp://127.0.0.1:1/{vhost}/q"), "Connection refused", "is the broker there"),
        (source(broker, queue, uri=f"amqp://no.such.host.invalid/{vhost}/q"), "cannot be reached", "is the broker"),
    ]  # fmt: skip
    for found, said, hint in wrong:
        with pytest.raises(Unavailable, match=said) as caught:
            taken(found, {})
        assert hint in (caught.value.hint or "")
    with pytest.raises(Invalid, match="has no past") as past:
        taken(source(broker, queue, start="latest"), {})
    assert "start = NULL" in (past.value.hint or "")
    with closing(batches_of(source(broker, queue))) as first:
        next(first)
        broker.delete(queue)
        with pytest.raises(Unavailable, match="deleted|no queue"):
            for _ in range(5):
                next(first)


def test_what_no_queue_takes_is_told_of(broker: rabbitmq.Broker, queue: str) -> None:
    root = f"amqp://{broker.address}/{rabbitmq.VHOST}"
    for uri, options, said in (
        (f"{root}/nothing", {}, r"no queue takes what is sent to nothing \(NO_ROUTE\)"),
        (root, {"exchange": "nothing"}, "no exchange 'nothing'"),
        (root, {"exchange": "amq.topic", "routing_key": "a.b"}, "exchange amq.topic with routing key 'a.b'"),
    ):
        with pytest.raises(Unavailable, match=said):
            open_sink(Target(uri, "default", None, options)).write([{"a": 1}])
    full = f"full-{queue}"
    with broker.channel() as channel:
        channel.queue_declare(full, durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    with pytest.raises(Unavailable, match="refuses"):
        open_sink(Target(f"{root}/{full}", "default")).write([{"a": n} for n in range(9)])
    broker.delete(full)


def test_a_sink_that_cannot_connect_leaves_nothing_open(broker: rabbitmq.Broker, queue: str) -> None:
    where = f"{broker.address}/{rabbitmq.VHOST}/{queue}"
    wrong = [
        Target(f"amqp://{rabbitmq.USER}@{where}", "default", None, {"password": "wrong"}),
        Target(f"amqp://127.0.0.1:1/{rabbitmq.VHOST}/q", "default"),
    ]

    def tried() -> int:
        for target in wrong:
            with closing(open_sink(target)) as sink, pytest.raises(Unavailable):
                sink.write([{"a": 1}])
        return len(list(Path("/proc/self/fd").iterdir()))

    gc.disable()  # it would close what nobody has any more, some day
    try:
        before = tried()
        after = [tried() for _ in range(3)]
    finally:
        gc.enable()
    assert max(after) <= before


def test_nothing_is_lost_or_taken_twice_when_rabbitmq_is_killed(tmp_path: Path) -> None:
    """A queue, a stream and a feed out of one and into an exchange, with one broker that is killed."""
    (tmp_path / "m.onnx").write_bytes(scaled(2.0, width=1))
    broker = rabbitmq.Broker(tmp_path / "broker")
    server = Server(tmp_path / "home")

    def rows(text: str) -> list[Any]:
        found: list[Any] = server.sql(text)[-1].get("rows", [])
        return found

    def event(n: int) -> tuple[bytes, str]:
        return json.dumps({"k": n % 7, "ts": "2026-01-01T00:00:00Z", "n": n, "x": n % 100}).encode(), f"m-{n}"

    def counts() -> list[list[int]]:
        sets = [rows(f"SELECT count(*), count(DISTINCT n) FROM {name}")[0] for name in ("a", "b")]
        with broker.channel() as channel:
            sets.append([channel.queue_declare("answers", passive=True).method.message_count])
        return sets

    try:
        broker.start()
        root = f"amqp://{rabbitmq.USER}@{broker.address}/{rabbitmq.VHOST}"
        error = server.error(f"CREATE SOURCE q FROM '{root.replace('@', ':secret@')}/q'")
        assert "holds a password" in error["message"]
        server.sql("SET SECRET rabbit = $1", parameters=[rabbitmq.PASSWORD])
        given = "WITH (prefetch = 50, password = SECRET rabbit)"
        server.sql(
            f"CREATE SOURCE q FROM '{root}/q' {given}; CREATE SOURCE s FROM '{root}/s' {given};"
            f"CREATE FEATURE SET a {SET} FROM q; CREATE FEATURE SET b {SET} FROM s;"
            f"CREATE MODEL m FROM '{tmp_path}/m.onnx' INPUT (x DOUBLE); CREATE ENDPOINT e USING MODEL m;"
            f"CREATE FEED f FROM SOURCE s TO ENDPOINT e INTO '{root}' "
            "WITH (exchange = 'out', routing_key = 'high', batch = 20, password = SECRET rabbit)"
        )
        wait_until(lambda: "no queue 'q'" in str(rows("SELECT error FROM ml.sources WHERE name = 'q'")[0][0]))
        broker.declare("q", "classic")
        broker.declare("s", "stream")
        broker.declare("answers", "classic")
        with broker.channel() as channel:
            channel.exchange_declare("out", "topic", durable=True)
            channel.queue_bind("answers", "out", "high")
        for name in ("q", "s"):
            broker.send(name, [event(n) for n in range(600)])
        wait_until(lambda: min(count for found in counts() for count in found) >= 200, 60)
        broker.kill()
        wait_until(lambda: "RabbitMQ at" in str(rows("SELECT error FROM ml.sources WHERE name = 'q'")[0][0]), 60)
        server.kill()
        server.start()
        broker.start()
        for name in ("q", "s"):
            broker.send(name, [event(n) for n in range(600, 700)])
        wait_until(lambda: min(found[-1] for found in counts()) >= 700, 120)
        assert counts()[:2] == [[700, 700], [700, 700]]
        assert rows("SELECT count(*) FROM ml.dead_letters") == [[0]]
        wait_until(
            lambda: rows("SELECT name, lag, error FROM ml.sources ORDER BY ALL") == [["q", 0, None], ["s", 0, None]]
        )
        wait_until(lambda: len(_answers(broker)) >= 700)
        answers = _answers(broker)
        assert {name: body["n"] for name, body in answers} == {str(n): n for n in range(700)}
        assert all(body["event_id"] == name and body["prediction"] == 2 * (body["n"] % 100) for name, body in answers)
    finally:
        server.stop()
        broker.close()


def _answers(broker: rabbitmq.Broker) -> list[tuple[str, Any]]:
    """(message_id, body) of all messages, which stay where they are."""
    found = []
    with broker.channel() as channel:
        while (got := channel.basic_get("answers"))[0] is not None:
            found.append((got[1].message_id, json.loads(got[2])))
    return found
