"""Statements drawn from the notation of the grammar, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from mlbox.sql.grammar import NOUNS, StatementSyntax, notation
from mlbox.sql.notation import AnyOrder, Choice, Maybe, Node, Repeat, Row, Sign, Slot, Text, Words

QUERIES = (
    "SELECT 1 AS x",
    "SELECT a, 'it''s; (fine' AS \"b;)\" FROM t WHERE a > 1",
    "FROM t",
    "WITH w AS (SELECT 1) SELECT * FROM w -- note ;\n WHERE true",
    "SELECT $$a;b$$, [x FOR x IN [1, 2]], {'k': 'ü'} FROM t",
    "VALUES (1), (2)",
)
EXPRESSIONS = (
    "x > 1",
    "a.b BETWEEN 1 AND 2",
    "name LIKE 'FOR %'",
    "CASE WHEN x THEN 1 ELSE 2 END = 1",
    "('ü' || \"n\") <> ''",
)
STATEMENTS = (
    "SELECT 1",
    "INSERT INTO t SELECT now(), ';'",
    "RUN f WITH (lr = 0.1) ASYNC",
    "REFRESH FEATURE SET s",
    "(SELECT 1) UNION (SELECT 2)",
    "DROP MODEL IF EXISTS m",
)
TYPES = ("DOUBLE", "BIGINT", "DECIMAL(18, 3)", "VARCHAR[]", "STRUCT(a INT, b VARCHAR[])", "TIMESTAMP WITH TIME ZONE")
INTERVALS = ("5 MINUTES", "INTERVAL '2 days'", "INTERVAL 90 SECONDS", "'1h'", "INTERVAL '1500 microseconds'", "7 DAYS")
TEXTS = {
    "zone": ("Europe/Berlin", "UTC"),
    "/path": ("/a", "/a/b"),
    "8GB": ("8GB", "512MiB", "0.5GB"),
    "url": ("https://x/y", "log:"),
    "time": ("2026-01-01", "2026-01-31 12:00:00", "2026-03-01 00:00:00+02:00"),
    "..": ("@daily", "*/5 * * * *"),
    "0 * * * *": ("0 * * * *", "@hourly"),
}
PLAIN_NAMES = ("a", "b2", "Train", "my_name", "champion", "größe", "source", "metric", "feature", "run", "model", "if")
ODD_NAMES = ('"odd name"', '"x;y"', '"q""q"', '"select"', '"entity"', '"日本"', '"timestamp"', '"workflow"')


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


texts = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\0"), max_size=8).map(literal)
names = st.sampled_from(PLAIN_NAMES + ODD_NAMES)
numbers = st.one_of(st.integers(0, 10**6).map(str), st.floats(0, 1e9, allow_nan=False).map(repr), st.just("100"))
_scalars = st.one_of(
    texts,
    st.integers(-(10**12), 10**12).map(str),
    st.floats(-1e12, 1e12, allow_nan=False).map(repr),
    st.sampled_from(
        ("TRUE", "false", "NULL", "bare", "a.b", "INTERVAL '3 hours'", "TIMESTAMP '2026-01-01'", "5 MINUTES")
    ),
)
values = st.recursive(
    _scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(("a", "b c", "d''e")), inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"'{key}': {item}" for key, item in items.items()) + "}"
        ),
    ),
    max_leaves=4,
)
SLOTS: dict[str, st.SearchStrategy[str]] = {
    "query": st.sampled_from(QUERIES),
    "condition": st.sampled_from(EXPRESSIONS),
    "expression": st.sampled_from(EXPRESSIONS),
    "statement": st.sampled_from(STATEMENTS),
    "type": st.sampled_from(TYPES),
    "interval": st.sampled_from(INTERVALS),
    "n": st.integers(1, 100).map(str),
    "number": numbers,
    "value": values,
    "version": st.sampled_from(("1", "42", "champion", '"next one"')),
    "kind": st.deferred(lambda: st.sampled_from(tuple(noun.kind.upper() for noun in NOUNS.values()))),
    "key": st.sampled_from(("owner", "a_key", '"odd key"', "'text'")),
    "hub": texts,
}


def piece(node: Node) -> st.SearchStrategy[str]:
    """Texts of a piece of the notation."""
    if isinstance(node, Words):
        return st.just(" ".join(node.keys))
    if isinstance(node, Sign):
        return st.just(node.text)
    if isinstance(node, Text):
        return st.sampled_from(TEXTS[node.example]).map(literal) if node.example in TEXTS else texts
    if isinstance(node, Slot):
        return SLOTS.get(node.name, names)
    if isinstance(node, Row):
        return st.tuples(*map(piece, node.items)).map(_joined)
    if isinstance(node, Choice):
        return st.one_of(*map(piece, node.items))
    if isinstance(node, Maybe):
        return st.one_of(st.just(""), piece(node.item))
    if isinstance(node, Repeat):
        return st.lists(piece(node.item), min_size=1, max_size=3).map(f" {node.separator} ".join)
    return st.permutations(node.items).flatmap(lambda items: piece(Row(tuple(items)))) if node.items else st.just("")


def _joined(parts: tuple[str, ...]) -> str:
    return " ".join(part for part in parts if part)


def statements(syntax: StatementSyntax) -> st.SearchStrategy[str]:
    """Texts of a statement; some are refused: not all that the notation allows makes sense."""
    found = piece(_query_last(notation(syntax)))
    if syntax.name == "CREATE FEATURE SET":  # without an entity it is none
        return found.map(lambda text: text.replace(" ( ", " ( ENTITY drawn_key , ", 1))
    return found


def _query_last(node: Node) -> Node:
    """A query or statement without brackets goes on to the end, so its clause comes last."""
    if not isinstance(node, Row) or not isinstance(node.items[-1], AnyOrder):
        return node
    last = node.items[-1]
    ends = tuple(item for item in last.items if _ends_all(item))
    rest = tuple(item for item in last.items if item not in ends)
    return Row((*node.items[:-1], AnyOrder(rest), *ends))


def _ends_all(node: Node) -> bool:
    if isinstance(node, Slot):
        return node.name in ("query", "statement")
    if isinstance(node, (Maybe, Repeat)):
        return _ends_all(node.item)
    if isinstance(node, Row):
        return any(_ends_all(item) for item in node.items if not isinstance(item, Row))
    return isinstance(node, Choice) and any(map(_ends_all, node.items))
