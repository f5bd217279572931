"""The process of a function of SQL: asks the server for its query, waits, and tells."""

from __future__ import annotations

import time
from typing import Any

from mlbox.client.failures import WrongCall
from mlbox.client.transport import Refused, Transport

ENDING = ".sql"
PATIENCE = 600.0
"""Seconds that a server that restarts is waited for; the query then begins anew."""


class SqlError(SyntaxError):
    """The query failed. It has a file and a line, as errors of syntax have."""


def carry_out(transport: Transport, run_id: str, path: str) -> None:
    """Have the query computed; its rows are an artifact then. Raises ``SqlError`` with the place in ``path``."""
    began = time.monotonic()
    asking = transport.without_timeout()  # a query may take hours
    headers = {"Content-Type": "application/json"}
    try:
        answer: Any = asking.request("POST", f"/run-api/{run_id}/query", b"{}", headers, patience=PATIENCE).json()
    except Refused as refused:
        where = refused.error.get("where")
        hint = refused.error.get("hint")
        message = f"{refused.error.get('message')}{'; ' + hint if hint else ''}"
        if not where:
            raise WrongCall(message) from None
        raise SqlError(message, (path, where["line"], where["column"], where["text"])) from None
    finally:
        asking.close()
    seconds = time.monotonic() - began
    print(f"{answer['rows']:,} rows of {answer['columns']} columns in {seconds:.1f} s")
