"""What handlers log, as it arrives."""

from __future__ import annotations

import io
import json
import math
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlbox.client.context import Context
from mlbox.client.failures import MlboxClientError
from mlbox.client.outbox import Outbox
from mlbox.client.transport import Transport

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


class Logged:
    """A context whose events are looked at after they were delivered."""

    def __init__(self, receiver: Any, folder: Path) -> None:
        transport = Transport(receiver.url, receiver.token)
        self.receiver = receiver
        self.outbox = Outbox(transport, "r1", str(folder / "spool"))
        inputs = {"frame": {"format": "csv"}, "other": {"format": "parquet"}}
        spec = {"run_id": "r1", "project": "p", "function": "f", "parameters": {"a": 1}, "inputs": inputs}
        self.ctx = Context(spec, self.outbox, transport, str(folder))

    def events(self, kind: str) -> list[dict[str, Any]]:
        assert self.ctx.flush(20)
        found: list[dict[str, Any]] = self.receiver.of_kind(kind)
        return found

    def artifact(self) -> tuple[dict[str, Any], bytes]:
        """The only artifact and its bytes."""
        (event,) = self.events("artifact")
        data = self.receiver.blobs[event["digest"]]
        assert event["size"] == len(data)
        return event, data


@pytest.fixture
def logged(receiver: Any, tmp_path: Path) -> Iterator[Logged]:
    made = Logged(receiver, tmp_path)
    yield made
    made.outbox.close(5)


def test_metrics_keep_steps_times_and_what_json_has_no_numbers_for(logged: Logged) -> None:
    import numpy

    before = time.time()
    logged.ctx.log_metrics({"loss": numpy.float32(0.5), "n": numpy.int64(3)}, step=7)
    logged.ctx.log_metric("diverged", math.nan)
    logged.ctx.log_metric("limit", -math.inf)
    found = logged.events("metric")
    assert [(event["name"], event["value"], event.get("step")) for event in found] == [
        ("loss", 0.5, 7), ("n", 3.0, 7), ("diverged", "NaN", None), ("limit", "-Infinity", None)
    ]  # fmt: skip
    assert all(before <= event["at"] <= time.time() for event in found)


def test_params_tags_and_progress(logged: Logged) -> None:
    import numpy

    logged.ctx.log_param("depth", numpy.int64(3))
    logged.ctx.log_param("grid", {"a": [1, numpy.float64(math.nan)], "b": Path("x")})
    logged.ctx.log_tag("team", "blue")
    for step in range(1000):
        logged.ctx.progress(step / 1000)
    logged.ctx.progress(2.0, "done")
    assert [event["value"] for event in logged.events("param")] == [3, {"a": [1, None], "b": "x"}]
    assert logged.events("tag") == [{"kind": "tag", "name": "team", "value": "blue"}]
    progress = logged.events("progress")
    assert len(progress) < 100
    assert progress[-1] == {"kind": "progress", "value": 1.0, "text": "done"}


@pytest.mark.parametrize("name", ["", "x" * 251, "a\nb", 5, None])
def test_names_that_are_none(logged: Logged, name: Any) -> None:
    with pytest.raises(MlboxClientError, match="is not a name"):
        logged.ctx.log_metric(name, 1)


@pytest.mark.parametrize("value", ["0.5", None, [1], {}])
def test_values_that_are_no_numbers(logged: Logged, value: Any) -> None:
    with pytest.raises(MlboxClientError, match="not a number"):
        logged.ctx.log_metric("auc", value)


@pytest.mark.parametrize(
    ("name", "value", "kind", "media", "file"),
    [
        ("notes.txt", b"text", "file", "text/plain", "notes.txt"),
        ("shot", PNG, "file", "image/png", "shot"),
        ("raw", b"\0\1", "file", "application/octet-stream", "raw"),
        ("report", {"auc": 0.5}, "document", "application/json", "report.json"),
        ("reports/deep", [1, 2], "document", "application/json", "deep.json"),
    ],
)
def test_artifacts_from_values(logged: Logged, name: str, value: Any, kind: str, media: str, file: str) -> None:
    digest = logged.ctx.log_artifact(name, value)
    event, data = logged.artifact()
    assert (event["name"], event["artifact_kind"], event["media_type"], event["file_name"]) == (name, kind, media, file)
    assert event["digest"] == digest
    assert (data if isinstance(value, bytes) else json.loads(data)) == value


def test_files_and_folders(logged: Logged, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text("a")
    (folder / "b.csv").write_text("x\n1\n")
    monkeypatch.chdir(tmp_path)
    logged.ctx.log_artifact("rows", "out/b.csv")
    first = logged.ctx.log_artifact("everything", folder)
    assert logged.ctx.log_artifact("everything", folder) == first
    file, zipped, _ = logged.events("artifact")
    assert (file["media_type"], file["file_name"]) == ("text/csv", "b.csv")
    assert zipped["artifact_kind"] == "folder"
    assert zipped["metadata"] == {"files": ["b.csv", "deep/a.txt"]}
    archive = zipfile.ZipFile(io.BytesIO(logged.receiver.blobs[zipped["digest"]]))
    assert archive.read("deep/a.txt") == b"a"


def test_a_file_that_is_missing_is_named(logged: Logged) -> None:
    with pytest.raises(MlboxClientError, match=r"artifact 'model': there is no file 'nowhere\.bin'"):
        logged.ctx.log_artifact("model", "nowhere.bin")
    with pytest.raises(MlboxClientError, match="a object cannot be stored"):
        logged.ctx.log_artifact("model", object())
    assert logged.events("artifact") == []


class Figure:
    """What a matplotlib figure does."""

    def savefig(self, out: Any, format: str, **more: Any) -> None:
        assert format == "png"
        out.write(PNG)


class Axes:
    figure = Figure()


@pytest.mark.parametrize("value", [PNG, Figure(), Axes()])
def test_plots(logged: Logged, value: Any) -> None:
    logged.ctx.log_plot("roc", value)
    event, data = logged.artifact()
    assert (event["artifact_kind"], event["media_type"], event["file_name"]) == ("plot", "image/png", "roc.png")
    assert data == PNG


VEGA = "https://vega.github.io/schema"


@pytest.mark.parametrize(
    ("chart", "media"),
    [
        ({"$schema": f"{VEGA}/vega-lite/v5.json", "mark": "bar"}, "application/vnd.vegalite.v5+json"),
        ({"$schema": f"{VEGA}/vega/v6.json", "marks": []}, "application/vnd.vega.v6+json"),
        ({"data": [{"type": "bar", "y": [1, 2]}], "layout": {}}, "application/vnd.plotly.v1+json"),
    ],
)
def test_charts_that_are_written_down(logged: Logged, chart: dict[str, Any], media: str) -> None:
    logged.ctx.log_plot("chart", chart)
    event, data = logged.artifact()
    assert (event["artifact_kind"], event["media_type"], event["file_name"]) == ("plot", media, "chart.json")
    assert json.loads(data) == chart


def test_a_chart_is_json_whatever_its_values_are(logged: Logged) -> None:
    import datetime

    import numpy

    trace = {"y": numpy.array([1.0, numpy.nan]), "x": (datetime.date(2013, 7, 1), float("inf")), 3: numpy.int64(4)}
    logged.ctx.log_plot("chart", {"data": [trace], "layout": {}})
    _, data = logged.artifact()
    assert json.loads(data, parse_constant=pytest.fail)["data"] == [{"y": [1, None], "x": ["2013-07-01", None], "3": 4}]


def test_a_dictionary_that_is_no_chart(logged: Logged) -> None:
    with pytest.raises(MlboxClientError, match="a dict is not a figure"):
        logged.ctx.log_plot("chart", {"data": 5})


def test_something_that_is_no_figure(logged: Logged) -> None:
    with pytest.raises(MlboxClientError, match="a int is not a figure"):
        logged.ctx.log_plot("roc", 5)


def test_a_dataset_has_schema_preview_and_statistics(logged: Logged) -> None:
    import pandas
    import pyarrow.parquet

    frame = pandas.DataFrame({"x": range(10), "carrier": ["AA", "UA"] * 5})
    logged.ctx.log_dataset("train", frame)
    event, data = logged.artifact()
    metadata = event["metadata"]
    assert (event["artifact_kind"], event["file_name"]) == ("dataset", "train.parquet")
    assert metadata["rows"] == 10
    assert metadata["schema"][0] == {"name": "x", "type": "int64"}
    assert metadata["preview"] == [[0, "AA"], [1, "UA"], [2, "AA"], [3, "UA"], [4, "AA"]]
    assert metadata["stats"]["x"]["mean"] == 4.5
    assert metadata["stats"]["carrier"]["top"] == {"AA": 5, "UA": 5}
    assert pyarrow.parquet.read_table(io.BytesIO(data)).to_pandas().equals(frame)


@pytest.mark.parametrize("rows", [[{"a": 1, "b": None}, {"a": 2, "b": "x"}], {"a": [1, 2], "b": [None, "x"]}])
def test_tables_from_plain_python(logged: Logged, rows: Any) -> None:
    import pyarrow.parquet

    logged.ctx.log_table("rows", rows)
    event, data = logged.artifact()
    assert event["artifact_kind"] == "table"
    assert pyarrow.parquet.read_table(io.BytesIO(data)).to_pydict() == {"a": [1, 2], "b": [None, "x"]}


def test_inputs_come_over_http_once(logged: Logged) -> None:
    logged.receiver.files["frame"] = b"x,name\n1,a\n2,b\n"
    frame = logged.ctx.input("frame")
    assert frame["x"].tolist() == [1, 2]
    logged.receiver.files.clear()
    assert logged.ctx.input("frame") is frame
    with pytest.raises(MlboxClientError, match=r"no input 'frme' \(did you mean frame\?"):
        logged.ctx.input("frme")
    assert list(logged.ctx.inputs) == ["frame", "other"]


def test_nothing_is_logged_after_the_end(logged: Logged) -> None:
    logged.outbox.close(5)
    with pytest.raises(MlboxClientError, match="the run has ended"):
        logged.ctx.log_metric("late", 1)
