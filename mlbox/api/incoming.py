"""JSON bodies as the routes take them: no value is bent until it fits (``"true"`` is no boolean)."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from litestar import Request

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.serve.media import UnsupportedMediaType


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON must be of the type that its route names."""

    async def json(self) -> Any:
        """The body; raises ``Invalid`` or ``UnsupportedMediaType``."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind and kind != "application/json" and not kind.endswith("+json"):
            raise UnsupportedMediaType(
                f"{self.method} {self.url.path} takes no body of type {kind}", hint="send application/json"
            )
        data = getattr(self.route_handler, "parsed_data_field", None)
        wanted = getattr(data, "annotation", Any)
        try:
            return msgspec.json.decode(await self.body(), type=wanted)
        except msgspec.ValidationError as error:
            raise _wrong(f"{self.method} {self.url.path}", str(error), wanted) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Invalid(f"the body is not valid JSON: {error}") from None


def _wrong(route: str, what: str, wanted: Any) -> Invalid:
    """Message and hint for a body that is not what the route takes."""
    fields: tuple[str, ...] = getattr(wanted, "__struct_encode_fields__", ())
    unknown = re.search("unknown field `(.+?)`", what)
    if unknown:
        hint = did_you_mean(unknown[1], fields) or f"fields: {', '.join(fields)}"
        return Invalid(f"{route} takes no field {unknown[1]!r}", hint=hint)
    told, _, place = (what[:1].lower() + what[1:]).partition(" - at `$.")
    place = f"{place.rstrip('`')}: " if place else ""
    return Invalid(f"{route}: {place}{told}", hint=f"fields: {', '.join(fields)}" if fields else None)
