"""A RabbitMQ broker for tests: a node of its own in a folder, on free ports of the loopback, with its own epmd."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from free_port import free_port

SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""The one on PATH of Debian insists on its own user."""
VHOST = "shop"
USER, STRANGER, PASSWORD = "ana", "stranger", "s3cret"
"""Beside guest, who is the one that is tried without a name: one who may use the virtual host, and one who may not."""
CONFIG = """
listeners.tcp.1 = 127.0.0.1:{port}
load_definitions = {folder}/definitions.json
disk_free_limit.absolute = 1MB
log.file.level = warning
"""


def why_not() -> str:
    """Why there can be no broker here; empty: there can."""
    if find_spec("pika") is None:
        return "the package pika is not installed"
    return "" if SCRIPT.exists() and shutil.which("epmd") else "there is no rabbitmq-server"


def _hashed(password: str) -> str:
    """As RabbitMQ keeps it: four bytes of salt before the hash (rabbitmq.com/docs/passwords)."""
    salt = b"salt"
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


class Broker:
    """``address`` is host and port. ``kill`` is what a crash does; ``start`` brings it back with what it had."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self._epmd_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._queues: set[str] = set()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        definitions = {
            "users": [
                {"name": name, "password_hash": _hashed(password), "tags": "", "limits": {}}
                | {"hashing_algorithm": "rabbit_password_hashing_sha256"}
                for name, password in (("guest", "guest"), (USER, PASSWORD), (STRANGER, PASSWORD))
            ],
            "vhosts": [{"name": VHOST}],
            "permissions": [{"user": name, "vhost": VHOST, **everything} for name in ("guest", USER)],
        }
        (folder / "definitions.json").write_text(json.dumps(definitions))
        (folder / "rabbitmq.conf").write_text(CONFIG.format(port=self.port, folder=folder))
        (folder / "plugins").write_text("[].")

    def start(self) -> None:
        """Returns when it takes connections and has its queues: a stream comes back some time after the first one."""
        environment = {
            **os.environ,
            "HOME": str(self.folder),  # its cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"mlbox{self.port}@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/nowhere",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": "/nowhere",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "detached": "1",  # the script becomes the node: no shell stands before it
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
        }
        with (self.folder / "out").open("ab") as log:
            if self._epmd is None:
                self._epmd = subprocess.Popen(
                    ["epmd"], env=environment, stdout=log, stderr=log, preexec_fn=_end_with_parent
                )
            self._process = subprocess.Popen(
                [str(SCRIPT)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        stop_by = time.monotonic() + 120
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > stop_by:
                said = (self.folder / "out").read_text()
                self.close()
                raise RuntimeError(f"RabbitMQ did not start:\n{said[-4000:]}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        import pika

        try:
            with self.channel() as channel:
                for queue in self._queues:
                    channel.queue_declare(queue, passive=True)
        except (OSError, pika.exceptions.AMQPError):
            return False
        return True

    def connect(self) -> Any:
        """A connection of pika."""
        import pika

        credentials = pika.PlainCredentials("guest", "guest")
        place = pika.ConnectionParameters("127.0.0.1", self.port, VHOST, credentials, heartbeat=0)
        return pika.BlockingConnection(place)

    def declare(self, queue: str, kind: str) -> None:
        """A durable queue, of type classic, quorum or stream."""
        with self.channel() as channel:
            channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind})
        self._queues.add(queue)

    def delete(self, queue: str) -> None:
        """With what is in it."""
        with self.channel() as channel:
            channel.queue_delete(queue)
        self._queues.discard(queue)

    def send(self, queue: str, messages: list[tuple[bytes, str | None]]) -> None:
        """(body, message_id) each. Returns when the broker has confirmed them."""
        import pika

        with self.channel() as channel:
            channel.confirm_delivery()
            for body, name in messages:
                properties = pika.BasicProperties(message_id=name, delivery_mode=2)
                channel.basic_publish("", queue, body, properties, mandatory=True)

    @contextmanager
    def channel(self) -> Iterator[Any]:
        """One of a connection of its own; what was not acknowledged on it is given again."""
        connection = self.connect()
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()

    def kill(self) -> None:
        """At once."""
        if self._process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        """The node, and the epmd that it was told to."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(20)
            self._epmd = None


_shared: list[Broker] = []


def shared(folder: Path) -> Broker:
    """One for all tests of this process, in the folder of the first: it takes seconds to start. Use queues of your own,
    and leave it running; it ends with the process."""
    if not _shared:
        broker = Broker(folder)
        broker.start()
        _shared.append(broker)
    return _shared[0]


def _end_with_parent() -> None:
    """Of a child before it becomes another program: it is killed when the tests are, however they end."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
