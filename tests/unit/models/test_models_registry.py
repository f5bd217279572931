"""The registry over a real home: versions, aliases, sources, lineage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from fresh_home import fresh_home

from mlbox.base.clock import now
from mlbox.base.command import Caller, Command, Query, Result
from mlbox.base.errors import Conflict, Invalid, MlboxError, NotExecuted, NotFound, SystemError
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import Ref
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.catalog.tables import artifacts, endpoints, feature_vectors, runs
from mlbox.engine.models.commands import CreateModel, DropModel, DropModelAlias, SetModelAlias
from mlbox.engine.models.service import Models
from mlbox.engine.storage.artifacts import ArtifactStore

M = Ref("default", "m")


@dataclass
class Registry:
    """A home with the registry."""

    folder: Path
    catalog: Catalog
    store: ArtifactStore
    models: Models
    events: list[Event]

    def do(self, command: Command) -> Result:
        """Plan and execute."""
        for handler in self.models.handlers():
            if handler.command is type(command):
                caller = Caller(user="ann")
                return handler.carry_out(command, handler.plan(command, caller), caller)
        raise AssertionError(command)

    def file(self, content: bytes) -> str:
        """A file with these bytes."""
        path = self.folder / f"{new_id()}.onnx"
        path.write_bytes(content)
        return str(path)

    def add(self, factor: float, **more: Any) -> Result:
        """CREATE MODEL m FROM a new file."""
        return self.do(CreateModel(ref=M, path=self.file(onnx_models.scaled(factor)), **more))

    def run(self, name: str | None, content: bytes | None = None, **more: Any) -> str:
        """A run of the catalog, with a model artifact when there is content."""
        row = runs.RunRow(
            id=new_id(),
            project="default",
            name=name,
            function="train",
            function_version=1,
            handler="train",
            runtime="local",
            created_at=now(),
            **{"state": "completed", "metrics": {"auc": 0.7, "loss": 0.5}, **more},
        )
        self.catalog.write(lambda cursor: runs.insert(cursor, row))
        if content is not None:
            self.artifact(row.id, "model", content)
        return row.id

    def artifact(self, run: str, name: str, content: bytes, kind: str = "model") -> None:
        """Log an artifact of a run."""
        blob = self.store.put_bytes(content)
        metadata = {
            "framework": "onnx",
            "feature_names": ["dist", "hour"],
            "feature_stats": {"dist": {"mean": 3.5, "quantiles": [1, 2, 3]}},
            "metrics": {"auc": 0.8},
        }
        row = artifacts.ArtifactRow(
            id=new_id(),
            project="default",
            run_id=run,
            name=name,
            kind=kind,
            digest=blob.digest,
            size=blob.size,
            created_at=now(),
            metadata=metadata,
        )
        self.catalog.write(lambda cursor: artifacts.insert(cursor, row))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    home = fresh_home(tmp_path / "home")
    catalog = Catalog.open(home)
    bus, events, store = Bus(), [], ArtifactStore(home.artifacts)
    bus.listen(events.append)
    yield Registry(tmp_path, catalog, store, Models(catalog=catalog, artifacts=store, bus=bus), events)
    catalog.close()


def test_versions_aliases_and_views(registry: Registry) -> None:
    first = registry.add(1.0, alias="champion", comment="first")
    assert first.message == "registered model default.m@1 as @champion: 2 features" and first.facts["version"] == 1
    registry.add(2.0, metrics={"auc": 0.9})
    assert registry.models.resolve(M).version == 2
    assert registry.models.resolve(Ref("default", "M", "CHAMPION")).version == 1
    moved = registry.do(SetModelAlias(ref=M, alias="Champion", version="latest"))
    assert moved.message == "default.m@champion is version 2 now, was 1"
    assert registry.models.resolve(M.at("champion")).metrics == {"auc": 0.9}
    view = registry.catalog.row("SELECT * FROM catalog.ml.models")
    assert view is not None
    assert (view["versions"], view["latest_version"], view["aliases"]) == (2, 2, {"champion": 2})
    rows = registry.catalog.rows("SELECT * FROM catalog.ml.model_versions ORDER BY version")
    assert [row["aliases"] for row in rows] == [[], ["champion"]]
    assert rows[0]["inputs"] == [{"name": "X", "type": "FLOAT[2]"}] and rows[0]["features"] == ["f0", "f1"]
    moves = registry.catalog.rows("SELECT * FROM catalog.ml.model_alias_moves ORDER BY moved_at")
    assert [(m["from_version"], m["to_version"], m["moved_by"]) for m in moves] == [(None, 1, "ann"), (1, 2, "ann")]
    kinds = [event.kind for event in registry.events]
    assert kinds == ["model.registered", "model.alias_moved", "model.registered", "model.alias_moved"]
    assert registry.events[-1].data == {"alias": "champion", "from_version": 1, "to_version": 2}


def test_the_same_again_is_no_new_version_unless_the_run_differs(registry: Registry) -> None:
    content = onnx_models.scaled(1.0)
    registry.run("fit", content)
    one = registry.do(CreateModel(ref=M, run="fit"))
    again = registry.do(CreateModel(ref=M, run="fit", alias="champion"))
    assert (one.facts["version"], again.facts["version"], again.facts["created"]) == (1, 1, False)
    registry.run("fit", content)
    assert registry.do(CreateModel(ref=M, run="fit")).facts["version"] == 2
    assert registry.models.resolve(M.at("champion")).version == 1


def test_from_a_run_by_id_prefix_name_and_sweep(registry: Registry) -> None:
    good = registry.run("fit", onnx_models.scaled(1.0))
    registry.run("fit", state="error")
    registry.catalog.write(lambda cursor: feature_vectors.upsert(cursor, "default", "v", "{}", now()))
    done = registry.do(CreateModel(ref=M, run="FIT", features=Ref("default", "v"), metrics={"f1": 1}))
    version = registry.models.resolve(M)
    assert version.run_id == good and version.features == ("dist", "hour") and version.feature_vector == "v"
    assert version.metrics == {"auc": 0.8, "loss": 0.5, "f1": 1.0} and done.facts["auc"] == 0.8
    assert version.feature_stats["dist"]["mean"] == 3.5
    trial = registry.run(None, onnx_models.scaled(5.0), parent_id="x")
    sweep = registry.run("sweep", best_trial=trial)
    registry.do(CreateModel(ref=M, run=sweep))
    assert registry.models.resolve(M).run_id == trial
    for run in (trial, sweep):  # the pages of both show what became of them
        edge = {"from_kind": "run", "from_ref": run, "to_ref": "default.m@2"}
        assert edge in registry.catalog.rows("SELECT from_kind, from_ref, to_ref FROM catalog.ml.lineage")
    registry.do(CreateModel(ref=Ref("default", "other"), model=M.at(1)))
    other = registry.models.resolve(Ref("default", "other"))
    assert other.run_id == good and other.digest == version.digest and other.features == version.features
    edges = registry.catalog.rows("SELECT from_kind, from_ref, to_ref FROM catalog.ml.lineage")
    assert {"from_kind": "run", "from_ref": good, "to_ref": "default.m@1"} in edges
    assert {"from_kind": "feature vector", "from_ref": "default.v", "to_ref": "default.m@1"} in edges
    assert {"from_kind": "model", "from_ref": "default.m@1", "to_ref": "default.other@1"} in edges


def test_runs_that_give_no_model_say_why(registry: Registry) -> None:
    registry.run("empty")
    registry.run("broken", state="error")
    two = registry.run("two", onnx_models.scaled(1.0))
    registry.artifact(two, "second", onnx_models.scaled(2.0))
    registry.artifact(two, "notes", b"text", kind="document")
    cases: list[tuple[CreateModel, type[MlboxError], str]] = [
        (CreateModel(ref=M, run="empty"), NotFound, "logged no model"),
        (CreateModel(ref=M, run="broken"), Conflict, "is error"),
        (CreateModel(ref=M, run="two"), Invalid, "'model', 'second'"),
        (CreateModel(ref=M, run="two", artifact="secnd"), NotFound, "secnd"),
        (CreateModel(ref=M, run="two", artifact="notes"), Invalid, "not a usable ONNX"),
        (CreateModel(ref=M, run="tow"), NotFound, "tow"),
        (CreateModel(ref=M, path="nowhere.onnx"), NotFound, "nowhere.onnx"),
        (CreateModel(ref=M, path=registry.file(b"no model")), Invalid, "not a usable ONNX"),
        (CreateModel(ref=M, path="x", run="y"), Invalid, "one source"),
        (CreateModel(ref=M, query=Query("SELECT 1")), NotExecuted, "OPTIONS"),
        (CreateModel(ref=Ref("nope", "m"), path="x"), NotFound, "project"),
        (CreateModel(ref=M, run="two", artifact="second", alias="3"), Invalid, "alias"),
        (CreateModel(ref=M, run="two", artifact="second", inputs=(("a", "INT"),)), Invalid, "2 features, 1 are"),
        (CreateModel(ref=M, run="two", artifact="second", features=Ref("default", "w")), NotFound, "feature vector"),
        (CreateModel(ref=M, run="two", artifact="second", metrics={"auc": "high"}), Invalid, "auc"),
    ]
    for command, kind, says in cases:
        with pytest.raises(kind, match=says):
            registry.do(command)
    assert registry.catalog.rows("SELECT * FROM catalog.ml.models") == []
    assert registry.do(CreateModel(ref=M, run="two", artifact="SECOND")).facts["version"] == 1


def test_a_sweep_whose_best_trial_was_dropped_says_so(registry: Registry) -> None:
    sweep = registry.run("search", best_trial="0" * 32)
    with pytest.raises(NotFound, match="best trial of sweep search, run 0{16}, was dropped") as caught:
        registry.do(CreateModel(ref=M, run="search"))
    assert caught.value.hint == f"search again: RERUN '{sweep[:16]}'"
    left = registry.run("trial-2", onnx_models.scaled(1.0), parent_id=sweep)
    with pytest.raises(NotFound) as caught:
        registry.do(CreateModel(ref=M, run="search"))
    assert caught.value.hint == f"name another of its trials: FROM RUN '{left[:16]}' (trial-2)"


def test_input_and_output_clauses_name_what_goes_in_and_out(registry: Registry) -> None:
    path = registry.file(onnx_models.scaled(1.0))
    registry.do(
        CreateModel(ref=M, path=path, inputs=(("age", "INT"), ("s1h", "DOUBLE")), outputs=(("score", "DOUBLE"),))
    )
    version = registry.models.resolve(M)
    assert version.inputs == (("age", "INT"), ("s1h", "DOUBLE")) and version.outputs == (("score", "DOUBLE"),)
    predictor = registry.models.predictor(M)
    assert predictor.features == ("age", "s1h") and predictor.output_names == ("score",)
    assert registry.models.predictor(M) is predictor


def test_references_that_mean_nothing_have_hints(registry: Registry) -> None:
    registry.add(1.0, alias="champion")
    for ref, hint in (
        (Ref("default", "n"), "known: m"),
        (M.at("champoin"), "did you mean champion?"),
        (M.at(7), "versions: 1"),
    ):
        with pytest.raises(NotFound) as caught:
            registry.models.resolve(ref)
        assert caught.value.hint == hint
    with pytest.raises(Invalid):
        registry.do(SetModelAlias(ref=M, alias="latest", version="1"))
    with pytest.raises(NotFound):
        registry.do(SetModelAlias(ref=M, alias="b", version="9"))
    assert registry.do(CreateModel(ref=M, path="gone", if_not_exists=True)).message.endswith("exists already")


def test_drop_is_refused_while_an_endpoint_uses_it(registry: Registry) -> None:
    registry.add(1.0, alias="champion")
    registry.add(2.0)
    share = endpoints.ShareRow("default", "m", "champion")
    row = endpoints.EndpointRow(
        id=new_id(), project="default", name="e", shares=(share,), created_at=now(), changed_at=now()
    )
    registry.catalog.write(lambda cursor: endpoints.insert(cursor, row))
    for command in (DropModel(ref=M), DropModel(ref=M.at(1)), DropModelAlias(ref=M, alias="champion")):
        with pytest.raises(Conflict, match=r"endpoint default\.e"):
            registry.do(command)
    registry.do(DropModel(ref=M.at(2)))
    registry.add(3.0)
    assert registry.models.resolve(M).version == 3  # a number is not given twice
    assert "and 1 endpoint" in registry.do(DropModel(ref=M, cascade=True)).message
    assert "endpoint.dropped" in [event.kind for event in registry.events]
    assert registry.do(DropModel(ref=M, if_exists=True)).message == "there is no model default.m"
    with pytest.raises(NotFound):
        registry.do(DropModel(ref=M))
    registry.add(1.0)
    assert registry.models.resolve(M).version == 1


def test_the_registry_survives_a_restart(registry: Registry) -> None:
    registry.add(4.0, alias="champion")
    registry.catalog.close()
    registry.catalog = Catalog.open(fresh_home(registry.folder / "home"))
    models = Models(catalog=registry.catalog, artifacts=registry.store, bus=Bus())
    assert models.predictor(M.at("champion")).run([[1.0], [2.0]], 1).prediction.tolist() == [12.0]


def test_bytes_that_are_gone_are_an_error_with_a_hint(registry: Registry) -> None:
    registry.add(4.0)
    registry.store.delete(registry.models.resolve(M).digest)
    with pytest.raises(SystemError, match="artifact store"):
        registry.models.predictor(M)
