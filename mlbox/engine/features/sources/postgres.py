"""PostgreSQL, through its ADBC driver, which gives Arrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from mlbox.base.errors import Invalid
from mlbox.engine.features.sources.base import SOURCES, Source
from mlbox.engine.features.sources.tables import TableSource

if TYPE_CHECKING:
    import pyarrow


class Postgres:
    """``postgresql://user@host:port/database``."""

    name = "postgres"
    schemes: tuple[str, ...] = ("postgres://", "postgresql://")
    options: tuple[str, ...] = ("user", "password", "sslmode")
    quotes = '"'

    def stream(self, source: Source, sql: str, whole: str) -> pyarrow.RecordBatchReader:
        """The server sends batches as they are taken."""
        try:
            from adbc_driver_postgresql import dbapi
        except ImportError:
            raise Invalid(
                "sources in PostgreSQL need the package adbc-driver-postgresql",
                hint="install it where the server runs: pip install 'mlbox[postgres]'",
            ) from None
        import pyarrow

        connection = dbapi.connect(_address(source))
        cursor = connection.cursor()
        try:
            cursor.execute(_with_numbers(cursor, sql))
            reader = cursor.fetch_record_batch()
        except BaseException:
            cursor.close()
            connection.close()
            raise
        schema = pyarrow.schema([pyarrow.field(field.name, _storage(field.type)) for field in reader.schema])

        def batches() -> Any:
            try:
                for batch in reader:
                    columns = [getattr(column, "storage", column) for column in batch.columns]
                    yield pyarrow.record_batch(columns, schema=schema)
            finally:
                reader.close()
                cursor.close()
                connection.close()

        return pyarrow.RecordBatchReader.from_batches(schema, batches())


def _with_numbers(cursor: Any, sql: str) -> str:
    """The query with NUMERIC as double precision: Arrow has no type of any precision, and text cannot be summed."""
    cursor.execute(f"SELECT * FROM (\n{sql}\n) _rows WHERE 1 = 0")
    schema = cursor.fetch_record_batch().schema
    names = []
    for field in schema:
        name = '"' + field.name.replace('"', '""') + '"'
        is_numeric = getattr(field.type, "type_name", None) == "numeric"
        names.append(f"{name}::double precision AS {name}" if is_numeric else name)
    return f"SELECT {', '.join(names)} FROM (\n{sql}\n) _rows"


def _storage(kind: Any) -> Any:
    """Types that Arrow has no name for (numeric, for one) come as their text."""
    return getattr(kind, "storage_type", kind)


def _address(source: Source) -> str:
    parts = urlsplit(source.uri or "")
    options = source.options
    user = options.get("user", parts.username)
    login = "" if user is None else quote(str(user), safe="")
    if "password" in options:
        login += ":" + quote(str(options["password"]), safe="")
    host = parts.netloc.rpartition("@")[2]
    query = parts.query
    if "sslmode" in options:
        query += f"{'&' if query else ''}sslmode={quote(str(options['sslmode']))}"
    return urlunsplit(("postgresql", f"{login}@{host}" if login else host, parts.path, query, ""))


SOURCES.add("postgres", TableSource(Postgres()))
