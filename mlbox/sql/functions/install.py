"""The ``ml`` functions: macros in ``catalog.ml`` over functions that are registered at each start."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from mlbox.base.defects import defect_of
from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.duckdb_errors import wrap
from mlbox.sql.functions.base import FUNCTIONS, Asked, RowFunction, TableFunction

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Functions:
    """Registers the functions on the catalog's connection and makes their macros."""

    def __init__(self, asked: Asked) -> None:
        self._connection = asked.catalog.connection
        self._asked = asked

    def install(self) -> None:
        """At each start."""
        for _, function in FUNCTIONS:
            if isinstance(function, TableFunction):
                _register_table(self._connection, function, self._asked)
            else:
                _register_row(self._connection, function, self._asked)
        made = [function.macro for _, function in FUNCTIONS if isinstance(function, TableFunction) or function.prepare]
        for macro in made:
            self._connection.execute(f"CREATE OR REPLACE MACRO catalog.ml.{macro}")


def _register_table(connection: DuckDBPyConnection, function: TableFunction, asked: Asked) -> None:
    from duckdb.sqltypes import VARCHAR

    types: list[Any] = [VARCHAR] * (len(function.arguments) + 1)
    write = _told(function.write, asked, len(types))
    connection.create_function(function.registered, write, types, VARCHAR, side_effects=False)


def _register_row(connection: DuckDBPyConnection, function: RowFunction, asked: Asked) -> None:
    import duckdb
    from duckdb.sqltypes import INTEGER, VARCHAR

    if function.prepare is not None:
        types: list[Any] = [VARCHAR, VARCHAR]
        prepare = _told(function.prepare, asked, len(types))
        # without side effects: of constants it is computed once, when the statement is bound
        connection.create_function(f"{function.registered}_of", prepare, types, INTEGER, side_effects=False)
    # The stubs of DuckDB want enumerations that the module does not export; their names work.
    options: dict[str, Any] = {"type": "arrow", "null_handling": "special", "parameters": None}
    connection.create_function(
        function.registered,
        _told(function.compute, asked, None),
        return_type=duckdb.sqltype(function.columns[0].type),
        side_effects=True,  # else constant arguments are folded before the batch is seen
        **options,
    )


def _told(function: Callable[..., Any], asked: Asked, count: int | None) -> Callable[..., Any]:
    """Carry our errors through DuckDB with all that they hold."""

    def told(*arguments: Any) -> Any:
        try:
            return function(asked, *arguments)
        except MlboxError as error:
            raise RuntimeError(wrap(error)) from None
        except Exception as error:
            raise RuntimeError(wrap(defect_of(error, f"computing {function.__name__}"))) from error

    if count is not None:  # DuckDB counts the parameters
        names = [Parameter(f"p{number}", Parameter.POSITIONAL_OR_KEYWORD) for number in range(count)]
        vars(told)["__signature__"] = Signature(names)
    return told
