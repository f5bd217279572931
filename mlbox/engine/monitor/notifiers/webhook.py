"""Webhooks: a POST of the notice as JSON."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.monitor.notifiers.base import NOTIFIERS, Notice

_TIMEOUT = 10.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Webhook:
    """``http://`` and ``https://``: any answer of 2xx is a success. 408, 429 and 5xx may be tried again."""

    def check(self, url: str) -> None:
        """A host is needed."""
        parts = urlsplit(url)
        if not parts.hostname:
            raise Invalid(f"{url!r} has no host", hint="as https://hooks.example.org/x")

    def send(self, url: str, notice: Notice) -> None:
        """POST the notice; 10 seconds at most."""
        body = json.dumps(notice.to_dict(), default=str).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "mlbox"}
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")
        handlers = [urllib.request.ProxyHandler({})] if urlsplit(url).hostname in _LOOPBACK else []
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=_TIMEOUT):
                pass
        except urllib.error.HTTPError as error:
            kind = Unavailable if error.code in (408, 429) or error.code >= 500 else Invalid
            raise kind(f"the webhook answered {error.code} {error.reason}") from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"the webhook cannot be reached: {getattr(error, 'reason', error)}") from None


NOTIFIERS.add("http", Webhook())
NOTIFIERS.add("https", Webhook())
