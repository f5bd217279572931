"""Ids, names, errors, settings, hints."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbox.base import errors
from mlbox.base.errors import Invalid, MlboxError, NotFound, Where
from mlbox.base.events import Bus, Event
from mlbox.base.ids import is_id, new_id
from mlbox.base.names import RESERVED_PROJECTS, check_name, check_project, literal, quote
from mlbox.base.registry import Registry
from mlbox.base.settings import load
from mlbox.base.suggest import did_you_mean


def test_ids_are_uuid7_and_in_order_of_time() -> None:
    """From many threads none twice; from one strictly increasing."""
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: new_id(), range(4000)))
    assert len(set(found)) == 4000
    one = [new_id() for _ in range(1000)]
    assert one == sorted(one)
    assert all(len(item) == 32 and item[12] == "7" and item[16] in "89ab" and is_id(item) for item in one)


@given(st.text(), st.integers(min_value=0, max_value=60))
def test_a_place_is_where_it_says(text: str, offset: int) -> None:
    """Line and column lead back to the character."""
    where = Where.at(text, offset)
    lines = text.split("\n")
    assert sum(len(line) + 1 for line in lines[: where.line - 1]) + where.column - 1 == min(offset, len(text))
    assert where.text == lines[where.line - 1]


def test_every_error_survives_the_wire() -> None:
    """What the server raises is what its client raises."""

    def all_kinds(kind: type[MlboxError]) -> list[type[MlboxError]]:
        return [kind, *(found for child in kind.__subclasses__() for found in all_kinds(child))]

    kinds = all_kinds(MlboxError)
    assert len({kind.code for kind in kinds}) == len(kinds)
    for kind in kinds:
        told = kind("message", hint="hint", where=Where(1, 2, 1, "ab"), details={"run_id": "x"})
        back = errors.from_dict(told.to_dict())
        assert type(back) is kind
        assert back.to_dict() == told.to_dict()
        assert kind.exit_status == (1 if kind.http_status < 500 or kind is errors.NotExecuted else 2)


def test_settings_remember_where_they_come_from(tmp_path: Path) -> None:
    """Default, file, environment, flag; the later wins."""
    file = tmp_path / "mlbox.toml"
    file.write_text("port = 1\nrun_slots = 5\nresult_rows = 7\n")
    settings, provenance = load(file, {"MLBOX_PORT": "2", "MLBOX_RUN_SLOTS": "6"}, {"port": 3, "host": None})
    assert (settings.port, settings.run_slots, settings.result_rows, settings.host) == (3, 6, 7, "127.0.0.1")
    assert provenance["port"].source == "flag --port"
    assert provenance["run_slots"].source == "environment MLBOX_RUN_SLOTS"
    assert provenance["result_rows"].source == f"file {file}"
    assert provenance["host"].source == "default"


def test_wrong_settings_are_told(tmp_path: Path) -> None:
    """Unknown name, wrong type, broken file."""
    file = tmp_path / "mlbox.toml"
    file.write_text("prot = 1")
    with pytest.raises(Invalid) as caught:
        load(file, {})
    assert "did you mean port?" in (caught.value.hint or "")
    with pytest.raises(Invalid, match="is not a whole number"):
        load(None, {"MLBOX_PORT": "many"})
    file.write_text("port = = 1")
    with pytest.raises(Invalid, match="not valid TOML"):
        load(file, {})


@pytest.mark.parametrize("name", [*sorted(RESERVED_PROJECTS), "", "1a", "a-b", "a.b", "x" * 64, "A b"])
def test_project_names_that_are_refused(name: str) -> None:
    """Reserved and odd ones."""
    with pytest.raises(Invalid):
        check_project(name)


def test_names() -> None:
    """Quoted ones may be odd, but not dangerous."""
    assert check_project("Fraud_2") == "fraud_2"
    assert check_name("Odd Name") == "Odd Name"
    for wrong in ("a@b", "a/b", "", "x" * 64, "a\nb"):
        with pytest.raises(Invalid):
            check_name(wrong)
    assert quote('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"


def test_hints_are_made_from_facts() -> None:
    """Nearest, else the few known, else nothing."""
    assert did_you_mean("trian", ["train", "test"]) == "did you mean train?"
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", []) is None
    assert did_you_mean("zzz", [], kind="model") == "there is no model yet"


def test_registry() -> None:
    """A name is given once; a missing one is told with the nearest."""
    registry: Registry[int] = Registry("drift metric")
    registry.add("psi", 1)
    with pytest.raises(errors.AlreadyExists):
        registry.add("psi", 2)
    with pytest.raises(NotFound) as caught:
        registry.get("pis")
    assert caught.value.hint == "did you mean psi?"


def test_a_failing_listener_stops_nobody() -> None:
    """The bus tells the others and counts."""
    bus, heard = Bus(), []
    bus.listen(lambda event: 1 / 0)
    stop = bus.listen(lambda event: heard.append(event.kind))
    bus.publish(Event("run.started", "p", "r"))
    stop()
    bus.publish(Event("run.finished", "p", "r"))
    assert heard == ["run.started"]
    assert bus.failures == 2
