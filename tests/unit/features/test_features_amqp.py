"""Addresses and options of RabbitMQ, and the memory of what was delivered; no broker is needed."""

from __future__ import annotations

from typing import Any

import pytest

from mlbox.base.errors import Invalid
from mlbox.engine.features.sinks.base import Target, open_sink
from mlbox.engine.features.sources.amqp_link import place_of
from mlbox.engine.features.sources.amqp_recent import SLOTS, Recent
from mlbox.engine.features.sources.base import SOURCES, Source
from mlbox.engine.security.secret_names import SecretName


def source(uri: str, **options: Any) -> Source:
    return Source("", "default", "s", "amqp", uri, options=options)


@pytest.mark.parametrize(
    ("uri", "options", "vhost", "queue", "port"),
    [
        ("amqp://h/shop/orders", {}, "shop", "orders", 5672),
        ("amqp://h:99/%2F/orders", {}, "/", "orders", 99),
        ("amqp://h//orders", {}, "/", "orders", 5672),
        ("amqps://ana@h/a%2Fb/c%20d", {}, "a/b", "c d", 5671),
        ("amqp://h/shop", {"queue": "a/b"}, "shop", "a/b", 5672),
        ("amqp://h", {"queue": "orders"}, "/", "orders", 5672),
    ],
)
def test_an_address_names_virtual_host_and_queue(
    uri: str, options: dict[str, Any], vhost: str, queue: str, port: int
) -> None:
    found = source(uri, **options)
    SOURCES.get("amqp").check(found)
    place = place_of(found)
    assert (place.host, place.port, place.vhost, place.queue) == ("h", port, vhost, queue)
    assert place.user == ("ana" if "ana" in uri else None)


@pytest.mark.parametrize(
    ("uri", "options", "said"),
    [
        ("amqp://h/shop", {}, "does not name the queue"),
        ("amqp://h/shop/", {}, "does not name the queue"),
        ("amqp:///shop/q", {}, "virtual host and queue alone"),
        ("amqp://h/shop/q/more", {}, "virtual host and queue alone"),
        ("amqp://h/shop/q?heartbeat=5", {}, "virtual host and queue alone"),
        ("amqp://h:port/shop/q", {}, "no address of RabbitMQ"),
        ("http://h/shop/q", {}, "no address of RabbitMQ"),
        ("amqp://h/shop/q", {"queue": "other"}, "option queue another"),
        ("amqp://h/shop", {"queue": 7}, "option queue is 7"),
        ("amqp://h/shop/q", {"start": "now"}, "earliest or latest"),
        ("amqp://h/shop/q", {"prefetch": 0}, "option prefetch is 0"),
        ("amqp://h/shop/q", {"prefetch": True}, "option prefetch is True"),
        ("amqp://h/shop/q", {"prefetch": 65_536}, "option prefetch is 65536"),
        ("amqp://h/shop/q", {"exchange": "x"}, "no option 'exchange'"),
        ("amqps://h/shop/q", {"ca_file": 5}, "option ca_file is 5"),
        ("amqp://h/shop/q", {"username": True}, "option username is True"),
        ("amqp://h/shop/q", {"PASSWORD": 1.5}, "option PASSWORD is 1.5"),
    ],
)
def test_a_declaration_that_cannot_work(uri: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        SOURCES.get("amqp").check(source(uri, **options))


def test_options_of_a_sink_are_texts() -> None:
    for options, said in (
        ({"exchange": 5}, "option exchange is 5"),
        ({"exchange": "alarms", "routing_key": ["high"]}, "option routing_key is"),
        ({"queue": "q", "ca_file": 5}, "option ca_file is 5"),
    ):
        with pytest.raises(Invalid, match=said) as caught:
            open_sink(Target("amqps://h/shop", "default", options=options))
        assert caught.value.option in options
    SOURCES.get("amqp").check(source("amqp://h/shop/q", password=SecretName("rabbit"), ca_file="/x.pem"))


def test_recent_messages_are_known_through_restarts() -> None:
    stored: dict[str, Any] = {}
    sent = [f"m{number}" for number in range(57)]
    for start in range(0, 57, 3):
        recent = Recent(stored, 10)  # each batch after a restart
        batch = sent[start : start + 3]
        assert recent.new((name, name) for name in batch) == batch
        changed = recent.positions()
        assert 1 <= len(changed) <= 2  # a commit writes what changed alone
        stored.update(changed)
        assert Recent(stored, 10).new((name, name) for name in batch) == []
    assert len(stored) == SLOTS
    known = [name for name in sent if not Recent(stored, 10).new([(name, name)])]
    assert known == sent[20:]  # the last whole slots, and the one that is being filled
    assert sum(len(slot["names"]) for slot in stored.values()) == 37


def test_a_message_without_a_name_is_always_new() -> None:
    recent = Recent({})
    assert recent.new([(None, 1), ("a", 2), (None, 3), ("a", 4)]) == [1, 2, 3]
    assert recent.positions() == {"slot-0": {"slot": 0, "names": ["a"]}}
    assert recent.positions() == {}


def test_more_than_all_slots_at_once_leaves_the_newest() -> None:
    recent = Recent({}, 2)
    recent.new((name, name) for name in "abcdefghijk")
    stored = recent.positions()
    assert sorted(name for slot in stored.values() for name in slot["names"]) == list("efghijk")
    assert Recent(stored, 2).new((name, name) for name in "dek") == ["d"]
