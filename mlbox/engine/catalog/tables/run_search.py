"""Search over runs by metrics, parameters, labels and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mlbox.engine.catalog.tables.runs import RunRow, select

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Entity = Literal["metric", "param", "tag", "attribute", "dataset"]

ATTRIBUTES = {
    "run_id": "id",
    "run_name": "coalesce(name, '')",
    "status": "CASE state WHEN 'completed' THEN 'FINISHED' WHEN 'running' THEN 'RUNNING' "
    "WHEN 'cancelled' THEN 'KILLED' WHEN 'pending' THEN 'SCHEDULED' WHEN 'preparing' THEN 'SCHEDULED' "
    "ELSE 'FAILED' END",
    "start_time": "epoch_ms(coalesce(started_at, created_at))",
    "end_time": "epoch_ms(finished_at)",
    "user_id": "coalesce(variant_extract(labels, 'mlflow.user')::VARCHAR, '')",
    "experiment": "experiment",
}
"""Names in a search to SQL over the table. A status is MLflow's word, which can stand for several of our states."""

OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"})


@dataclass(frozen=True, slots=True)
class Condition:
    """``entity.key operator value``; all conditions of a search hold."""

    entity: Entity
    key: str
    operator: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Order:
    """By what rows are ordered; those without the value come last."""

    entity: Entity
    key: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class RunSearch:
    """What is looked for. ``experiments``: names, None among them for runs that belong to none."""

    project: str
    experiments: Sequence[str | None]
    conditions: Sequence[Condition] = ()
    order: Sequence[Order] = ()
    deleted: Literal["active", "deleted", "all"] = "active"
    limit: int = 1000
    offset: int = 0


def search(cursor: DuckDBPyConnection, wanted: RunSearch) -> list[RunRow]:
    """The runs that fit, trials of sweeps too."""
    parameters: list[Any] = [wanted.project, [name for name in wanted.experiments if name is not None]]
    none = " OR experiment IS NULL" if None in wanted.experiments else ""
    where = [f"project = ? AND (list_contains(?::VARCHAR[], experiment){none})"]
    if wanted.deleted != "all":
        where.append(f"deleted_at IS {'NOT ' if wanted.deleted == 'deleted' else ''}NULL")
    for condition in wanted.conditions:
        where.append(_sql(condition, parameters))
    orders = []
    for order in wanted.order:
        orders.append(
            f"{_expression(order.entity, order.key, parameters)} {'DESC' if order.descending else 'ASC'} NULLS LAST"
        )
    orders.append("coalesce(started_at, created_at) DESC, id DESC")
    tail = f"{' AND '.join(where)} ORDER BY {', '.join(orders)} LIMIT {wanted.limit:d} OFFSET {wanted.offset:d}"
    return select(cursor, tail, parameters)


def _sql(condition: Condition, parameters: list[Any]) -> str:
    if condition.entity == "dataset":
        column = {"name": "i.name", "digest": "i.digest", "context": "i.tags ->> '$.\"mlflow.data.context\"'"}
        inner = _compare(column[condition.key], condition, parameters)
        return f"EXISTS (SELECT 1 FROM catalog.main.run_inputs i WHERE i.run_id = runs.id AND {inner})"
    return _compare(_expression(condition.entity, condition.key, parameters), condition, parameters)


def _compare(expression: str, condition: Condition, parameters: list[Any]) -> str:
    operator = condition.operator
    if operator not in OPERATORS:
        raise KeyError(operator)
    if operator.startswith("IS"):
        return f"{expression} {operator}"
    parameters.append(list(condition.value) if "IN" in operator.split() else condition.value)
    if operator == "IN":
        return f"list_contains(?, {expression})"
    if operator == "NOT IN":
        return f"NOT list_contains(?, {expression})"
    return f"{expression} {operator} ?"


def _expression(entity: Entity, key: str, parameters: list[Any]) -> str:
    if entity == "attribute":
        return ATTRIBUTES[key]
    if entity == "tag" and key == "mlflow.note.content":
        return "note"
    parameters.append(key)
    if entity == "metric":
        return "TRY_CAST(variant_extract(metrics, ?) AS DOUBLE)"
    return f"variant_extract({'params' if entity == 'param' else 'labels'}, ?)::VARCHAR"
