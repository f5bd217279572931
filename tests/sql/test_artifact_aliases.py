"""Aliases and labels of versions of artifacts, wherever a version is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from everything import Everything, opened

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.settings import Settings


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    with opened(tmp_path_factory.mktemp("aliases"), Settings(gc_runs_days=1)) as made:
        yield made


def log(shop: Everything, name: str, *texts: str, run: str = "fit") -> None:
    path: Path = shop.folder / "logged.txt"
    for text in texts:
        path.write_text(text)
        shop.run(f"LOG ARTIFACT '{name}' FROM $1 RUN {run}", [str(path)])


def marks(shop: Everything, name: str) -> list[tuple[int, list[str], str]]:
    rows = shop.rows(
        f"SELECT version, aliases, labels::JSON::VARCHAR AS labels FROM ml.artifacts WHERE name = '{name}' ORDER BY id"
    )
    return [(row["version"], row["aliases"], row["labels"]) for row in rows]


def test_aliases_move_and_go(shop: Everything) -> None:
    log(shop, "reports/a", "1", "2", "3")
    shop.run("ALTER ARTIFACT 'reports/a' SET ALIAS stable = 2")
    shop.run("ALTER ARTIFACT 'Reports/A' SET ALIAS Live TO VERSION stable")
    assert marks(shop, "reports/a") == [(1, [], "{}"), (2, ["live", "stable"], "{}"), (3, [], "{}")]
    done = shop.run("ALTER ARTIFACT 'reports/a' SET ALIAS stable = latest")
    assert done.facts == {"version": 3}
    shop.run("ALTER ARTIFACT 'reports/a' DROP ALIAS live")
    assert [found for _, found, _ in marks(shop, "reports/a")] == [[], [], ["stable"]]
    shown = shop.rows("DESCRIBE ARTIFACT 'reports/a'@stable")
    assert {row["property"]: row["value"] for row in shown}["version"] == "3"
    mine = "name = 'reports/a' AND list_contains(aliases, 'stable')"
    assert [row["version"] for row in shop.rows(f"SHOW ARTIFACTS WHERE {mine}")] == [3]


def test_labels_are_of_a_version(shop: Everything) -> None:
    log(shop, "labelled", "1", "2")
    shop.run("ALTER ARTIFACT labelled SET ALIAS stable = 1")
    shop.run("ALTER ARTIFACT labelled@stable SET LABELS (stage = 'review', rounds = 2)")
    shop.run("ALTER ARTIFACT labelled SET LABELS (stage = 'draft')")
    shop.run("ALTER ARTIFACT labelled@1 DROP LABELS (rounds)")
    assert [found for _, _, found in marks(shop, "labelled")] == ['{"stage":"review"}', '{"stage":"draft"}']
    assert shop.rows("SELECT version FROM ml.artifacts WHERE name = 'labelled' AND labels.stage = 'review'") == [
        {"version": 1}
    ]


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("ALTER ARTIFACT nothere SET ALIAS a = 1", "no artifact 'nothere'", "known: "),
        ("ALTER ARTIFACT modle SET ALIAS a = 1", "no artifact 'modle'", "did you mean model?"),
        ("ALTER ARTIFACT model SET ALIAS a = 7", "artifact shop.model has no version 7", "versions: 1"),
        ("ALTER ARTIFACT model SET ALIAS latest = 1", "alias 'latest' has a meaning already", "the newest one"),
        ("ALTER ARTIFACT model DROP ALIAS nope", "has no alias 'nope'", ""),
        ("ALTER ARTIFACT model DROP LABELS (stage)", "shop.model@1 has no label 'stage'", ""),
        ("DROP ARTIFACT model@stabel", "no version or alias 'stabel'", "did you mean stable?"),
        ("DESCRIBE ARTIFACT model@nope", "there is no artifact shop.model@nope", ""),
    ],
)
def test_what_is_not_there_is_told(shop: Everything, text: str, told: str, hint: str) -> None:
    shop.run("ALTER ARTIFACT model SET ALIAS stable = 1")
    with pytest.raises((Invalid, NotFound), match=told) as caught:
        shop.run(text)
    assert hint in (caught.value.hint or "")


def test_a_dropped_version_takes_its_alias_along_and_its_number_is_not_given_again(shop: Everything) -> None:
    log(shop, "gone", "1", "2")
    shop.run("ALTER ARTIFACT gone SET ALIAS stable = 2; ALTER ARTIFACT gone@2 SET LABELS (stage = 'x')")
    (step,) = shop.rows("EXPLAIN DROP ARTIFACT gone@2")
    assert step["detail"] == "as 1 run logged it; its alias stable goes along"
    assert "alias" not in shop.rows("EXPLAIN DROP ARTIFACT gone@1")[0]["detail"]
    shop.run("DROP ARTIFACT gone@stable")
    log(shop, "gone", "3")
    assert marks(shop, "gone") == [(1, [], "{}"), (3, [], "{}")]
    with pytest.raises(NotFound, match="no version or alias 'stable'"):
        shop.run("DROP ARTIFACT gone@stable")
    shop.run("ALTER ARTIFACT gone SET ALIAS other = 1; RESTORE ARTIFACT gone@stable")
    assert sorted(marks(shop, "gone")) == [(1, ["other"], "{}"), (2, ["stable"], '{"stage":"x"}'), (3, [], "{}")]
    shop.run("DROP ARTIFACT gone@2; ALTER ARTIFACT gone SET ALIAS stable = 3; RESTORE ARTIFACT gone@2")
    assert [found for _, found, _ in sorted(marks(shop, "gone"))] == [["other"], [], ["stable"]]  # it was moved since


def test_a_version_that_another_run_has_too_keeps_its_alias(shop: Everything) -> None:
    shop.run("CREATE FUNCTION plain FROM 'train.py'; RUN plain AS two")
    log(shop, "shared", "same")
    log(shop, "shared", "same", run="two")
    shop.run("ALTER ARTIFACT shared SET ALIAS stable = 1; DROP ARTIFACT shared OF two")
    assert marks(shop, "shared") == [(1, ["stable"], "{}")]
    shop.run("DROP ARTIFACT shared")
    assert shop.rows("SELECT * FROM catalog.main.artifact_aliases WHERE name = 'shared'") == []


def test_old_runs_stay_while_an_alias_points_at_what_they_logged(shop: Everything) -> None:
    shop.run("CREATE FUNCTION plain FROM 'train.py'; RUN plain AS kept; RUN plain AS old")
    log(shop, "kept_note", "1", run="kept")
    log(shop, "old_note", "1", run="old")
    shop.run("ALTER ARTIFACT kept_note SET ALIAS stable = 1")
    shop.house.catalog.write(
        lambda cursor: cursor.execute(
            "UPDATE catalog.main.runs SET finished_at = finished_at - INTERVAL 3 DAYS, "
            "created_at = created_at - INTERVAL 3 DAYS WHERE name IN ('kept', 'old')"
        )
    )
    shop.run("COLLECT GARBAGE")
    assert [row["name"] for row in shop.rows("SELECT name FROM ml.runs WHERE name IN ('kept', 'old')")] == ["kept"]
    shop.run("DROP RUN kept")
    with pytest.raises(NotFound, match="or its run was dropped|no version or alias|has no artifact"):
        shop.run("DROP ARTIFACT kept_note@stable")
    shop.run("RESTORE RUN kept")
    assert marks(shop, "kept_note") == [(1, ["stable"], "{}")]


def test_lineage_of_an_artifact_of_no_run(shop: Everything) -> None:
    shop.run("CREATE DATASET training AS SELECT * FROM tx; ALTER ARTIFACT training SET ALIAS stable = 1")
    found = shop.rows("SHOW LINEAGE OF ARTIFACT training@stable")
    assert [(row["kind"], row["ref"]) for row in found] == [("table", "shop.tx")]
