"""Connections to RabbitMQ, and what is said when there is none."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.features.sources.base import Source
from mlbox.engine.security.secret_names import SecretName

PATIENCE = 10.0
"""Seconds for a broker to answer."""
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}
"""In place of heartbeats, which pika sends only while it is asked for something: a batch may take longer."""
LINK_OPTIONS = ("username", "password", "ca_file")
"""Options of sources and sinks alike."""
GUEST = "guest"
"""The user of a fresh broker, and its password, which it takes from its own machine only."""


ONE_READER = (
    "a queue gives each message to one reader only: bind a queue for each feature set and feed, or declare it with "
    "x-queue-type = stream, which all may read"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A broker, a virtual host of it, and a queue ("": none is named)."""

    host: str
    port: int
    vhost: str
    queue: str
    user: str | None
    secure: bool
    password: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """As it is shown."""
        return f"{self.host}:{self.port}"


def place_of(source: Source) -> Place:
    """Where the queue is; raises ``Invalid`` for a URI that does not say."""
    given = source.uri or ""
    secure = given.startswith("amqps:")
    try:
        parts = urlsplit(given)
        port = parts.port or (5671 if secure else 5672)
    except ValueError as error:
        raise Invalid(f"{given!r} is no address of RabbitMQ: {error}", hint="amqp://host:5672/vhost/queue") from None
    names = [unquote(name) for name in parts.path.split("/")[1:]]
    if not parts.hostname or len(names) > 2 or parts.query or parts.fragment:
        raise Invalid(
            f"{given!r} does not name host, virtual host and queue alone",
            hint="amqp://host/vhost/queue; a / in a name is written %2F, and options are given by WITH",
        )
    queue = source.options.get("queue")
    if queue is not None and not isinstance(queue, str):
        raise Invalid(f"option queue is {queue!r}", hint="queue = 'orders'")
    if queue and len(names) == 2 and names[1] and names[1] != queue:
        raise Invalid(f"{given!r} names a queue, and option queue another", hint="leave one of them away")
    user, password = (unquote(given) if given else None for given in (parts.username, parts.password))
    found = queue or (names[1] if len(names) == 2 else "")
    return Place(parts.hostname, port, (names[0] if names else "") or "/", found, user, secure, password)


def check_texts(options: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise ``Invalid`` for one of these options that is no text, nor a secret in place of one."""
    for name, value in options.items():
        if name.lower() in names and not isinstance(value, str | SecretName):
            raise Invalid(f"option {name} is {value!r}", hint=f"a text: {name} = '..'").of_option(name)


def parameters(place: Place, options: Mapping[str, Any]) -> Any:
    """Those of pika for a connection."""
    try:
        import pika
    except ImportError:
        raise Unavailable(
            "the package pika, which talks to RabbitMQ, is not installed", hint="pip install 'mlbox[rabbitmq]'"
        ) from None
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # what it says comes with the error
    user = options.get("username") or place.user or GUEST
    password = options.get("password") or place.password or (GUEST if user == GUEST else "")
    secured = None
    if place.secure:
        secured = pika.SSLOptions(ssl.create_default_context(cafile=options.get("ca_file")), place.host)
    return pika.ConnectionParameters(
        place.host,
        place.port,
        place.vhost,
        pika.PlainCredentials(str(user), str(password)),
        heartbeat=0,
        socket_timeout=PATIENCE,
        stack_timeout=PATIENCE,
        blocked_connection_timeout=2 * PATIENCE,
        tcp_options=KEEPALIVE,
        ssl_options=secured,
        client_properties={"connection_name": f"mlbox {place.queue}".strip()},
    )


@contextmanager
def connect(place: Place, options: Mapping[str, Any]) -> Iterator[Any]:
    """A connection, closed in the end; what was not acknowledged is then given again."""
    given = parameters(place, options)
    import pika

    connection = pika.BlockingConnection(given)
    try:
        yield connection
    finally:
        with suppress(pika.exceptions.AMQPError, OSError):  # it may be gone
            connection.close()


@contextmanager
def told(place: Place) -> Iterator[None]:
    """``Unavailable``, with what to do about it, for whatever the broker refuses."""
    try:
        yield
    except Exception as error:
        found = explained(error, place)
        if found is None:
            raise
        raise found from None


def said(place: Place) -> str:
    """The broker, as errors name it."""
    return f"RabbitMQ at {place.address}"


def explained(error: BaseException, place: Place) -> Unavailable | None:
    """What an error of pika or of the network means; None: it is neither."""
    try:
        import pika.exceptions as wrong
        from pika.adapters.utils.connection_workflow import AMQPConnectorException
    except ImportError:
        return None
    if not isinstance(error, (wrong.AMQPError, AMQPConnectorException, OSError)):
        return None
    error = _innermost(error)
    where, text = said(place), _reason(error)
    if isinstance(error, wrong.ProbableAuthenticationError):
        hint = "WITH (username = 'ana', password = SECRET rabbitmq_password); guest may come from its own machine only"
        return Unavailable(f"{where} refuses the log-in", hint=hint)
    if isinstance(error, wrong.ProbableAccessDeniedError):
        hint = "amqp://host/vhost/queue: is the virtual host there (%2F is that of the name /), and the user let in?"
        return Unavailable(f"{where}: {text}", hint=hint)
    if isinstance(error, wrong.ChannelClosedByBroker):
        return Unavailable(f"{where}: {text}", hint=_channel_hint(error.reply_code, text))
    if isinstance(error, wrong.ConnectionClosedByBroker):
        return Unavailable(f"{where} closes the connection: {text}", hint="it is tried again")
    if isinstance(error, ssl.SSLError):
        return Unavailable(
            f"{where}: {text}", hint="amqps:// is for a port with TLS (5671); ca_file names who signed for it"
        )
    return Unavailable(f"{where} cannot be reached: {text}", hint="is the broker there?")


def closed(place: Place) -> Unavailable:
    """A channel that the broker has closed without another word."""
    return Unavailable(
        f"{said(place)} has closed the channel of {place.queue or 'the exchange'}",
        hint="its log says why; messages that were not acknowledged in time are one reason (consumer_timeout)",
    )


def _innermost(error: BaseException) -> BaseException:
    """Of errors around errors the one that says what happened; of several attempts the last."""
    several = getattr(error, "exceptions", None)
    inner = several[-1] if several else getattr(error, "exception", None) or (error.args[0] if error.args else None)
    return _innermost(inner) if isinstance(inner, BaseException) else error


def _reason(error: BaseException) -> str:
    """Without numbers."""
    text = getattr(error, "reply_text", None) or getattr(error, "strerror", None)
    if text:
        return str(text)
    text = str(error.args[0]) if error.args else type(error).__name__
    if not text.startswith("ConnectionClosed"):
        return text
    # An error as text: "ConnectionClosedByBroker: (530) 'NOT_ALLOWED - vhost x not found'"
    return text.partition(") ")[2][1:-1] or text


def _channel_hint(code: int, text: str) -> str:
    if "exclusive use" in text:
        return ONE_READER
    if code == 404:
        return "it is used as soon as it is there"
    return "may the user do this? rabbitmqctl set_permissions" if code == 403 else "the log of the broker says more"
