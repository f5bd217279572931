"""What the reference calls not executed yet is refused, clause by clause, and nothing else of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbox.base.command import Caller
from mlbox.base.errors import MlboxError
from mlbox.sql.grammar import REGISTRY
from mlbox.sql.session import Session

SET = "CREATE FEATURE SET a (ENTITY k, TIMESTAMP ts)"
TYPED = "CREATE FEATURE SET a (ENTITY k INT, TIMESTAMP ts, x INT)"
ROWS = "AS SELECT 'a' AS k, now() AS ts, 1 AS x"
ENDPOINT = "CREATE ENDPOINT e USING MODEL m"
EXAMPLES = {
    "CREATE FEATURE SET": {
        "TRANSFORM of pushed rows": f"{TYPED} FROM pushed TRANSFORM f",
        "ENGINE spark with FROM": f"{SET} ENGINE spark FROM s",
        "WITH (location) of windows over a stream": (
            "CREATE FEATURE SET f (ENTITY k INT, TIMESTAMP ts, x INT) AGGREGATE (sum(x) OVER (1 HOUR)) "
            "WITH (location = '/x')"
        ),
    },
    "CREATE FUNCTION": {
        "FROM 'hub://name'": "CREATE FUNCTION g FROM 'hub://x'",
    },
    "CREATE MODEL": {"OPTIONS (..) AS SELECT": "CREATE MODEL n OPTIONS (type = 'linear') AS SELECT 1"},
    "ALTER MODEL": {"SET other than comment": "ALTER MODEL m SET (a = 1)"},
    "ALTER ENDPOINT": {"SET other than comment": "ALTER ENDPOINT e SET (a = 1)"},
    "ALTER FEATURE SET": {
        "RENAME TO": "ALTER FEATURE SET spending RENAME TO y",
        "SET other than comment, owner and tags": "ALTER FEATURE SET spending SET (a = 1)",
    },
    "ALTER PROJECT": {"SET other than comment and owner": "ALTER PROJECT default SET (a = 1)"},
    "ALTER FUNCTION": {"SET other than comment": "ALTER FUNCTION f SET (a = 1)"},
    "ALTER WORKFLOW": {"SET other than comment and owner": "ALTER WORKFLOW w SET (comment = 'c', a = 1)"},
    "ALTER SCHEDULE": {"SET other than comment and owner": "ALTER SCHEDULE s SET (a = 1)"},
    "ALTER FEED": {"SET other than comment and owner": "ALTER FEED f SET (a = 1)"},
    "ALTER MONITOR": {"SET other than comment and owner": "ALTER MONITOR m SET (a = 1)"},
    "ALTER ALERT": {"SET other than comment and owner": "ALTER ALERT a SET (a = 1)"},
    "CREATE ALERT": {
        f"ON {kind}": f"CREATE ALERT a ON {kind} x WHEN auc > 1 THEN NOTIFY 'log:'"
        for kind in ("RUN", "ENDPOINT", "FEATURE SET")
    },
    "SHOW": {"HUB": "SHOW HUB"},
    "DESCRIBE": {"HUB FUNCTION": "DESCRIBE HUB FUNCTION x"},
}
REFUSALS = ("this version", "there is nothing to show called", "there is no kind ")


def test_every_clause_that_comes_later_is_refused(house: Any, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("def handler(ctx, lr=1): ...\n")
    session = Session(house.catalog, house.dispatcher, Caller(), base_folder=str(tmp_path))
    list(session.run("CREATE FUNCTION f FROM 'f.py'; CREATE SOURCE pushed TYPE http; CREATE SOURCE s AS SELECT 1 AS k"))
    assert {syntax.name: set(syntax.later) for _, syntax in REGISTRY if syntax.later} == {
        name: set(clauses) for name, clauses in EXAMPLES.items()
    }
    for clauses in EXAMPLES.values():
        for text in clauses.values():
            with pytest.raises(MlboxError) as caught:
                list(session.run(text))
            assert any(words in caught.value.message for words in REFUSALS), f"{text}: {caught.value.message}"
