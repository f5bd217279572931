"""An endpoint whose answers a graph makes."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid, MlboxError
from mlbox.serve.asynchronous import AsyncRuntime
from mlbox.serve.endpoint import Answer
from mlbox.serve.graph.definition import GraphSpec, read_graph
from mlbox.serve.graph.plan import Plan, compile_graph
from mlbox.serve.graph.running import columns_of, run, together
from mlbox.serve.graph.scope import CheckScope, LiveScope, Pins
from mlbox.serve.imputing import Seen

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.codec import Request
    from mlbox.serve.shop import Shop

AT_ONCE = 64
"""Rows of one request that are in the graph at once."""

_log = logging.getLogger("mlbox.serve")


def planned(text: str, scope: CheckScope, file: str = "the graph") -> Plan:
    """The graph, checked against the project; nothing is started. Errors name file and line: their place is in the
    file, not in the statement."""
    try:
        return compile_graph(read_graph(text), scope)
    except MlboxError as error:
        if error.where is None:
            raise
        told = f"{file}, line {error.where.line}: {error.message}"
        raise Invalid(told, hint=error.hint, details={"line": error.where.line, "text": error.where.text}) from None


class GraphRuntime(AsyncRuntime):
    """One generation of a graph: its plan, and the processes and models that it holds."""

    def __init__(self, row: EndpointRow, shop: Shop) -> None:
        super().__init__(row, ())
        graph = row.graph or {}
        self.graph: GraphSpec = read_graph(str(graph["text"]))
        scope = LiveScope(shop, row, Pins.of_json(graph.get("pins", {})))
        self.plan = compile_graph(self.graph, scope)
        self.uses = tuple(scope.uses)

    @property
    def version(self) -> str:
        """A graph has no version of its own."""
        return "graph"

    async def event_later(self, event: Any) -> Any:
        """What the graph says to one event."""
        return await run(self.plan, event, self._tell)

    async def answer_later(self, request: Request, verb: str = "predict") -> Answer:
        """Each row of a request is an event."""
        if verb != "predict":
            raise Invalid("a graph explains nothing", hint="add a step that does")
        columns = {
            column.name: [column.whole()] * request.rows if column.shared else column.by_row()
            for column in request.columns.values()
        }
        room = asyncio.Semaphore(AT_ONCE)

        async def one(index: int) -> Any:
            async with room:
                return await self.event_later({name: values[index] for name, values in columns.items()})

        results = await together([one(index) for index in range(request.rows)])
        return self.answer_of(columns_of(results), request)

    def answer_of(self, outputs: Mapping[str, Any], request: Request) -> Answer:
        """As it is recorded: numbers that were sent are the features."""
        import numpy as np

        prediction = outputs.get("prediction")
        if prediction is None or prediction.dtype.kind not in "fiub" or prediction.ndim != 1:
            outputs = {("output" if name == "prediction" else name): values for name, values in outputs.items()}
            prediction = np.full(request.rows, np.nan)
        sent = [column for column in request.columns.values() if column.plain and column.datatype.number]
        seen = Seen(tuple(column.name for column in sent), [column.values for column in sent], [])
        named = {"prediction": prediction.astype("f8")} if "prediction" in outputs else {}
        return Answer(self.row.name, None, prediction.astype("f8"), {**outputs, **named}, seen)

    def _tell(self, step: str, error: MlboxError) -> None:
        told = {"endpoint": f"{self.row.project}.{self.row.name}", "step": step, "error": error.message}
        _log.warning("graph: %s", json.dumps(told))
