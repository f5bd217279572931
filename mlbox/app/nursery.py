"""Where workers are born: a process without threads and without files of the home, which has loaded what workers need.

A worker is a fork of it, which takes milliseconds, and shares with its siblings the memory of what is loaded. The
server, which has threads and owns the catalog, could not be forked.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import traceback

BRIEF = 1 << 16
"""Bytes of a brief at most."""


def tend(control: socket.socket) -> None:
    """Fork a worker for every brief that comes with its three descriptors, and tell its process, until the server
    that holds the other end of ``control`` is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children: the system takes them away
    _load()
    control.sendall(b"ready")
    while True:
        brief, descriptors, _, _ = socket.recv_fds(control, BRIEF, 3)
        if not brief:
            return
        child = os.fork()
        if child == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _be_worker(brief, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        control.sendall(child.to_bytes(8))


def _be_worker(brief: bytes, descriptors: list[int]) -> None:
    from mlbox.app.worker import work

    try:
        control, listening, cells = descriptors
        work(pickle.loads(brief), socket.socket(fileno=control), socket.socket(fileno=listening), cells)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _load() -> None:
    """What starts no threads; the others (ONNX Runtime, Arrow) each worker loads itself."""
    import gc
    import sys

    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]  # 40 MB, which Arrow loads where it finds them
    import granian.server.embed
    import httpx
    import lmdb
    import numpy
    import uvloop

    import mlbox.api.forward
    import mlbox.api.worker
    import mlbox.app.logs
    import mlbox.app.serving
    import mlbox.app.worker
    import mlbox.engine.features.stores.online.lmdb
    import mlbox.engine.storage.remote
    import mlbox.serve.asgi
    import mlbox.serve.deploy.delivery
    import mlbox.serve.workers.recipe
    import mlbox.serve.workers.station  # noqa: F401

    del granian, httpx, lmdb, numpy, uvloop
    gc.collect()
    gc.freeze()  # a collection writes into every object: what is shared would be copied
