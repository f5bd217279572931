"""Arrow streams that somebody has sent: what lies about its own buffers must not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid
from mlbox.engine.storage import arrow_sizes

if TYPE_CHECKING:
    import pyarrow


def table_of(body: bytes, limit: int) -> pyarrow.Table:
    """All rows of a stream in Arrow's IPC format; raises ``Invalid``, and ``TooLarge`` before more than ``limit`` bytes
    are unpacked or would be decoded.

    Every value is looked at: an offset or an index of a dictionary beyond its buffer would take the process with it.
    """
    import pyarrow as pa

    try:
        arrow_sizes.check(body, limit)
        table = pa.ipc.open_stream(body).read_all()
        table.validate(full=True)
        arrow_sizes.check_decoded(table, limit)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise Invalid(f"the body is no Arrow stream: {first[:200]}", hint="pyarrow.ipc.new_stream writes one") from None
    return table
