"""How a connection begins: TLS, who it is, and the way to cancel another one."""

from __future__ import annotations

import asyncio
import shlex
import ssl
import struct
from dataclasses import dataclass

from mlbox.base.command import OWNER
from mlbox.base.errors import Forbidden, NotExecuted, Unauthorized
from mlbox.sql.wire import messages
from mlbox.sql.wire.context import Identify, Introduction
from mlbox.sql.wire.messages import Body, ProtocolError

SECONDS = 60.0
"""So long a client may take to introduce itself."""
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True, slots=True)
class CancelKey:
    """What a CancelRequest names a connection by."""

    process: int
    secret: int

    @property
    def raw(self) -> bytes:
        """As BackendKeyData tells it."""
        return struct.pack("!iI", self.process, self.secret)


class Startup:
    """The beginning of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext | None) -> None:
        self._reader = reader
        self._writer = writer
        self._tls = tls
        self._encrypted = False

    async def introduction(self) -> Introduction | CancelKey:
        """Who connects, or whom to cancel. Raises ``ProtocolError``."""
        for _ in range(3):  # at most GSSENCRequest, SSLRequest, StartupMessage
            body = Body(await self._packet())
            code = body.int32()
            if code == messages.SSL_REQUEST:
                await self._secure()
            elif code == messages.GSSENC_REQUEST:
                self._writer.write(b"N")
                await self._writer.drain()
            elif code == messages.CANCEL_REQUEST:
                return CancelKey(body.int32(), struct.unpack("!I", body.raw(4))[0])
            else:
                return await self._who(code, body)
        raise ProtocolError("a StartupMessage was expected")

    async def authenticate(self, who: Introduction, identify: Identify | None) -> str:
        """The name of the user. Raises ``Unauthorized``."""
        if identify is None:
            self._writer.write(messages.message(b"R", struct.pack("!i", 0)))
            return OWNER
        if not self._encrypted and not self._is_local():
            raise Forbidden(
                "a token may not travel in clear text over the network",
                hint="connect with sslmode=require; pg_certificate and pg_key are settings of the server",
            )
        self._writer.write(messages.message(b"R", struct.pack("!i", 3)))
        await self._writer.drain()
        kind = await self._reader.readexactly(1)
        if kind != b"p":
            raise ProtocolError("a PasswordMessage was expected")
        body = Body(await self._packet())
        secret = body.text()
        try:
            user = await asyncio.to_thread(identify, who.user, secret)
        except Unauthorized as error:
            raise Unauthorized(
                f'password authentication failed for user "{who.user}"',
                hint=error.hint or "the password is a token of mlbox",
            ) from None
        self._writer.write(messages.message(b"R", struct.pack("!i", 0)))
        return user

    async def _packet(self) -> bytes:
        """A message without its kind."""
        (length,) = struct.unpack("!i", await self._reader.readexactly(4))
        if not 5 <= length <= messages.STARTUP_BYTES:
            raise ProtocolError(f"a first message of {length} bytes is no PostgreSQL protocol")
        return await self._reader.readexactly(length - 4)

    async def _secure(self) -> None:
        if self._tls is None or self._encrypted:
            self._writer.write(b"N")
            await self._writer.drain()
            return
        if self._reader._buffer:  # type: ignore[attr-defined]
            raise ProtocolError("data before the TLS handshake", hint="CVE-2021-23222")
        self._writer.write(b"S")
        await self._writer.drain()
        await self._writer.start_tls(self._tls)
        self._encrypted = True

    async def _who(self, code: int, body: Body) -> Introduction:
        if code >> 16 != 3:
            raise NotExecuted(f"protocol {code >> 16}.{code & 0xFFFF} is not spoken here", hint="version 3 is")
        settings: dict[str, str] = {}
        unknown = []
        while name := body.text():
            value = body.text()
            if name.startswith("_pq_."):
                unknown.append(name)
            else:
                settings[name] = value
        body.end()
        if code & 0xFFFF or unknown:
            parts = b"".join(messages.text(name) for name in unknown)
            self._writer.write(messages.message(b"v", struct.pack("!ii", 0, len(unknown)) + parts))
        if settings.pop("replication", "false").lower() not in ("false", "off", "no", "0"):
            raise NotExecuted("replication is not offered")
        user = settings.pop("user", "")
        if not user:
            raise ProtocolError("no user name in the StartupMessage")
        database = settings.pop("database", "") or user
        settings.update(_options(settings.pop("options", "")))
        return Introduction(user, database, settings)

    def _is_local(self) -> bool:
        peer = self._writer.get_extra_info("peername")
        return bool(peer) and str(peer[0]).startswith(_LOOPBACK)


def _options(text: str) -> dict[str, str]:
    """``-c name=value --name=value`` as settings."""
    found = {}
    try:
        words = shlex.split(text)
    except ValueError:
        raise ProtocolError("options of the StartupMessage cannot be read") from None
    for word in words:
        name, given, value = word.removeprefix("-c").removeprefix("--").partition("=")
        if given:
            found[name.strip().replace("-", "_")] = value
    return found
