"""One connection: its bytes are cut into messages on the loop, and answered in a thread."""

from __future__ import annotations

import asyncio
import logging
import struct
from concurrent.futures import Executor
from contextlib import suppress

from mlbox.base.errors import MlboxError
from mlbox.sql.wire import startup
from mlbox.sql.wire.context import Introduction, WireContext
from mlbox.sql.wire.conversation import Conversation
from mlbox.sql.wire.errors import error_response
from mlbox.sql.wire.messages import KINDS, ProtocolError
from mlbox.sql.wire.outbox import SocketOutbox
from mlbox.sql.wire.startup import CancelKey, Startup

log = logging.getLogger("mlbox")

_NOW = frozenset(b"QSHXF")
"""Messages that want an answer; those before them wait for one of these."""
_WAITING_BYTES, _WAITING_MESSAGES = 1 << 20, 1000
_LOOK_SECONDS = 1.0


class Connection:
    """A client, from its first byte to its last."""

    def __init__(self, context: WireContext, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._context = context
        self._reader = reader
        self._writer = writer
        self._outbox = SocketOutbox(writer, asyncio.get_running_loop())
        self.conversation: Conversation | None = None
        self.cancels: CancelKey | None = None
        """Set when it came only to cancel another."""

    async def greet(self, start: Startup, key: CancelKey, pool: Executor) -> bool:
        """Startup and authentication; whether there is somebody to talk to."""
        members = self._context.members
        try:
            async with asyncio.timeout(startup.SECONDS):
                who = await start.introduction()
                if isinstance(who, CancelKey):
                    self.cancels = who
                    return False
                user = await start.authenticate(who, None if members.open_to_all else members.identify)
            loop = asyncio.get_running_loop()
            self.conversation = await loop.run_in_executor(pool, self._welcome, who, user, key)
            return True
        except MlboxError as error:
            await self.refuse(error)
        except (OSError, EOFError, TimeoutError):
            pass  # it has gone, or never spoke
        return False

    def _welcome(self, who: Introduction, user: str, key: CancelKey) -> Conversation:
        conversation = Conversation(self._context, who, user, self._outbox)
        conversation.welcome(key.raw)
        return conversation

    async def talk(self, pool: Executor) -> None:
        """Answer messages until the client goes."""
        assert self.conversation is not None
        try:
            while await self._answer(await self._batch(), pool):
                pass
        except ProtocolError as error:
            await self.refuse(error)
        except (OSError, EOFError):
            pass
        finally:
            await asyncio.get_running_loop().run_in_executor(pool, self.conversation.close)

    async def refuse(self, error: MlboxError) -> None:
        """Say why, and close."""
        with suppress(OSError, RuntimeError):
            self._writer.write(error_response(error, "FATAL"))
            await asyncio.wait_for(self._writer.drain(), 5)

    async def _batch(self) -> list[tuple[int, bytes]]:
        """Messages up to one that wants an answer."""
        found: list[tuple[int, bytes]] = []
        size = 0
        while True:
            kind, length = struct.unpack("!Bi", await self._reader.readexactly(5))
            if kind not in KINDS:
                raise ProtocolError(f"a message of kind {chr(kind)!r} is not known")
            if not 4 <= length <= self._context.settings.max_request_mb << 20:
                raise ProtocolError(
                    f"a message of {length:,} bytes is not accepted", hint="max_request_mb is the setting of the limit"
                )
            found.append((kind, await self._reader.readexactly(length - 4)))
            size += length
            if kind in _NOW or size > _WAITING_BYTES or len(found) >= _WAITING_MESSAGES:
                return found

    async def _answer(self, batch: list[tuple[int, bytes]], pool: Executor) -> bool:
        """Have the messages answered; False when the client says that it goes."""
        going = batch[-1][0] == ord("X")
        work = asyncio.get_running_loop().run_in_executor(pool, self._handle, batch)
        while True:
            done, _ = await asyncio.wait({work}, timeout=_LOOK_SECONDS)
            if done:
                break
            if self._reader.at_eof() or self._writer.is_closing():
                self.interrupt(gone=True)
        work.result()
        return not going

    def _handle(self, batch: list[tuple[int, bytes]]) -> None:
        assert self.conversation is not None
        for kind, body in batch:
            if kind != ord("X"):
                self.conversation.handle(kind, body)

    def interrupt(self, *, gone: bool = False) -> None:
        """Cancel what is carried out; a statement of ours goes on when its client has merely ``gone``."""
        conversation = self.conversation
        if conversation is None or (gone and conversation.waits_for_ours):
            return
        underway = conversation.underway
        if underway is not None:
            self._context.ongoing.cancel(underway, "canceling statement due to user request")

    def abort(self) -> None:
        """Close without waiting for the client."""
        with suppress(Exception):
            self._writer.transport.abort()
