"""Bodies of other servers, so that their callers need another address and nothing else: ``instances`` of TensorFlow
Serving and KServe's V1 protocol, and what MLflow's scoring server takes, JSON or CSV. The answer is ``predictions``.

Sources: the V1 data plane of KServe, the REST API of TensorFlow Serving, and "Deploy MLflow Model as a Local Inference
Server", which SageMaker's and Databricks' endpoints share.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.errors import Invalid
from mlbox.serve import media
from mlbox.serve.codec import Request, parsed, rows_in, to_json
from mlbox.serve.simple import columns_of, plain_rows

if TYPE_CHECKING:
    from mlbox.serve.codec import Reply
    from mlbox.serve.needs import Need

CSV = b"text/csv"
_FORMS = ("instances", "inputs", "dataframe_split", "dataframe_records")
_HINT = '{"instances": [{"amount": 3.2, "country": "DE"}]}, or dataframe_split, dataframe_records, inputs, text/csv'
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none"})
"""Cells without a value, in lower case; those that pandas writes and reads as such."""

Row = Mapping[str, Any]


class Split(msgspec.Struct, forbid_unknown_fields=True):
    """What ``DataFrame.to_dict(orient="split")`` gives; the index says nothing to an endpoint."""

    columns: list[str]
    data: list[list[Any]]
    index: list[Any] | None = None


class Sent(msgspec.Struct, forbid_unknown_fields=True):
    """A body; one of the first four."""

    instances: list[Any] | None = None
    inputs: list[Any] | dict[str, Any] | None = None
    dataframe_split: Split | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    params: dict[str, Any] | None = None
    signature_name: str | None = None
    client_request_id: str | None = None


_decoder = msgspec.json.Decoder(Sent)


def decode(body: bytes, content_type: bytes, needs: Sequence[Need], shared: Set[str] = frozenset()) -> Request:
    """The request; values without names are those of ``needs``, in their order; ``shared`` as in the protocol's own
    decoder. Raises ``Invalid`` that names the row, and ``UnsupportedMediaType``."""
    if content_type.partition(b";")[0].strip().lower() == CSV:
        return _request(_of_csv(body, needs), None, shared)
    if media.is_arrow(content_type):
        raise media.UnsupportedMediaType("an Arrow stream goes to infer", hint="here: application/json or text/csv")
    try:
        sent = parsed(_decoder, body)
    except msgspec.ValidationError as error:
        raise Invalid(f"the request is in no form of another server: {error}", hint=_HINT) from None
    given = [name for name in _FORMS if getattr(sent, name) is not None]
    if len(given) != 1:
        raise Invalid(f"the request has {' and '.join(given) or 'no instances'}", hint=f"send one of {_HINT}")
    if sent.params:
        raise Invalid(
            f"params {', '.join(map(repr, sent.params))} reach no model here",
            hint="send what changes with each request as an input of the endpoint",
        )
    return _request(_rows(sent, needs), sent.client_request_id, shared)


def _request(rows: Sequence[Row], request_id: str | None, shared: Set[str]) -> Request:
    columns = columns_of(rows)
    return Request(columns, rows_in(columns, shared), request_id, None, False, form="predictions")


def _rows(sent: Sent, needs: Sequence[Need]) -> Sequence[Row]:
    if sent.dataframe_records is not None:
        return sent.dataframe_records
    if sent.dataframe_split is not None:
        return _of_split(sent.dataframe_split)
    if isinstance(sent.inputs, dict):
        return _of_columns(sent.inputs)
    values = sent.instances if sent.instances is not None else sent.inputs
    assert isinstance(values, list)
    return [value if isinstance(value, dict) else _named(index, value, needs) for index, value in enumerate(values)]


def _of_split(split: Split) -> list[Row]:
    _check_table("dataframe_split", split.columns, split.data)
    return [dict(zip(split.columns, values, strict=True)) for values in split.data]


def _check_table(called: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Each column has a name of its own, each row a value for each."""
    if len({name.lower() for name in names}) != len(names):
        raise Invalid(f"{called} has a column twice; case does not count", hint=f"columns: {', '.join(names)}")
    for index, row in enumerate(rows):
        if len(row) != len(names):
            raise Invalid(f"row {index} of {called} has {len(row)} values for {len(names)} columns")


def _of_columns(columns: Mapping[str, Any]) -> list[Row]:
    """``inputs`` by name; a value that is no list is that of the only row."""
    lists = {name: values if isinstance(values, list) else [values] for name, values in columns.items()}
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise Invalid(f"the columns of inputs have different lengths: {told}", hint="all hold the same rows")
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _named(index: int, value: Any, needs: Sequence[Need]) -> Row:
    """A row whose values have no names: those of all inputs, or of the required ones."""
    required = [need for need in needs if need.required]
    wanted = list(needs) if not required or (isinstance(value, list) and len(value) == len(needs)) else required
    if not wanted:
        raise Invalid(f"instance {index} has no names, and the endpoint tells none", hint='{"instances": [{"x": 1}]}')
    if len(wanted) == 1 and (not isinstance(value, list) or len(wanted[0].shape) > 1):
        return {wanted[0].name: value}
    if isinstance(value, list) and len(value) == len(wanted):
        return {need.name: each for need, each in zip(wanted, value, strict=True)}
    count = f"{len(value)} values" if isinstance(value, list) else "one value"
    names = ", ".join(need.name for need in wanted)
    more = [need.name for need in needs if not need.required]
    raise Invalid(
        f"instance {index} has {count}; the endpoint takes {len(wanted)}: {names}"
        + (f", or all {len(needs)} with {', '.join(more)}" if more and len(more) < len(needs) else ""),
        hint='send them in this order, or by name: {"instances": [{..}]}',
    )


def _of_csv(body: bytes, needs: Sequence[Need]) -> list[Row]:
    """Lines below a line of names. Cells are numbers or truth values where all of a column are, but for inputs that
    are texts."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid(f"the body is not valid CSV: {error}") from None
    lines = [line for line in lines if line]
    if not lines:
        raise Invalid("the CSV is empty", hint="a line with the names of the inputs, then one for each row")
    names, cells = lines[0], lines[1:]
    _check_table("the CSV", names, cells)
    texts = {need.name.lower() for need in needs if need.datatype == "BYTES"}
    columns = [_typed([line[at] for line in cells], name.lower() in texts) for at, name in enumerate(names)]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _typed(cells: list[str], text: bool) -> list[Any]:
    given = [None if cell.strip().lower() in _MISSING else cell for cell in cells]
    if text:
        return given
    readers: tuple[Callable[[str], Any], ...] = (_whole, _number, _truth)
    for read in readers:
        try:
            return [None if cell is None else read(cell.strip()) for cell in given]
        except ValueError:
            continue
    return given


def _whole(cell: str) -> int:
    digits = cell.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(cell)
    return int(cell)


def _number(cell: str) -> float:
    if "_" in cell or not cell.isascii():  # Python takes both, no other reader of CSV does
        raise ValueError(cell)
    return float(cell)


def _truth(cell: str) -> bool:
    if cell.lower() not in ("true", "false"):
        raise ValueError(cell)
    return cell.lower() == "true"


def body_of(reply: Reply, rows: int) -> bytes:
    """``{"predictions": [..]}``: the values of ``prediction`` or of the only output, else objects by name."""
    outputs = reply.outputs
    names = ["prediction"] if "prediction" in outputs else list(outputs)
    told = [dict(zip(names, row, strict=True)) for row in plain_rows(outputs, names, rows)]
    body: dict[str, Any] = {"predictions": told if len(names) != 1 else [row[names[0]] for row in told]}
    if reply.parameters:
        body["parameters"] = reply.parameters
    return to_json(body)
