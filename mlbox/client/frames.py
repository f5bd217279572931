"""Frames without depending on a frame library: reading inputs, looking at columns, writing tables."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from mlbox.client.failures import MlboxClientError

PARQUET = "application/vnd.apache.parquet"
CSV = "text/csv"
FEATHER = "application/vnd.apache.arrow.file"
FORMATS = ("parquet", "csv", "json", "feather")
"""As what a table can be written."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?")

Columns = Dict[str, Sequence[Any]]


def importable(name: str) -> Any:
    """The module, or None when it is not installed."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def read_frame(path: str, types: Optional[Dict[str, str]] = None, media: Optional[str] = None) -> Any:
    """A Parquet, Feather, JSON (by its media type) or CSV file as a pandas DataFrame where pandas is installed, else a
    pyarrow Table, else a list of dictionaries. ``types`` (column → Arrow type name) keeps text that looks like a number
    text. In CSV an empty field is null."""
    with open(path, "rb") as file:
        head = file.read(6)
    pandas, arrow = importable("pandas"), importable("pyarrow")
    if head[:4] == b"PAR1" or head == b"ARROW1":
        if arrow is None:
            raise MlboxClientError("the input is Parquet and pyarrow is missing", "add 'pyarrow' to REQUIREMENTS")
        import pyarrow.feather
        import pyarrow.parquet

        read = pyarrow.parquet.read_table if head[:4] == b"PAR1" else pyarrow.feather.read_table
        table = read(path)
        return table if pandas is None else table.to_pandas()
    if media == "application/json":
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
        return rows if pandas is None else pandas.DataFrame(rows)
    if pandas is not None:
        texts = [name for name, kind in (types or {}).items() if _is_text(kind)]
        times = [name for name, kind in (types or {}).items() if kind.startswith(("timestamp", "date"))]
        return pandas.read_csv(path, dtype={name: str for name in texts}, parse_dates=times)
    if arrow is not None:
        import pyarrow.csv

        options = pyarrow.csv.ConvertOptions(
            column_types={name: "string" for name, kind in (types or {}).items() if _is_text(kind)},
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        return pyarrow.csv.read_csv(path, convert_options=options)
    return read_rows(path, types)


def read_rows(path: str, types: Optional[Dict[str, str]] = None) -> List[Dict[str, Any]]:
    """A CSV file as a list of dictionaries, values converted by ``types`` or, without, by their looks."""
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        rows = list(reader)
    columns: List[List[Any]] = []
    for index, name in enumerate(names):
        values = [row[index] if index < len(row) else "" for row in rows]
        convert = _by_type(types[name]) if types and name in types else _by_looks(values)
        columns.append([None if value == "" else convert(value) for value in values])
    return [dict(zip(names, row)) for row in zip(*columns)]


def _is_text(kind: str) -> bool:
    return "string" in kind or "utf8" in kind or kind.startswith(("list", "struct", "map", "binary", "dictionary"))


def _by_type(kind: str) -> Callable[[str], Any]:
    if kind.startswith(("int", "uint")):
        return int
    if kind.startswith(("float", "double", "halffloat", "decimal")):
        return float
    if kind == "bool":
        return lambda text: text.lower() == "true"
    if kind.startswith("timestamp"):
        return _time
    if kind.startswith("date"):
        return datetime.date.fromisoformat
    return str


def _by_looks(values: Sequence[str]) -> Callable[[str], Any]:
    present = [value for value in values if value != ""]
    if present and all(re.fullmatch(r"-?(0|[1-9]\d*)", value) for value in present):
        return int
    if present and all(re.fullmatch(r"-?(0|[1-9]\d*)?(\.\d*)?([eE][-+]?\d+)?|-?inf|nan", value) for value in present):
        return float
    if present and all(value in ("true", "false") for value in present):
        return lambda text: text == "true"
    if present and all(_TIME.fullmatch(value) for value in present):
        return _time
    return str


def _time(text: str) -> Any:
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    fraction = (match[3] or "0")[:6].ljust(6, "0")
    zone = (match[4] or "").replace("Z", "+00:00")
    if len(zone) == 5:
        zone = zone[:3] + ":" + zone[3:]
    return datetime.datetime.fromisoformat(f"{match[1]}T{match[2]}.{fraction}{zone}")


def as_declared(frame: Any, annotation: Any) -> Any:
    """An input as the frame type that a handler declares (``pandas.DataFrame``, ``polars.DataFrame``,
    ``pyarrow.Table``, ``numpy.ndarray``, ``list``); as it is where the annotation names none of them."""
    declared = annotation if isinstance(annotation, str) else full_name(annotation)
    for ending, convert in _DECLARED.items():
        package, _, kind = ending.rpartition(".")
        if declared == ending or (package and declared.startswith(package + ".") and declared.endswith("." + kind)):
            return convert(frame)
    return frame


def full_name(annotation: Any) -> str:
    """``module.Class``; of what is built in the name alone."""
    return f"{getattr(annotation, '__module__', '')}.{getattr(annotation, '__qualname__', '')}".replace("builtins.", "")


def _needed(name: str) -> Any:
    module = importable(name)
    if module is None:
        raise MlboxClientError(
            f"the handler wants a frame of {name}, which is missing", f"add {name!r} to REQUIREMENTS"
        )
    return module


def _as_pandas(frame: Any) -> Any:
    pandas = _needed("pandas")
    if isinstance(frame, pandas.DataFrame):
        return frame
    return frame.to_pandas() if hasattr(frame, "to_pandas") else pandas.DataFrame(frame)


def _as_polars(frame: Any) -> Any:
    polars = _needed("polars")
    return polars.from_pandas(frame) if hasattr(frame, "iloc") else polars.DataFrame(frame)


def _as_arrow(frame: Any) -> Any:
    return _to_arrow(frame, _needed("pyarrow"))


def _as_numpy(frame: Any) -> Any:
    numpy = _needed("numpy")
    if hasattr(frame, "to_numpy") and hasattr(frame, "iloc"):
        return frame.to_numpy()
    return numpy.array([plain(values) for values in columns_of(frame).values()]).T


def _as_spark(frame: Any) -> Any:
    from mlbox.client.clusters import session

    return session("spark").createDataFrame(frame)


def _as_rows(frame: Any) -> Any:
    columns = {name: plain(values) for name, values in columns_of(frame).items()}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


_DECLARED: Dict[str, Callable[[Any], Any]] = {
    "pandas.DataFrame": _as_pandas,
    "pd.DataFrame": _as_pandas,
    "polars.DataFrame": _as_polars,
    "pl.DataFrame": _as_polars,
    "pyarrow.Table": _as_arrow,
    "pa.Table": _as_arrow,
    "numpy.ndarray": _as_numpy,
    "np.ndarray": _as_numpy,
    "pyspark.DataFrame": _as_spark,
    "list": _as_rows,
}


def columns_of(frame: Any, names: Optional[Sequence[str]] = None) -> Columns:
    """Columns of a pandas or polars frame, a pyarrow table, a dictionary of lists, a list of dictionaries or of rows,
    or a two-dimensional numpy array (``names``, else ``f0``, ``f1``, ...)."""
    if isinstance(frame, dict):
        return {str(name): values for name, values in frame.items()}
    if hasattr(frame, "column_names") and hasattr(frame, "to_pydict"):  # pyarrow
        return {name: frame.column(name) for name in frame.column_names}
    if hasattr(frame, "columns") and hasattr(frame, "__getitem__"):  # pandas, polars
        return {str(name): frame[name] for name in frame.columns}
    if hasattr(frame, "shape") and len(frame.shape) == 2:  # numpy
        found = list(names or [f"f{index}" for index in range(frame.shape[1])])
        return {name: frame[:, index] for index, name in enumerate(found)}
    if isinstance(frame, (list, tuple)):
        return _columns_of_rows(list(frame), names)
    raise MlboxClientError(
        f"a {type(frame).__name__} is not a table", "give a pandas, polars or pyarrow frame, or a dictionary of lists"
    )


def _columns_of_rows(rows: List[Any], names: Optional[Sequence[str]]) -> Columns:
    if rows and not isinstance(rows[0], dict):
        found = list(names or [f"f{index}" for index in range(len(rows[0]))])
        return {name: [row[index] for row in rows] for index, name in enumerate(found)}
    keys: Dict[str, None] = {}
    for row in rows:
        keys.update(dict.fromkeys(row))
    return {str(key): [row.get(key) for row in rows] for key in keys}


def plain(values: Any) -> List[Any]:
    """A column as a list of Python values."""
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(values, method):
            return list(getattr(values, method)())
    return list(values)


def write_table(frame: Any, form: Optional[str] = None) -> Tuple[bytes, str, str]:
    """The frame as bytes, media type and file ending: as ``parquet``, ``feather``, ``csv`` or ``json`` (a list of
    objects); without ``form`` Parquet where pyarrow is installed, else CSV."""
    arrow = importable("pyarrow")
    if form not in FORMATS and form is not None:
        raise MlboxClientError(f"a table has no format {form!r}", f"it has {', '.join(FORMATS)}")
    if form in ("parquet", "feather") and arrow is None:
        raise MlboxClientError(f"{form} needs pyarrow, which is missing", "add 'pyarrow' to REQUIREMENTS")
    if form == "feather":
        import pyarrow.feather

        sink = io.BytesIO()
        pyarrow.feather.write_feather(_to_arrow(frame, arrow), sink)
        return sink.getvalue(), FEATHER, form
    if form == "json":
        return json.dumps(_as_rows(frame), default=str).encode(), "application/json", form
    if arrow is not None and form != "csv":
        import pyarrow.parquet

        sink = io.BytesIO()
        pyarrow.parquet.write_table(_to_arrow(frame, arrow), sink)
        return sink.getvalue(), PARQUET, "parquet"
    if hasattr(frame, "to_csv"):
        return frame.to_csv(index=False).encode(), CSV, "csv"
    columns = columns_of(frame)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(plain(values) for values in columns.values())))
    return out.getvalue().encode(), CSV, "csv"


def _to_arrow(frame: Any, arrow: Any) -> Any:
    if isinstance(frame, arrow.Table):
        return frame
    if hasattr(frame, "iloc"):
        return arrow.Table.from_pandas(frame, preserve_index=False)
    if hasattr(frame, "to_arrow"):
        return frame.to_arrow()
    return arrow.table({name: arrow.array(plain(values)) for name, values in columns_of(frame).items()})


def describe_table(frame: Any, preview: int = 5) -> Dict[str, Any]:
    """``{"schema": [{name, type}], "rows": n, "preview": [[...]]}`` of a frame; preview values are JSON-able."""
    columns = columns_of(frame)
    rows = max((len(values) for values in columns.values()), default=0)
    heads = [[_readable(value) for value in plain(values[:preview])] for values in columns.values()]
    schema = [{"name": name, "type": _type_name(values)} for name, values in columns.items()]
    return {"schema": schema, "rows": rows, "preview": [list(row) for row in zip(*heads)]}


def _type_name(values: Any) -> str:
    declared = getattr(values, "dtype", None) or getattr(values, "type", None)
    if declared is not None and str(declared) != "object":
        return str(declared)
    for value in values[:100]:
        if value is not None and value == value:
            return type(value).__name__
    return "object"


def _readable(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return str(value)
