"""The process of an endpoint's function or model (``python -m mlbox.client.serving.process``): loads it once, then
answers messages of the server over the socket that it was given, until the socket is closed."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from typing import Any, Dict, List, Mapping, Optional, Tuple

from mlbox.client import masking
from mlbox.client.bootstrap import limit_memory
from mlbox.client.failures import WrongCall, describe
from mlbox.client.serving import arena, asked, wire
from mlbox.client.serving.answering import Answering, as_columns, load
from mlbox.client.serving.arena import Arena
from mlbox.client.serving.errors import BadInput
from mlbox.client.serving.streaming import Flow, LoopFlow, encodable

Reply = Tuple[Dict[str, Any], List[Any]]

_LONGEST = 1_000
"""Letters that are told of an error."""


class Process:
    """Reads messages, calls the user's code, sends the answers."""

    def __init__(self, connection: socket.socket, shared: Optional[Arena] = None) -> None:
        self._connection = connection
        self._arena = shared
        self._sending = threading.Lock()
        self._folder = ""
        self._answering: Optional[Answering] = None
        self._flows: Dict[int, Any] = {}

    def run(self) -> None:
        """Until the server closes the socket."""
        spec, _ = wire.receive(self._connection)
        self._folder = str(spec.get("folder") or "")
        try:
            answering = self._answering = load(spec)
        except BaseException as error:
            _show(error, self._folder)
            self._send(({"id": 0, "error": self._described(error)}, []))
            return
        about = {
            "verbs": answering.verbs,
            "features": answering.features,
            "optional": answering.optional,
            "inputs": answering.inputs,
            "outputs": answering.outputs,
            "texts": answering.texts,
            "asynchronous": answering.asynchronous,
            "shares": self._arena is not None,
        }
        self._send(({"id": 0, "ready": about}, []))
        if answering.asynchronous:
            self._on_loop()
        elif int(spec.get("threads") or 1) > 1 or "stream" in answering.verbs:
            self._on_threads(int(spec.get("threads") or 1))
        else:
            while True:
                self._send(self._answer(*self._receive()))

    def _receive(self) -> Tuple[Dict[str, Any], memoryview]:
        return wire.receive(self._connection, self._arena)

    def _on_threads(self, number: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(number) as threads:
            while True:
                head, body = self._receive()
                if "cancel" in head:
                    flow = self._flows.get(head["cancel"])
                    if flow is not None:
                        flow.stop()
                elif not self._makes_room(head):
                    if head["verb"] == "stream":
                        self._flows[head["id"]] = Flow()
                    threads.submit(self._respond, head, body)

    def _makes_room(self, head: Mapping[str, Any]) -> bool:
        """Whether it says that pieces of a stream were taken, which may have ended just now."""
        flow = self._flows.get(head["more"]) if "more" in head else None
        if flow is not None:
            flow.more(head["pieces"])
        return "more" in head

    def _respond(self, head: Mapping[str, Any], body: memoryview) -> None:
        try:
            reply = self._stream(head) if head["verb"] == "stream" else self._answer(head, body)
        except BaseException as error:  # sys.exit() ends this thread at most, and nobody else would answer
            reply = self._failed(head, error)
        self._send(reply)

    def _stream(self, head: Mapping[str, Any]) -> Reply:
        """Send the pieces of an answer; what is said when it is over."""
        number = head["id"]
        flow = self._flows[number]
        try:
            pieces = self._call(head, memoryview(b""))
            try:
                for piece in pieces:
                    if not flow.take():
                        return _cancelled(number)
                    self._send_piece(number, piece)
            finally:
                pieces.close()
        except Exception as error:
            return self._failed(head, error)
        finally:
            self._flows.pop(number, None)
        return {"id": number, "end": True}, []

    async def _stream_later(self, head: Mapping[str, Any]) -> Reply:
        """The same on the event loop."""
        number = head["id"]
        flow = self._flows[number] = LoopFlow()
        try:
            pieces = self._call(head, memoryview(b""))
            try:
                async for piece in pieces:
                    await flow.take()
                    self._send_piece(number, piece)
            finally:
                await pieces.aclose()
        finally:
            self._flows.pop(number, None)
        return {"id": number, "end": True}, []

    def _send_piece(self, number: int, piece: Any) -> None:
        text = encodable(_jsonable(piece))
        with self._sending:
            wire.send(self._connection, {"id": number, "piece": True}, [text.encode()], self._arena)

    def _on_loop(self) -> None:
        import asyncio

        loop = asyncio.new_event_loop()
        tasks: Dict[int, Any] = {}

        def read() -> None:
            try:
                while True:
                    head, body = self._receive()
                    if "cancel" in head:
                        under_way = tasks.get(head["cancel"])
                        if under_way is not None:
                            under_way.cancel()
                        continue
                    if self._makes_room(head):
                        continue
                    number = head["id"]
                    tasks[number] = asyncio.run_coroutine_threadsafe(self._answer_later(head, body), loop)
                    tasks[number].add_done_callback(lambda _, number=number: tasks.pop(number, None))
            except wire.Closed:
                loop.call_soon_threadsafe(loop.stop)

        threading.Thread(target=read, daemon=True).start()
        loop.run_forever()

    def _answer(self, head: Mapping[str, Any], body: memoryview) -> Reply:
        try:
            return self._finish(head, self._call(head, body))
        except Exception as error:
            return self._failed(head, error)

    async def _answer_later(self, head: Mapping[str, Any], body: memoryview) -> None:
        try:
            if head["verb"] == "stream":
                reply = await self._stream_later(head)
            else:
                result = self._call(head, body)
                if hasattr(result, "__await__"):
                    result = await result
                reply = self._finish(head, result)
        except Exception as error:
            reply = self._failed(head, error)
        except BaseException:  # cancelled: nobody waits for it any more
            reply = _cancelled(head["id"])
        self._send(reply)

    def _call(self, head: Mapping[str, Any], body: memoryview) -> Any:
        answering = self._answering
        assert answering is not None
        verb = str(head["verb"])
        asked.begin(head.get("request"))
        if verb not in answering.verbs:
            raise WrongCall(f"it has no {verb}", f"it has: {', '.join(answering.verbs)}")
        if verb in ("do", "stream"):
            return (answering.do if verb == "do" else answering.stream)(head["event"])
        if verb == "transform":
            return answering.transform(body)
        columns = wire.unpack(head["columns"], body)
        return (answering.predict if verb == "predict" else answering.explain)(columns, int(head["rows"]))

    @staticmethod
    def _finish(head: Mapping[str, Any], result: Any) -> Reply:
        if head["verb"] == "do":
            return {"id": head["id"], "value": _jsonable(result)}, []
        if head["verb"] == "transform":
            return {"id": head["id"]}, [result]
        entries, buffers = wire.pack(as_columns(result, int(head["rows"])))
        return {"id": head["id"], "columns": entries}, buffers

    def _failed(self, head: Mapping[str, Any], error: BaseException) -> Reply:
        if not isinstance(error, BadInput):
            _show(error, self._folder)
        return {"id": head["id"], "error": self._described(error)}, []

    def _described(self, error: BaseException) -> Dict[str, Any]:
        body: Dict[str, Any] = masking.mask(describe(error, self._folder), masking.values())
        body.pop("traceback", None)
        if isinstance(error, (BadInput, WrongCall)):
            body.update(message=error.message, hint=error.hint, refused=isinstance(error, BadInput))
        return {name: _printable(value) if isinstance(value, str) else value for name, value in body.items()}

    def _send(self, reply: Reply) -> None:
        head, buffers = reply
        try:
            with self._sending:
                wire.send(self._connection, head, buffers, self._arena)
        except (TypeError, ValueError) as error:  # nothing of it was sent: a value is no JSON
            told = {"type": "WrongCall", "message": f"what it returned cannot be sent: {error}", "hint": None}
            with self._sending:
                wire.send(self._connection, {"id": head["id"], "error": told})


def _printable(text: str) -> str:
    """What can be sent of a text of the user's code, and is not too long to be read."""
    return text[:_LONGEST].encode("utf-8", "backslashreplace").decode()


def _cancelled(number: int) -> Reply:
    return {"id": number, "error": {"type": "Cancelled", "message": "nobody waits for it any more"}}, []


def _jsonable(value: Any) -> Any:
    """``value`` with arrays, scalars of numpy and tuples as JSON has them."""
    if isinstance(value, dict):
        return {str(key): _jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(entry) for entry in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value


def _show(error: BaseException, folder: str) -> None:
    with suppress(OSError, ValueError):
        told = describe(error, folder)
        print(told["traceback"] or f"{told['type']}: {told['message']}", file=sys.stderr, flush=True)


def die_with_parent() -> None:
    """Linux: the system kills this process when the thread that started it ends, however busy it is."""
    with suppress(OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the server's to handle
    limit_memory(os.environ.get("MLBOX_MEMORY_LIMIT"))
    masking.mask_streams()
    with suppress(wire.Closed):
        given = os.environ.pop("MLBOX_ARENA", "")
        shared = arena.opened(int(given), 1) if given else None
        if given:
            os.close(int(given))
        Process(socket.socket(fileno=int(os.environ.pop("MLBOX_SOCKET"))), shared).run()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(0)
