"""MySQL and MariaDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlbox.base.errors import Invalid
from mlbox.engine.features.sources.base import SOURCES, Source
from mlbox.engine.features.sources.tables import BATCH, TableSource
from mlbox.engine.features.sources.typed_rows import reader_of

if TYPE_CHECKING:
    import pyarrow


class MySql:
    """``mysql://user@host:port/database``."""

    name = "mysql"
    schemes: tuple[str, ...] = ("mysql://", "mariadb://")
    options: tuple[str, ...] = ("user", "password", "unix_socket", "ssl_ca")
    quotes = "`"

    def stream(self, source: Source, sql: str, whole: str) -> pyarrow.RecordBatchReader:
        """Unbuffered: the server sends rows as they are taken."""
        try:
            import pymysql
        except ImportError:
            raise Invalid(
                "sources in MySQL need the package pymysql",
                hint="install it where the server runs: pip install 'mlbox[mysql]'",
            ) from None
        parts = urlsplit(source.uri or "")
        options = dict(source.options)
        extra = {name: options[name] for name in ("unix_socket", "ssl_ca") if name in options}
        connection = pymysql.connect(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 3306,
            user=options.get("user", unquote(parts.username or "")) or None,
            password=str(options.get("password", "")),
            database=parts.path.strip("/") or None,
            cursorclass=pymysql.cursors.SSCursor,
            connect_timeout=10,
            **extra,
        )
        try:
            cursor = connection.cursor()
            cursor.execute("SET SESSION time_zone = '+00:00'")
            cursor.execute(sql)
            names = [column[0] for column in cursor.description]
            types = [_type(column) for column in cursor._result.fields]
        except BaseException:
            connection.close()
            raise
        return reader_of(names, types, lambda: cursor.fetchmany(BATCH), connection.close)


def _type(column: Any) -> pyarrow.DataType:
    """The Arrow type of a column as the server describes it; times of a day and the like travel as text."""
    import pyarrow
    from pymysql.constants import FIELD_TYPE, FLAG

    code = column.type_code
    if code in (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.YEAR):
        return pyarrow.int64()
    if code == FIELD_TYPE.LONGLONG:
        return pyarrow.uint64() if column.flags & FLAG.UNSIGNED else pyarrow.int64()
    if code in (FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE):
        return pyarrow.float64()
    if code in (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL):
        return pyarrow.decimal128(min(38, max(column.length - 1, column.scale + 1)), column.scale)
    if code in (FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP):
        return pyarrow.timestamp("us")
    if code in (FIELD_TYPE.DATE, FIELD_TYPE.NEWDATE):
        return pyarrow.date32()
    if code in (FIELD_TYPE.BLOB, FIELD_TYPE.TINY_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB):
        return pyarrow.binary() if column.charsetnr == 63 else pyarrow.string()
    return pyarrow.string()


SOURCES.add("mysql", TableSource(MySql()))
