"""Columns of lists in Arrow, as tensors: a nested list for each row, all of one shape."""

from __future__ import annotations

from typing import Any

from mlbox.base.errors import Invalid


def unnested(name: str, chunks: Any) -> tuple[Any, tuple[int, ...]]:
    """The flat values of a column of lists, and the sizes of its inner axes; of any other column itself and nothing.
    Lists are of fixed size, tensors of fixed shape, or of any size that is the same in all rows."""
    import pyarrow as pa

    types = pa.types
    if isinstance(chunks.type, pa.FixedShapeTensorType):
        shape, permutation = tuple(chunks.type.shape), chunks.type.permutation
        if permutation is not None and list(permutation) != sorted(permutation):
            raise Invalid(f"column {name!r} is a tensor in another order of its axes", hint="send it row by row")
        chunks = pa.chunked_array([chunk.storage for chunk in chunks.chunks], chunks.type.storage_type)
        flat, _ = unnested(name, chunks)
        return flat, shape
    inner: list[int] = []
    while types.is_list(chunks.type) or types.is_large_list(chunks.type) or types.is_fixed_size_list(chunks.type):
        if chunks.null_count:
            raise Invalid(f"column {name!r} has a row without a list", hint="a tensor has no gaps")
        size = _size(name, chunks)
        flat = [chunk.flatten() for chunk in chunks.chunks]
        chunks = pa.chunked_array(flat, chunks.type.value_type)
        inner.append(size)
    return chunks, tuple(inner)


def _size(name: str, chunks: Any) -> int:
    """How many values each list has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_fixed_size_list(chunks.type):
        size = int(chunks.type.list_size)
    else:
        lengths = pc.list_value_length(chunks)
        span = pc.min_max(lengths)
        low, size = int(span["min"].as_py()), int(span["max"].as_py())
        if low != size:
            raise Invalid(
                f"column {name!r} has lists of {low} and of {size} values", hint="a tensor's rows have one shape"
            )
    if size < 1:
        raise Invalid(f"column {name!r} has empty lists")
    return size
