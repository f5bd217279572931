"""Questions and answers between the server and one of its workers, over a pair of sockets that nobody else has.

Both ends are the same program, so what travels is pickled. A message: length, number, kind, body.
"""

from __future__ import annotations

import logging
import pickle
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from typing import Any

from mlbox.base.errors import Internal, MlboxError, Unavailable

_log = logging.getLogger("mlbox.serve")
_HEAD = struct.Struct("!QIB")
_ASK, _ANSWER, _ERROR = range(3)

Answer = Callable[[str, Any], Any]
"""From the name of a question and its value to the answer; may raise an error of ours."""


class Channel:
    """One end. ``ask`` may be called by any thread; what the other end asks is answered by ``threads`` of its own.

    ``gone`` is called once, when the other end is there no more.
    """

    def __init__(self, end: socket.socket, answer: Answer, gone: Callable[[], None], threads: int = 2) -> None:
        self._end = end
        self._answer = answer
        self._gone = gone
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._asked: dict[int, Future[Any]] = {}
        self._number = 0
        self._open = True
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="channel")
        self._reader = threading.Thread(target=self._read, name="channel", daemon=True)

    def start(self) -> None:
        """Begin to listen to the other end."""
        self._reader.start()

    def begin(self, kind: str, value: Any = None) -> Future[Any]:
        """Ask; the answer comes later. It is ``Unavailable`` when the other end goes."""
        answer: Future[Any] = Future()
        with self._lock:
            if not self._open:
                answer.set_exception(_away())
                return answer
            self._number = number = (self._number + 1) & 0xFFFF_FFFF
            self._asked[number] = answer
        self._send(number, _ASK, (kind, value))
        return answer

    def ask(self, kind: str, value: Any = None, seconds: float | None = 60.0) -> Any:
        """Ask and wait (``None``: as long as the other end is there); raises what it raised, or ``Unavailable``."""
        try:
            return self.begin(kind, value).result(seconds)
        except TooLate:
            raise Unavailable(f"the other process has not answered to {kind!r} within {seconds:g} s") from None

    def close(self) -> None:
        """Tell the other end that this one is gone."""
        with suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)

    def _send(self, number: int, kind: int, value: Any) -> None:
        body = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        with self._sending, suppress(OSError):  # who reads finds out that the other end is gone
            self._end.sendall(_HEAD.pack(len(body), number, kind) + body)

    def _read(self) -> None:
        try:
            while head := self._take(_HEAD.size):
                length, number, kind = _HEAD.unpack(head)
                self._came(number, kind, pickle.loads(self._take(length)))
        except (OSError, EOFError, pickle.UnpicklingError):
            pass
        with self._lock:
            self._open = False
            waiting, self._asked = list(self._asked.values()), {}
        for answer in waiting:
            answer.set_exception(_away())
        self._end.close()
        self._threads.shutdown(wait=False)
        self._gone()

    def _take(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._end.recv(min(size - len(parts), 1 << 20))
            if not part:
                if parts:
                    raise EOFError
                return b""
            parts += part
        return bytes(parts)

    def _came(self, number: int, kind: int, value: Any) -> None:
        if kind == _ASK:
            with suppress(RuntimeError):  # closing
                self._threads.submit(self._reply, number, *value)
            return
        with self._lock:
            answer = self._asked.pop(number, None)
        if answer is None:
            return
        if kind == _ERROR:
            error, message, hint, details = value
            answer.set_exception(error(message, hint=hint, details=details))
        else:
            answer.set_result(value)

    def _reply(self, number: int, kind: str, value: Any) -> None:
        try:
            self._send(number, _ANSWER, self._answer(kind, value))
        except MlboxError as error:
            self._send(number, _ERROR, (type(error), error.message, error.hint, error.details))
        except Exception:
            _log.exception("a question of another process: %s", kind)
            self._send(number, _ERROR, (Internal, f"{kind!r} met a defect of mlbox", None, None))


def _away() -> Unavailable:
    return Unavailable("the other process has ended")
