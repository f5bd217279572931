"""What user code raises to refuse a request."""

from __future__ import annotations

from typing import Optional

from mlbox.client.failures import MlboxClientError


class BadInput(MlboxClientError):
    """The request is wrong, not the code: whoever sent it is answered 400 with this message and hint."""

    def __init__(self, message: str, hint: Optional[str] = None) -> None:
        super().__init__(message, hint, "invalid")
