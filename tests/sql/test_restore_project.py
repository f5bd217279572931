"""DROP and RESTORE of a project, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from everything import Everything

from mlbox.base.errors import Conflict, NotFound

APART = ("catalog.main.audit", "catalog.main.events", "catalog.main.secrets", "catalog.main.run_batches")
"""What is only added to, and what is not kept."""
ONLINE = "catalog.main.feature_sets"
"""Online the sets are made anew."""


def fingerprint(shop: Everything) -> dict[str, Any]:
    return {name: one for name, one in shop.fingerprint((*APART, ONLINE)).items() if not name.startswith("online/")}


def test_every_row_comes_back(everything: Everything) -> None:
    everything.run(
        "GRANT editor ON PROJECT shop TO 'ana'; SET SECRET key = 'k'; CREATE FUNCTION gone FROM 'train.py'; "
        "DROP FUNCTION gone; CREATE VIEW shop.looks AS SELECT * FROM shop.spending"
    )
    before, members = fingerprint(everything), everything.rows("SELECT * FROM ml.members")
    sets = "SELECT * EXCLUDE (online_until) FROM ml.feature_sets ORDER BY ALL"
    shown = everything.rows(sets)
    everything.run("USE PROJECT default; DROP PROJECT shop CASCADE")
    assert everything.rows("SELECT * FROM ml.members") == []
    assert [row["kind"] for row in everything.rows("SHOW DROPPED")] == ["project"]
    everything.run("CREATE PROJECT shop")
    with pytest.raises(Conflict, match="another project shop by now"):
        everything.run("RESTORE PROJECT shop")
    everything.run("DROP PROJECT shop PURGE; RESTORE PROJECT shop; USE PROJECT shop")
    after = fingerprint(everything)
    # what had been dropped in it before is gone for good
    differs = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert differs <= {'"catalog"."main"."dropped"'}
    assert everything.rows("SELECT * FROM ml.members") == members
    assert everything.rows(sets) == shown
    with pytest.raises(NotFound, match="no function"):
        everything.run("RESTORE FUNCTION gone")


def test_the_newest_of_a_name_is_meant(everything: Everything) -> None:
    """Each generation is kept by itself; what is purged is the one that is there."""
    everything.run("CREATE PROJECT twice; CREATE TABLE twice.t AS SELECT 1 AS x; DROP PROJECT twice CASCADE")
    everything.run("CREATE PROJECT twice; CREATE TABLE twice.t AS SELECT 2 AS x; DROP PROJECT twice CASCADE")
    everything.run("RESTORE PROJECT twice")
    assert everything.rows("SELECT x FROM twice.t") == [{"x": 2}]
    everything.run("DROP PROJECT twice CASCADE PURGE; RESTORE PROJECT twice")
    assert everything.rows("SELECT x FROM twice.t") == [{"x": 1}]
    everything.run("DROP PROJECT twice CASCADE; DROP PROJECT twice PURGE")
    with pytest.raises(NotFound, match="no project twice was dropped, or it is gone for good"):
        everything.run("RESTORE PROJECT twice")
    with pytest.raises(NotFound, match="there is no project 'twice'"):
        everything.run("DROP PROJECT twice PURGE")
