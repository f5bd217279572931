"""The result of a statement: rows as Python values, or a frame of pandas, polars or Arrow.

With pyarrow in the environment rows travel as an Arrow stream, else as JSON. Both give the same Python values, except
that without pyarrow times inside of lists and structs are texts, and NaN is None.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any, Dict, Iterator, List, Optional

from mlbox.client import values
from mlbox.client.failures import MlboxClientError
from mlbox.client.transport import Response

ARROW = "application/vnd.apache.arrow.stream"
SHOWN_ROWS = 50


class Result:
    """What the last statement gave; iterating gives its rows as dictionaries."""

    def __init__(self, told: Dict[str, Any], stream: bytes = b"", project: Optional[str] = None) -> None:
        self.message = str(told.get("message") or "")
        """The line for people, such as ``created model m, version 1``."""
        self.elapsed_ms: Optional[float] = told.get("elapsed_ms")
        """Time of the statement at the server."""
        self.project = project
        """The project in use after it."""
        self._table: Any = _read(stream) if stream else None
        described = told.get("columns") or []
        self.columns: List[str] = [str(entry["name"]) for entry in described]
        """Names of the columns; empty for a statement without rows."""
        self.types: List[str] = [str(entry.get("type", "")) for entry in described]
        """Their types, as Arrow calls them; ``json`` for JSON and VARIANT."""
        self._lists: Optional[List[List[Any]]] = None
        if self._table is not None:
            self.columns = list(self._table.column_names)
            self.types = ["json" if values.is_json(field) else str(field.type) for field in self._table.schema]
        else:
            self._lists = values.typed(told.get("rows") or [], self.types)

    @classmethod
    def of(cls, answer: Response) -> Result:
        """From the server's answer, in either form."""
        if not answer.headers.get("content-type", "").startswith(ARROW):
            body = answer.json() or {}
            results = body.get("results") or [{}]
            return cls(results[-1], project=body.get("project"))
        told = json.loads(answer.headers.get("x-mlbox-result") or "{}")
        return cls(told, answer.body, told.get("project"))

    def rows(self) -> List[Dict[str, Any]]:
        """Each row by column. Of columns with the same name the last one counts."""
        return [dict(zip(self.columns, row)) for row in self._values()]

    def scalar(self) -> Any:
        """The first value of the first row; None when there is none."""
        rows = self._values(1)
        return rows[0][0] if rows and rows[0] else None

    def to_arrow(self) -> Any:
        """A ``pyarrow.Table``; JSON is text in it."""
        if self._table is not None:
            return self._table
        return _library("pyarrow").Table.from_pylist(self.rows())

    def to_parquet(self, path: str) -> None:
        """Write a Parquet file."""
        _library("pyarrow")
        import pyarrow.parquet

        pyarrow.parquet.write_table(self.to_arrow(), path)

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``: JSON is parsed, decimals are floats and whole numbers of any size integers."""
        pandas = _library("pandas")
        if self._table is None:
            return pandas.DataFrame(self._values(), columns=self.columns)
        frame = values.with_numbers(self._table).to_pandas()
        for position, kind in enumerate(self.types):
            if kind in ("json", values.INTERVAL):
                parsed = values.of_column(self._table.column(position), kind)
                frame.isetitem(position, pandas.Series(parsed, index=frame.index, dtype=object).infer_objects())
        return frame

    def to_polars(self) -> Any:
        """A ``polars.DataFrame``; JSON is text in it."""
        polars = _library("polars")
        if self._table is not None:
            return polars.from_arrow(values.with_durations(self._table))
        return polars.DataFrame(self._values(), schema=self.columns, orient="row", infer_schema_length=None)

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return iter(self.rows())

    def __len__(self) -> int:
        return int(self._table.num_rows) if self._table is not None else len(self._lists or [])

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        if not self.columns:
            return self.message or "done"
        cells = [self.columns, *([_cell(value) for value in row] for row in self._values(SHOWN_ROWS))]
        widths = [min(40, max(len(row[i]) for row in cells)) for i in range(len(self.columns))]
        lines = ["  ".join(text[:width].ljust(width) for text, width in zip(row, widths)).rstrip() for row in cells]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:], self._count()])

    def _repr_html_(self) -> str:
        if not self.columns:
            return f"<p>{escape(self.message or 'done')}</p>"
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(value))}</td>" for value in row) + "</tr>"
            for row in self._values(SHOWN_ROWS)
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{table}<p>{escape(self._count())}</p>"

    def _count(self) -> str:
        count = len(self)
        told = f"{count:,} row{'' if count == 1 else 's'}"
        return told if count <= SHOWN_ROWS else f"{told}, the first {SHOWN_ROWS} of them shown"

    def _values(self, first: Optional[int] = None) -> List[List[Any]]:
        if self._lists is not None:
            return self._lists[:first]
        table = self._table if first is None else self._table.slice(0, first)
        lists = [values.of_column(table.column(position), kind) for position, kind in enumerate(self.types)]
        rows = [list(row) for row in zip(*lists)]
        if first is None:
            self._lists = rows
        return rows


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        hint = f"install it here: pip install {name}; rows() needs nothing"
        raise MlboxClientError(f"{name} is not installed in this environment", hint) from None


def _read(stream: bytes) -> Any:
    pyarrow = _library("pyarrow")
    with pyarrow.ipc.open_stream(stream) as reader:
        return reader.read_all()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
