"""``module:package.module``: code of a package that the function's requirements bring."""

from __future__ import annotations

import re

from mlbox.base.errors import Invalid
from mlbox.engine.runs.origins.base import ORIGINS, Fetched, Place

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
PREFIX = "module:"
_TEXT = '''def {handler}(ctx, **parameters):
    """{handler} of {module}."""
    from mlbox.client.binding import call_imported

    from {module} import {handler} as imported

    return call_imported(imported, ctx, parameters)
'''


class ModuleOrigin:
    """A file of one import is the function's code. What the handler takes is known only where the package is."""

    summary = "`module:package.module`: code of a package among the requirements; `HANDLER` names the function"

    def matches(self, text: str) -> bool:
        """``module:…``."""
        return text.startswith(PREFIX)

    def fetch(self, place: Place) -> Fetched:
        """Write the file; ``#name`` is the handler that is imported."""
        name = place.text.removeprefix(PREFIX)
        if not _NAME.fullmatch(name):
            raise Invalid(f"{name!r} is not the name of a module", hint="module:package.module, and HANDLER function")
        if not place.inner or not place.inner.isidentifier():
            raise Invalid("which function of the module is to run?", hint="name it with HANDLER")
        path = place.scratch / "function.py"
        path.write_text(_TEXT.format(handler=place.inner, module=name), encoding="utf-8")
        return Fetched(path)


ORIGINS.add("module", ModuleOrigin())
