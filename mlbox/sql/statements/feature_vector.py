"""Feature vectors."""

from __future__ import annotations

from mlbox.base.names import Ref
from mlbox.engine.features.commands import (
    CreateFeatureVector,
    DropFeatureVector,
    FeatureRef,
    RefreshFeatureVector,
    Relation,
    Tolerance,
)
from mlbox.sql import writing
from mlbox.sql.grammar import Noun, StatementSyntax, noun, statement
from mlbox.sql.heads import alter, create_clauses, create_head, drop, print_refresh, refresh_clauses
from mlbox.sql.parser import Cursor
from mlbox.sql.references import identifier, reference
from mlbox.sql.times import interval
from mlbox.sql.values import options
from mlbox.sql.writing import Writer


def _create(cursor: Cursor) -> CreateFeatureVector:
    head = create_head(cursor, "FEATURE VECTOR")
    ref = reference(cursor, "feature vector")
    table = {"AS": _features, "LABEL": _label, "RELATIONS": _relations, "TOLERANCE": _tolerances, "WITH": options}
    found = create_clauses(cursor, "CREATE FEATURE VECTOR", table)
    if "AS" not in found:
        cursor.fail("CREATE FEATURE VECTOR needs its features", "add AS FEATURES (feature_set.feature, ..)")
    return CreateFeatureVector(
        ref=ref,
        features=found["AS"],
        label=found.get("LABEL"),
        relations=found.get("RELATIONS", ()),
        tolerances=found.get("TOLERANCE", ()),
        replace=head.replace,
        if_not_exists=head.if_not_exists,
        options=found.get("WITH", {}),
        comment=found.get("COMMENT"),
    )


def _features(cursor: Cursor, clause: str) -> tuple[FeatureRef, ...]:
    cursor.expect("FEATURES", hint="write AS FEATURES (feature_set.feature, ..)")
    inner = cursor.enter("FEATURES", "write FEATURES (feature_set.feature, feature_set.*)")
    found: list[FeatureRef] = []
    seen: set[str] = set()
    while True:
        token = inner.token
        feature = _feature(inner, star=True)
        name = (feature.alias or feature.feature).lower()
        if name != "*" and name in seen:
            inner.fail(f"feature {name} is given twice", "give one of them another name: set.feature AS other", token)
        seen.add(name)
        found.append(feature)
        if inner.at_end():
            return tuple(found)
        inner.expect(",")


def _feature(cursor: Cursor, *, star: bool, what: str = "a label") -> FeatureRef:
    token = cursor.token
    parts = [identifier(cursor, "feature set")]
    while cursor.accept("."):
        if cursor.at("*"):
            if not star:
                cursor.fail(f"{what} is one column", f"write {'.'.join(parts)}.column")
            cursor.advance()
            parts.append("*")
            break
        parts.append(identifier(cursor, "feature"))
    if len(parts) == 1:
        cursor.fail(
            f"{parts[0]} does not say of which feature set",
            f"write feature_set.{parts[0]}" + (f", or {parts[0]}.* for all features of a set" if star else ""),
            token,
        )
    if len(parts) > 3:
        cursor.fail("a feature has at most three parts", "write project.feature_set.feature", token)
    project = parts[0].lower() if len(parts) == 3 else cursor.scope.project
    alias = None
    if cursor.at("AS") and star:
        if parts[-1] == "*":
            cursor.fail(f"{'.'.join(parts)} stands for many features and takes no AS", "name the feature")
        cursor.advance()
        alias = identifier(cursor, "feature")
    return FeatureRef(Ref(project, parts[-2]), parts[-1], alias)


def _relations(cursor: Cursor, clause: str) -> tuple[Relation, ...]:
    inner = cursor.enter("RELATIONS", "write RELATIONS (orders.customer_id = customers.customer)")
    found = []
    while True:
        feature = _feature(inner, star=False, what="each side of a relation")
        inner.expect("=", hint="write set.feature = other_set.entity")
        found.append(Relation(feature, _feature(inner, star=False, what="each side of a relation")))
        if inner.at_end():
            return tuple(found)
        inner.expect(",")


def _tolerances(cursor: Cursor, clause: str) -> tuple[Tolerance, ...]:
    inner = cursor.enter("TOLERANCE", "write TOLERANCE (feature_set = INTERVAL '2 days')")
    found: list[Tolerance] = []
    while True:
        token = inner.token
        ref = reference(inner, "feature set")
        if ref in [one.feature_set for one in found]:
            inner.fail(f"TOLERANCE: {ref.name} is given twice", "each set once", token)
        inner.expect("=", hint="write feature_set = INTERVAL '2 days'")
        found.append(Tolerance(ref, interval(inner, "TOLERANCE")))
        if inner.at_end():
            return tuple(found)
        inner.expect(",")


def _label(cursor: Cursor, clause: str) -> FeatureRef:
    return _feature(cursor, star=False)


def _print(command: CreateFeatureVector, write: Writer) -> str:
    return write.create(
        "FEATURE VECTOR",
        command,
        f"AS FEATURES ({', '.join(_print_feature(feature, write) for feature in command.features)})",
        writing.clause("LABEL", _print_feature(command.label, write) if command.label else None),
        _print_list("RELATIONS", [_print_relation(relation, write) for relation in command.relations]),
        _print_list(
            "TOLERANCE",
            [f"{write.ref(one.feature_set)} = {writing.interval(one.age)}" for one in command.tolerances],
        ),
        writing.options("WITH", command.options),
        writing.comment(command),
    )


def _print_list(words: str, printed: list[str]) -> str:
    return f"{words} ({', '.join(printed)})" if printed else ""


def _print_relation(relation: Relation, write: Writer) -> str:
    return f"{_print_feature(relation.feature, write)} = {_print_feature(relation.entity, write)}"


def _print_feature(feature: FeatureRef, write: Writer) -> str:
    shown = "*" if feature.feature == "*" else writing.name(feature.feature)
    alias = f" AS {writing.name(feature.alias)}" if feature.alias else ""
    return f"{write.ref(feature.feature_set)}.{shown}{alias}"


statement(
    StatementSyntax(
        name="CREATE FEATURE VECTOR",
        summary="Name features of several sets, and the label: what a model is trained on and served with.",
        syntax="""CREATE [OR REPLACE] FEATURE VECTOR [IF NOT EXISTS] name
    AS FEATURES ({set.feature [AS name] | set.*}, ..) [LABEL set.column]
    [RELATIONS (set.feature = set.column, ..)] [TOLERANCE (set = interval, ..)]
    [WITH (key = value, ..)] [COMMENT 'text']""",
        examples=(
            "CREATE FEATURE VECTOR basket AS FEATURES (orders.total, customers.age) "
            "RELATIONS (orders.customer_id = customers.customer) TOLERANCE (customers = INTERVAL '90 days')",
            "CREATE FEATURE VECTOR v AS FEATURES (customers.age, customers.city AS town, tx.*) LABEL labels.is_fraud",
        ),
        starts=(("CREATE", "FEATURE", "VECTOR"),),
        parse=_create,
        prints={CreateFeatureVector: _print},
    )
)


def _refresh(cursor: Cursor) -> RefreshFeatureVector:
    cursor.expect("REFRESH", "FEATURE", "VECTOR")
    ref = reference(cursor, "feature vector")
    found = refresh_clauses(cursor, "REFRESH FEATURE VECTOR")
    return RefreshFeatureVector(ref=ref, full=found.full, start=found.start, end=found.end, online=found.online)


statement(
    StatementSyntax(
        name="REFRESH FEATURE VECTOR",
        summary="Bring every feature set of a vector up to date.",
        syntax="REFRESH FEATURE VECTOR name [FULL] [FROM 'time'] [TO 'time'] [ONLINE]",
        examples=("REFRESH FEATURE VECTOR v FROM '2026-01-01'",),
        starts=(("REFRESH", "FEATURE", "VECTOR"),),
        parse=_refresh,
        prints={RefreshFeatureVector: print_refresh},
    )
)
drop("feature vector", DropFeatureVector)
alter("feature vector", "RENAME", "SET")
noun(Noun("feature vector", "feature_vectors"))
