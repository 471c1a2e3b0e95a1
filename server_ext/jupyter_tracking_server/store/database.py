"""The database and its transactions: every statement of the store runs through a ``Transaction``.

Statements of the cold paths are SQLAlchemy's; the hot ones are text for the driver, written once with
``?`` for a parameter and the same for both databases but for lists (``Transaction.among``).
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, CursorResult, Executable, Row
from sqlalchemy.exc import SQLAlchemyError

from jupyter_tracking.protocol.errors import TemporarilyUnavailable

from .engine import Dialect, Durability, make_engine, parse_url
from .faults import LostTransaction, translate
from .keys import Keys
from .migrate import migrate
from .usage import Tally, settle

_BEGIN: dict[tuple[Dialect, Literal["read", "write"]], str] = {
    ("sqlite", "read"): "BEGIN",
    ("sqlite", "write"): "BEGIN IMMEDIATE",
    ("postgresql", "read"): "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    ("postgresql", "write"): "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
}


@lru_cache(maxsize=1024)
def _in_style_of(dialect: Dialect, sql: str) -> str:
    return sql if dialect == "sqlite" else sql.replace("%", "%%").replace("?", "%s")


class Transaction:
    """One transaction on one connection, used by one thread.

    Attributes:
        keys: the dictionary of metric, param and tag names.
        fresh_keys: names that this transaction saw or made; they enter the process's cache at its commit.
        logged_points: how many points this transaction added to the tail, by ``rid``.
        ended_runs: ``rid`` of each run that this transaction ended. By both the writer knows what to fold.
        tally: what this transaction changes in what users hold; written at its end.
    """

    def __init__(self, connection: Connection, dialect: Dialect, keys: Keys, errors: Errors) -> None:
        self.connection = connection
        self.dialect = dialect
        self.keys = keys
        self.fresh_keys: dict[str, int] = {}
        self.logged_points: Counter[int] = Counter()
        self.ended_runs: list[int] = []
        self.tally = Tally()
        self._errors = errors
        self._raw: Any = connection.connection.driver_connection

    def rows(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> Sequence[Row[Any]]:
        """All rows of a statement."""
        return self.connection.execute(statement, parameters).all()

    def execute(
        self, statement: Executable, parameters: Mapping[str, object] | None = None
    ) -> CursorResult[Any]:
        """Run a statement; the result knows how many rows it touched."""
        return self.connection.execute(statement, parameters)

    def driver(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement run on the driver itself; none for one that returns none."""
        cursor = self._raw.execute(_in_style_of(self.dialect, sql), parameters)
        return cursor.fetchall() if cursor.description else []

    def driver_many(self, sql: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once for each row of parameters, on the driver itself."""
        cursor = self._raw.cursor()
        cursor.executemany(_in_style_of(self.dialect, sql), rows)
        cursor.close()

    def among(self, column: str, kind: Literal["bigint", "text"] = "bigint") -> str:
        """SQL: ``column`` is one of a list, whose parameter is made by ``array``."""
        if self.dialect == "sqlite":
            return f"{column} IN (SELECT value FROM json_each(?))"
        return f"{column} = ANY(?::{kind}[])"

    def array(self, values: Sequence[int] | Sequence[str]) -> object:
        """A list as the parameter that ``among`` expects."""
        return msgspec.json.encode(values).decode() if self.dialect == "sqlite" else list(values)

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens inside is undone alone if it raises.

        Raises:
            LostTransaction: there is nothing left to undo, nor to commit.
            TrackingError: a database's error, translated.
        """
        keys, ended, tally = dict(self.fresh_keys), len(self.ended_runs), self.tally.copy()
        self._raw.execute("SAVEPOINT unit")
        try:
            yield
            self._raw.execute("RELEASE unit")
        except BaseException as error:
            self.fresh_keys = keys
            del self.ended_runs[ended:]
            self.tally = tally
            self._undo()
            if isinstance(error, self._errors):
                raise translate(error) from error
            raise

    def _undo(self) -> None:
        try:
            self._raw.execute("ROLLBACK TO unit")
            self._raw.execute("RELEASE unit")
        except self._errors as error:
            raise LostTransaction("The tracking database broke off a transaction; try again.") from error


class Database:
    """A tracking database; safe to share between threads.

    Args:
        url: ``sqlite:////folder/file.db`` or ``postgresql://…``.
        durability: whether a commit on SQLite waits for the disk (``full``) or survives only the end of the
            process (``normal``). PostgreSQL decides that itself.
        readers: how many threads will read at a time.

    Raises:
        ValueError: the URL is not of a database that can be a tracking store.
    """

    def __init__(self, url: str, *, durability: Durability = "full", readers: int = 4) -> None:
        parsed = parse_url(url)
        self.dialect: Dialect = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql"
        self.url = parsed.render_as_string(hide_password=True)
        self.keys = Keys()
        self._connections = readers + 3
        self.engine = make_engine(parsed, durability, self._connections)
        self.errors: Errors = (SQLAlchemyError, self.engine.dialect.loaded_dbapi.Error)

    def migrate(self, artifact_root: str) -> None:
        """Bring the schema up to this version, and make the experiment ``Default`` in a new database.

        Args:
            artifact_root: the default experiment's artifacts go to ``<artifact_root>/0``.

        Raises:
            UnsupportedDatabase: it is newer than this server, or of another program.
            TrackingError: the database cannot be reached or written.
        """
        try:
            migrate(self, artifact_root)
        except self.errors as error:
            raise translate(error) from error

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that sees one snapshot and writes nothing."""
        with self._transaction("read") as tx:
            yield tx

    @contextlib.contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that is committed at the end, or undone if anything raises.

        Raises:
            TrackingError: a database's error, translated. After a failed commit it is not known whether the
                transaction is stored.
        """
        with self._transaction("write") as tx:
            yield tx

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _transaction(self, kind: Literal["read", "write"]) -> Iterator[Transaction]:
        try:
            connection = self._begun(_BEGIN[self.dialect, kind])
        except self.errors as error:
            raise translate(error) from error
        raw: Any = connection.connection.driver_connection
        try:
            tx = Transaction(connection, self.dialect, self.keys, self.errors)
            yield tx
            settle(tx)
            self._commit(raw)
            self.keys.publish(tx.fresh_keys)
        except BaseException as error:
            self._undo(connection, raw)
            if isinstance(error, self.errors):
                raise translate(error) from error
            raise
        finally:
            connection.close()

    def _begun(self, begin: str) -> Connection:
        """A connection inside a new transaction; connections that died while pooled are thrown away."""
        for _ in range(2 * self._connections + 1):
            connection = self.engine.connect()
            raw: Any = connection.connection.driver_connection
            try:
                raw.execute(begin)
            except self.errors:
                lost = self._is_lost(raw)
                if lost:
                    connection.invalidate()
                connection.close()
                if not lost:
                    raise
            else:
                return connection
        raise TemporarilyUnavailable("The tracking database is away; try again.")

    def _commit(self, raw: Any) -> None:
        ended = raw.execute("COMMIT")
        # PostgreSQL answers the COMMIT of a failed transaction with a rollback, and no error.
        if self.dialect == "postgresql" and ended.statusmessage != "COMMIT":
            raise LostTransaction("The tracking database broke off a transaction; try again.")

    def _undo(self, connection: Connection, raw: Any) -> None:
        with contextlib.suppress(*self.errors):
            raw.rollback()
        if self._is_lost(raw):
            connection.invalidate()

    def _is_lost(self, raw: Any) -> bool:
        return self.dialect == "postgresql" and bool(raw.closed)


Errors = tuple[type[Exception], ...]
"""The exception classes of SQLAlchemy and of the driver in use."""
