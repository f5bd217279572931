"""Collections over real rows, with LanceDB and with models that ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fresh_home import fresh_home
from onnx_models import text_embedding

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Invalid, MlboxError, NotFound
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.catalog.tables import dropped
from mlbox.engine.search import store
from mlbox.sql.session import Session

TEXTS = {
    1: ("the cat sat on the mat", "en"),
    2: ("a dog chased the cat", "en"),
    3: ("stocks fell on monday", "en"),
    4: ('it\'s raining: "really"', "de"),
}


class Searching:
    """A house in a folder, and a session in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open()

    def open(self) -> None:
        self.house = House.open(fresh_home(self.folder / "home"), Settings())
        self.session = Session(self.house.catalog, self.house.dispatcher, Caller(), base_folder=str(self.folder))

    def again(self) -> None:
        self.house.close()
        self.open()

    def run(self, text: str, parameters: Any = None) -> Any:
        *_, last = self.session.run(text, parameters)
        return last.result

    def rows(self, text: str, parameters: Any = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run(text, parameters).table.to_pylist()
        return found

    def tables(self) -> int:
        return len(list((self.folder / "home/vectors").glob("*.lance")))


@pytest.fixture
def searching(tmp_path: Path) -> Iterator[Searching]:
    made = Searching(tmp_path)
    made.run("CREATE TABLE t (id INTEGER, body VARCHAR, lang VARCHAR, written TIMESTAMPTZ)")
    for key, (body, lang) in TEXTS.items():
        made.run("INSERT INTO t VALUES (?, ?, ?, '2026-01-02 03:04:05+00')", [key, body, lang])
    yield made
    made.house.close()


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def words_model(folder: Path, width: int = 4) -> None:
    """A model that takes a text and gives a vector."""
    texts = [*(body for body, _ in TEXTS.values()), "kittens and puppies play", "the market rose on friday"]
    (folder / "words.onnx").write_bytes(text_embedding(texts, width))


def tokens_model(folder: Path) -> np.ndarray:
    """A model that takes tokens and gives a vector for each: the rows of a table, which is returned."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "cat", "dog", "stocks", "monday"]
    table = np.random.default_rng(0).normal(size=(len(words), 5)).astype(np.float32)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "l"]) for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["n", "l", 5])
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["looked_up"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["looked_up", "wide"], ["last_hidden_state"]),
    ]
    constants = [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([2]), "last")]
    graph = helper.make_graph(nodes, "tokens", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    (folder / "tokens.onnx").write_bytes(model.SerializeToString())
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return table


def test_texts_are_found_by_their_words(searching: Searching) -> None:
    made = searching.run("CREATE COLLECTION notes KEY (id) TEXT body AS SELECT * FROM t")
    assert made.message == "created collection default.notes: 4 documents"
    found = searching.rows("FROM ml.search('notes', 'cats')")  # stemmed
    assert sorted(ids(found)) == [1, 2]
    assert list(found[0]) == ["id", "body", "lang", "written", "part", "score"]
    assert found[0]["written"].isoformat() == "2026-01-02T03:04:05+00:00" and found[0]["score"] > 0
    assert searching.rows("FROM ml.search('notes', 'nothing of it')") == []
    assert [row["body"] for row in searching.rows("FROM ml.search('notes', 'raining')")] == [TEXTS[4][0]]


def test_a_filter_holds_before_the_search_and_k_after_it(searching: Searching) -> None:
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body AS SELECT * FROM t")
    assert ids(searching.rows("FROM ml.search('notes', 'cat', filter := 'id > 1 AND lang = ''en''')")) == [2]
    assert ids(searching.rows("FROM ml.search('notes', 'cat', filter := 'body LIKE ''%mat''')")) == [1]
    assert len(searching.rows("FROM ml.search('notes', 'cat', 1)")) == 1
    with pytest.raises(Invalid, match="No field named lng") as told:
        searching.rows("FROM ml.search('notes', 'cat', filter := 'lng = 1')")
    assert told.value.hint == "filter takes a condition over the collection's columns: id, lang, written"


def test_a_search_is_a_relation_like_any_other(searching: Searching) -> None:
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body AS SELECT id, body FROM t")
    found = searching.rows(
        "WITH near AS (FROM ml.search('notes', $1)) SELECT id, t.lang FROM near JOIN t USING (id) ORDER BY id", ["cat"]
    )
    assert found == [{"id": 1, "lang": "en"}, {"id": 2, "lang": "en"}]


@pytest.mark.parametrize("metric", ["COSINE", "L2", "DOT"])
def test_vectors_come_in_the_order_that_numpy_gives(searching: Searching, metric: str) -> None:
    rng = np.random.default_rng(3)
    rows, asked = rng.normal(size=(200, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    searching.run("CREATE TABLE v (id INTEGER, e FLOAT[6])")
    searching.run("INSERT INTO v SELECT unnest(?), unnest(?)", [list(range(200)), rows.tolist()])
    searching.run(f"CREATE COLLECTION near KEY (id) VECTOR e METRIC {metric} AS SELECT * FROM v")
    scores = {
        "COSINE": rows @ asked / np.linalg.norm(rows, axis=1) / np.linalg.norm(asked),
        "DOT": rows @ asked,
        "L2": -((rows - asked) ** 2).sum(axis=1),
    }[metric]
    found = searching.rows("FROM ml.search('near', $1, 20)", [asked.tolist()])
    assert ids(found) == np.argsort(-scores)[:20].tolist()
    assert [row["score"] for row in found] == pytest.approx(sorted(scores, reverse=True)[:20], rel=1e-4)
    assert list(found[0]) == ["id", "part", "score"]


def test_a_model_makes_vectors_of_texts(searching: Searching) -> None:
    words_model(searching.folder)
    searching.run("CREATE MODEL words FROM 'words.onnx'")
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH MODEL words AS SELECT * FROM t")
    near = searching.rows("FROM ml.search('notes', 'the cat', mode := 'vector')")
    vectors = {
        row["id"]: np.array(row["v"]) for row in searching.rows("SELECT id, ml.embed('notes', body) AS v FROM t")
    }
    asked = np.array(searching.rows("SELECT ml.embed('notes', 'the cat') AS v")[0]["v"])
    scores = {
        key: vector @ asked / np.linalg.norm(vector) / np.linalg.norm(asked)
        for key, vector in vectors.items()
        if np.linalg.norm(vector) > 1e-6
    }
    assert ids(near)[:3] == sorted(scores, key=lambda key: -scores[key])[:3]
    both = searching.rows("FROM ml.search('notes', 'the cat')")
    assert set(ids(both)[:2]) == {1, 2} and both[0]["score"] < 0.1  # of ranks, not of angles
    assert searching.rows("SELECT ml.embed('notes', NULL) AS v") == [{"v": None}]


def test_a_model_that_takes_tokens_gives_the_mean_of_their_vectors(searching: Searching) -> None:
    table = tokens_model(searching.folder)
    searching.run("CREATE MODEL tokens FROM 'tokens.onnx'")
    searching.run(
        "CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH MODEL tokens TOKENIZER 'tokenizer.json' "
        "AS SELECT id, body FROM (VALUES (1, 'cat dog'), (2, 'stocks monday monday'), (3, 'cat')) AS x(id, body)"
    )
    (searching.folder / "tokenizer.json").unlink()  # its content was kept
    searching.again()
    mean = (table[4] + 2 * table[5]) / 3
    found = searching.rows("SELECT ml.embed('notes', 'stocks monday monday') AS v")[0]["v"]
    assert found == pytest.approx((mean / np.linalg.norm(mean)).tolist(), rel=1e-5)
    assert ids(searching.rows("FROM ml.search('notes', 'cat', 1, mode := 'vector')")) == [3]
    with pytest.raises(MlboxError, match="and no number for each row"):
        searching.run("SELECT ml.predict('tokens', t) FROM t")


def test_a_text_is_searched_in_pieces(searching: Searching) -> None:
    (searching.folder / "long.md").write_text("Cats are small.\n\n" + "Filler. " * 40 + "\n\nDogs are loud.")
    made = searching.run(
        "CREATE COLLECTION manual KEY (filename) TEXT content SPLIT (size = 80, overlap = 0) "
        f"AS SELECT parse_filename(filename) AS filename, content FROM read_text('{searching.folder}/*.md')"
    )
    assert made.message.startswith("created collection default.manual: 1 document in ")
    (found,) = searching.rows("FROM ml.search('manual', 'dog')")
    assert found["content"].endswith("Dogs are loud.") and found["part"] > 2
    assert searching.rows("SELECT documents, rows > 3 AS many FROM ml.collections") == [{"documents": 1, "many": True}]


def test_a_refresh_touches_only_what_has_changed(searching: Searching) -> None:
    words_model(searching.folder)
    searching.run("CREATE MODEL words FROM 'words.onnx'")
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH MODEL words AS SELECT id, body FROM t")
    searching.run("DELETE FROM t WHERE id = 1; UPDATE t SET body = 'a bird' WHERE id = 2")
    searching.run("INSERT INTO t VALUES (9, 'another cat', 'en', NULL)")
    done = searching.run("REFRESH COLLECTION notes")
    assert done.message == "refreshed collection default.notes: 4 documents, 2 new or changed, 1 removed"
    assert ids(searching.rows("FROM ml.search('notes', 'cat', mode := 'text')")) == [9]
    assert searching.run("REFRESH COLLECTION notes").facts == {"rows": 4, "changed": 0, "removed": 0}
    searching.again()
    assert ids(searching.rows("FROM ml.search('notes', 'bird', mode := 'text')")) == [2]


def test_another_version_of_the_model_makes_all_vectors_anew(searching: Searching) -> None:
    words_model(searching.folder)
    searching.run("CREATE MODEL words FROM 'words.onnx' ALIAS best")
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH MODEL words@best AS SELECT id, body FROM t")
    words_model(searching.folder, width=3)
    searching.run("CREATE MODEL words FROM 'words.onnx' ALIAS best")
    done = searching.run("REFRESH COLLECTION notes")
    assert done.facts["changed"] == 4 and searching.tables() == 1
    (row,) = searching.rows("SELECT dimensions, embedder FROM ml.collections")
    assert row == {"dimensions": 3, "embedder": "model default.words@2"}


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("CREATE COLLECTION x KEY (idd) TEXT body AS SELECT * FROM t", "has no column 'idd'"),
        ("CREATE COLLECTION x KEY (lang) TEXT body AS SELECT * FROM t", "two rows have the key en"),
        ("CREATE COLLECTION x KEY (id) TEXT id AS SELECT * FROM t", "TEXT id is INTEGER, not VARCHAR"),
        ("CREATE COLLECTION x KEY (id) AS SELECT * FROM t", "a collection has a text, vectors, or both"),
        ("CREATE COLLECTION x KEY (id) VECTOR v AS SELECT id, [1.0, 2] AS v FROM t", r"not FLOAT\[n\]"),
        (
            "CREATE COLLECTION x KEY (id) VECTOR v AS SELECT id, [1, 'nan'::FLOAT]::FLOAT[2] v FROM t",
            "2 finite numbers",
        ),
        ("CREATE COLLECTION x KEY (id) TEXT body EMBED WITH MODEL nope AS SELECT * FROM t", "no model default.nope"),
        ("CREATE COLLECTION x KEY (id) TEXT body AS SELECT id, body, 1 AS score FROM t", "a column 'score' of its own"),
        ("CREATE COLLECTION x KEY (id) TEXT body AS SELECT nope FROM t", "nope"),
        ("REFRESH COLLECTION x", "there is no collection default.x"),
    ],
)
def test_what_does_not_fit_is_told_and_leaves_nothing(searching: Searching, statement: str, told: str) -> None:
    with pytest.raises(MlboxError, match=told):
        searching.run(statement)
    assert searching.rows("FROM ml.collections") == [] and searching.tables() == 0


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("'v', 'a text'", "holds vectors only"),
        ("'v', [1, 2]", "the vector has 2 numbers, those of default.v have 3"),
        ("'w', [1, 2, 3]", "has no vectors"),
        ("'w', 'a', mode := 'hybrid'", "no model that makes a vector"),
        ("'w', 'a', mode := 'hybird'", "there is no mode 'hybird'"),
        ("'w', 'a', 0", "1 to 10,000 rows, not 0"),
        ("'ww', 'a'", "there is no collection default.ww"),
    ],
)
def test_a_question_that_cannot_be_answered_is_told(searching: Searching, query: str, told: str) -> None:
    searching.run("CREATE COLLECTION v KEY (id) VECTOR e AS SELECT id, [id, 2, 3]::FLOAT[3] AS e FROM t")
    searching.run("CREATE COLLECTION w KEY (id) TEXT body AS SELECT id, body FROM t")
    with pytest.raises(MlboxError, match=told):
        searching.rows(f"FROM ml.search({query})")


def test_replace_and_drop_leave_no_files(searching: Searching) -> None:
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body AS SELECT id, body FROM t")
    with pytest.raises(MlboxError, match="exists already"):
        searching.run("CREATE COLLECTION notes KEY (id) TEXT body AS SELECT id, body FROM t")
    searching.run("CREATE OR REPLACE COLLECTION Notes KEY (id) TEXT lang AS SELECT id, lang FROM t")
    assert searching.tables() == 1 and ids(searching.rows("FROM ml.search('notes', 'de')")) == [4]
    searching.run("DROP COLLECTION notes")
    assert searching.tables() == 1  # for RESTORE
    with searching.house.catalog.read() as cursor:
        (found,) = dropped.of_kind(cursor, "collection")
    searching.house.restoring.for_good(found)
    assert searching.tables() == 0
    with pytest.raises(NotFound):
        searching.run("DROP COLLECTION notes")
    assert searching.run("DROP COLLECTION IF EXISTS notes").message == "there is no collection default.notes"


def test_what_an_interrupted_refresh_has_written_is_not_seen(searching: Searching) -> None:
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body AS SELECT id, body FROM t")
    state = searching.house.collections.state(Ref("default", "notes"))
    half = searching.house.collections.store.writer(state.row.id, state.row.table_version)
    half.remove(["1"])
    searching.again()  # as after a kill: the catalog names the version before
    assert sorted(ids(searching.rows("FROM ml.search('notes', 'cat')"))) == [1, 2]
    searching.run("UPDATE t SET body = 'a cat too' WHERE id = 3")
    searching.run("REFRESH COLLECTION notes")
    assert sorted(ids(searching.rows("FROM ml.search('notes', 'cat')"))) == [1, 2, 3]


def test_tables_that_no_collection_has_go_at_the_next_start(searching: Searching) -> None:
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body AS SELECT id, body FROM t")
    (searching.folder / "home/vectors/leftover.lance").mkdir()
    searching.again()
    assert searching.tables() == 1


def test_lineage_names_table_and_model(searching: Searching) -> None:
    words_model(searching.folder)
    searching.run("CREATE MODEL words FROM 'words.onnx'")
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH MODEL words AS SELECT id, body FROM t")
    found = searching.rows("SELECT from_kind, from_ref FROM ml.lineage WHERE to_kind = 'collection' ORDER BY ALL")
    assert found == [
        {"from_kind": "model", "from_ref": "default.words@1"},
        {"from_kind": "table", "from_ref": "default.t"},
    ]


def test_the_key_may_have_several_columns(searching: Searching) -> None:
    searching.run("CREATE COLLECTION notes KEY (lang, id) TEXT body AS SELECT * FROM t")
    assert searching.rows("SELECT rows FROM ml.collections") == [{"rows": 4}]
    searching.run("DELETE FROM t WHERE lang = 'de'")
    assert searching.run("REFRESH COLLECTION notes").facts["removed"] == 1
    assert searching.rows("FROM ml.search('notes', 'raining')") == []


def test_an_entity_goes_with_its_documents_and_their_files(searching: Searching) -> None:
    run, rows = searching.run, searching.rows
    run(
        "CREATE TABLE mails AS SELECT i AS id, i % 3 AS client, TIMESTAMP '2026-01-01' AS ts, "
        "'secret' || i % 3 || ' of mail ' || i AS body FROM range(30) r(i)"
    )
    run("CREATE FEATURE SET people (ENTITY client, TIMESTAMP ts) AS SELECT client, ts, id FROM mails")
    run("CREATE COLLECTION letters KEY (id) TEXT body AS SELECT id, client, body FROM mails")
    run(
        "CREATE COLLECTION near KEY (client) VECTOR v AS SELECT DISTINCT client, [client, 1]::FLOAT[2] AS v FROM people"
    )
    run("CREATE COLLECTION plain KEY (id) TEXT body AS SELECT id, body FROM mails")
    steps = rows("EXPLAIN DELETE ENTITY (client = 1) FROM PROJECT default")
    told = [value for step in steps for value in step.values()]
    assert "collection default.letters" in told and "collection default.plain" not in told
    done = run("DELETE ENTITY (client = 1) FROM FEATURE SET people")  # which one collection reads
    assert done.facts["documents"] == 1
    assert sorted(row["client"] for row in rows("FROM ml.search('near', '[1, 1]', 9)")) == [0, 2]
    done = run("DELETE ENTITY (CLIENT = '1') FROM PROJECT default")
    assert done.facts["documents"] == 10 and "10 documents of 2 collections" in done.message
    assert rows("FROM ml.search('letters', 'secret1')") == []
    assert len(rows("FROM ml.search('letters', 'secret2', 99)")) == 10
    assert rows("SELECT name, documents FROM ml.collections ORDER BY name") == [
        {"name": "letters", "documents": 20},
        {"name": "near", "documents": 2},
        {"name": "plain", "documents": 30},
    ]
    assert rows("SELECT documents FROM ml.erasures ORDER BY requested_at") == [{"documents": 1}, {"documents": 10}]
    run("DROP COLLECTION plain")  # which does not name the client, and is kept for RESTORE a while
    aged = "UPDATE catalog.main.dropped SET dropped_at = dropped_at - INTERVAL 400 DAY"
    searching.house.catalog.write(lambda cursor: cursor.execute(aged) and None)
    assert run("COLLECT GARBAGE").facts["collected"] == 1
    left = b"".join(path.read_bytes() for path in (searching.folder / "home/vectors").rglob("*") if path.is_file())
    assert b"secret2" in left and b"secret1" not in left
    searching.again()
    assert len(rows("FROM ml.search('letters', 'secret0', 99)")) == 10
    run("CREATE COLLECTION alone KEY (id) TEXT body AS SELECT id, body, 'x' AS mailbox FROM mails")
    assert run("DELETE ENTITY (mailbox = 'x') FROM PROJECT default").facts["documents"] == 30  # no set has it


def test_what_makes_vectors_is_not_dropped_under_them(searching: Searching) -> None:
    words_model(searching.folder)
    run = searching.run
    run("CREATE MODEL words FROM 'words.onnx' ALIAS best")
    run("CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH MODEL words@best AS SELECT id, body FROM t")
    words_model(searching.folder, width=3)
    run("CREATE MODEL words FROM 'words.onnx'")
    for text in ("DROP MODEL words", "EXPLAIN DROP MODEL words@1", "ALTER MODEL words DROP ALIAS best"):
        with pytest.raises(Conflict, match="makes the vectors of collection default.notes"):
            run(text)
    assert "dropped model" in run("DROP MODEL words@2").message  # of which nothing is made
    run("DROP MODEL words CASCADE")
    assert ids(searching.rows("FROM ml.search('notes', 'raining', mode := 'text')")) == [4]
    with pytest.raises(NotFound, match="words"):
        run("FROM ml.search('notes', 'raining')")
    run("RESTORE MODEL words")
    assert len(searching.rows("FROM ml.search('notes', 'the cat', 1, mode := 'vector')")) == 1


CODE = """
import zlib

class Hashed:
    def load(self): self.loaded = True
    def predict(self, inputs):
        return [[float(zlib.crc32(word.encode()) %% n == 0) + 0.01 for n in range(2, 2 + %d)
                 for word in text.split()[:1]] for text in inputs["text"]]

def first(text):
    return [float(len(text)), 1.0]

def broken(text):
    return "a" if "cat" in text else [1.0]
"""


def test_a_function_makes_vectors_of_texts(searching: Searching) -> None:
    (searching.folder / "embedding.py").write_text(CODE % 4)
    searching.run("CREATE FUNCTION hashed FROM 'embedding.py' HANDLER Hashed")
    processes = searching.house.endpoints.pools.processes
    searching.run("EXPLAIN CREATE COLLECTION c KEY (id) TEXT body EMBED WITH FUNCTION hashed AS SELECT id, body FROM t")
    assert processes() == {}  # a plan starts nothing
    searching.run("CREATE FUNCTION sizes FROM 'embedding.py' HANDLER first")
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH FUNCTION hashed AS SELECT id, body FROM t")
    searching.run(
        "CREATE COLLECTION lengths KEY (id) TEXT body METRIC L2 EMBED WITH FUNCTION sizes AS SELECT id, body FROM t"
    )
    near = searching.rows("FROM ml.search('lengths', 'xxxxxxxxxxxxxxxxxxxxxx', 2, mode := 'vector')")
    by_length = sorted(TEXTS, key=lambda key: abs(len(TEXTS[key][0]) - 22))
    assert ids(near) == by_length[:2]
    assert searching.rows("SELECT ml.embed('lengths', 'abc') AS v") == [{"v": [3.0, 1.0]}]
    started = processes()
    assert len(searching.rows("SELECT ml.embed('notes', 'abc') AS v")[0]["v"]) == 4
    assert len(started) == 2 and processes() == started  # the next question does not load the code again
    (searching.folder / "embedding.py").write_text(CODE % 6)
    searching.run("CREATE OR REPLACE FUNCTION hashed FROM 'embedding.py' HANDLER Hashed")
    assert searching.run("REFRESH COLLECTION notes").facts["changed"] == 4
    assert searching.rows("SELECT dimensions, embedder FROM ml.collections WHERE name = 'notes'") == [
        {"dimensions": 6, "embedder": "function default.hashed@2"}
    ]
    with pytest.raises(Conflict, match="makes the vectors of collection default.lengths"):
        searching.run("DROP FUNCTION sizes")
    searching.run("DROP FUNCTION hashed@1")  # notes is made by the latest version
    searching.run("CREATE FUNCTION broken FROM 'embedding.py' HANDLER broken")
    with pytest.raises(MlboxError, match=r"function default\.broken@1: output"):
        searching.run("CREATE COLLECTION bad KEY (id) TEXT body EMBED WITH FUNCTION broken AS SELECT id, body FROM t")
    assert searching.tables() == 2


def test_a_step_of_an_endpoint_searches(searching: Searching) -> None:
    searching.run("CREATE COLLECTION notes KEY (id) TEXT body AS SELECT * FROM t")
    graph = "steps:\n  - {name: near, kind: search, collection: %s, field: question, k: 1, filter: 'id > 1'}\n"
    (searching.folder / "graph.yaml").write_text(graph % "notes")
    searching.run("CREATE ENDPOINT answers USING GRAPH 'graph.yaml'")
    searching.run("CREATE TABLE asked AS SELECT 'a cat?' AS question")
    (row,) = searching.rows("SELECT ml.ask('answers', a) AS told FROM asked a")
    assert "a dog chased the cat" in str(row) and "on the mat" not in str(row)
    (searching.folder / "graph.yaml").write_text(graph % "nots")
    with pytest.raises(MlboxError, match=r"there is no collection default\.nots"):
        searching.run("CREATE ENDPOINT other USING GRAPH 'graph.yaml'")


def test_a_hybrid_search_is_the_fusion_of_both_lists(searching: Searching) -> None:
    """By reciprocal ranks (Cormack and others, 2009), k = 60; with a filter before both."""
    words_model(searching.folder)
    searching.run(
        "INSERT INTO t SELECT i, ['the cat', 'a dog', 'stocks on monday', 'a mat'][1 + i % 4] || ' ' || i, 'en', NULL "
        "FROM range(10, 40) r(i); CREATE MODEL words FROM 'words.onnx';"
        "CREATE COLLECTION notes KEY (id) TEXT body EMBED WITH MODEL words AS SELECT * FROM t"
    )
    for more in ("", ", filter := 'id > 12'"):
        fused: dict[int, float] = {}
        for mode in ("text", "vector"):
            for rank, key in enumerate(
                ids(searching.rows(f"FROM ml.search('notes', 'the cat', 40, mode := '{mode}'{more})"))
            ):
                fused[key] = fused.get(key, 0.0) + 1 / (60 + rank)
        found = searching.rows(f"FROM ml.search('notes', 'the cat', 40, mode := 'hybrid'{more})")
        assert {row["id"]: row["score"] for row in found} == pytest.approx(fused, rel=0.02)
        assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)
        assert found == searching.rows(f"FROM ml.search('notes', 'the cat', 40{more})")  # what a text asks for


def test_an_index_of_vectors_finds_nearly_what_a_scan_finds(
    searching: Searching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "INDEX_FROM", 2000)
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(4000, 16)).astype(np.float32)
    searching.run("CREATE TABLE v (id INTEGER, grp INTEGER, e FLOAT[16])")
    searching.run(
        "INSERT INTO v SELECT i, i % 2, e FROM (SELECT unnest(range(4000)) AS i, unnest(?) AS e)", [rows.tolist()]
    )
    searching.run("CREATE COLLECTION near KEY (id) VECTOR e METRIC L2 AS SELECT * FROM v")
    assert searching.rows("SELECT indexed FROM ml.collections") == [{"indexed": True}]
    hits = 0
    for asked in rng.normal(size=(10, 16)).astype(np.float32):
        best = np.argsort(((rows - asked) ** 2).sum(axis=1))
        best = [int(key) for key in best if key % 2 == 1][:10]
        found = ids(searching.rows("FROM ml.search('near', $1, 10, filter := 'grp = 1')", [asked.tolist()]))
        assert len(found) == 10 and all(key % 2 == 1 for key in found)
        hits += len(set(found) & set(best))
    assert hits >= 60
