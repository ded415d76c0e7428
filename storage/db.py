"""The database: one engine, and two ways to use it.

`read(act)` and `write(act)` run a function in one transaction and hand it a `Tx`. They take a
function, not a `with` block, because whatever passes by itself (a busy SQLite, a deadlock, a
PostgreSQL that restarts) is answered by running the act again, within limits, and a block can't be
run again. An act must therefore do nothing but database work: no bytes travel, no mail leaves.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from storage.clock import Clock, monotonic, sleep, system_clock
from storage.errors import Misconfigured, Unavailable
from storage.randomness import RandomBytes, system_random
from storage.sections import DatabaseConfig

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.25
_CONNECT_SECONDS = 5
_REBUILD_WAIT_SECONDS = 3600.0  # for another process that upgrades a large database

# PostgreSQL's words for what passes by itself: serialisation failure, deadlock, lock time-out,
# too many connections, shutting down, crashed, starting up. Class 08 is the connection itself.
_PASSING_STATES = frozenset({"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"})
# A statement, or a pause between two of them, was longer than the limit.
_SLOW_STATES = frozenset({"57014", "25P03"})
_PASSING_SQLITE_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BROKEN_SQLITE_CODES = frozenset(
    {
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction: where to ask, and the time and chance that all of it agrees on."""

    connection: Connection
    now: datetime
    random: RandomBytes

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded database, whose writers are serialised already."""
        return self.connection.dialect.name == "sqlite"

    def serialise_on(self, subject: str, subject_id: int) -> None:
        """Wait until no other transaction holds this subject, and hold it until the end.

        PostgreSQL's READ COMMITTED lets two writers check the same thing side by side; this puts
        them in a row. SQLite's `BEGIN IMMEDIATE` has done so from the start.
        """
        if self.is_sqlite:
            return
        key = func.hashtextextended(subject, subject_id)
        self.connection.execute(select(func.pg_advisory_xact_lock(key)))


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What a database says of itself."""

    product: str
    version: str
    clock: datetime
    unsafe_settings: tuple[str, ...] = ()
    """What the server has switched off, so that a power cut may damage all of it."""


def describe(tx: Tx) -> DatabaseFacts:
    """Ask the database for its version and for what it takes the time to be."""
    if tx.is_sqlite:
        return DatabaseFacts("SQLite", sqlite3.sqlite_version, tx.now)
    version = tx.connection.scalar(select(func.current_setting("server_version")))
    clock = tx.connection.execute(select(func.clock_timestamp())).scalar_one()
    unsafe = tuple(
        name
        for name in ("fsync", "full_page_writes")
        if tx.connection.scalar(select(func.current_setting(name))) == "off"
    )
    return DatabaseFacts("PostgreSQL", str(version), clock.astimezone(UTC), unsafe)


class Database:
    """An engine with its retries. Made after a fork, never before one."""

    def __init__(
        self,
        config: DatabaseConfig,
        *,
        clock: Clock = system_clock,
        random: RandomBytes = system_random,
    ) -> None:
        self._clock = clock
        self._random = random
        self._budget_seconds = config.busy_timeout_seconds
        self._read_options = {} if config.is_sqlite else {"postgresql_readonly": True}
        self.engine = _open_sqlite(config) if config.is_sqlite else _open_postgresql(config)

    def read(self, act: Callable[[Tx], Result]) -> Result:
        """Run `act` in a transaction that changes nothing and return what it returns.

        Raises Unavailable when the database stays away longer than the configured limit.
        """
        return self._run(act, writes=False)

    def write(self, act: Callable[[Tx], Result]) -> Result:
        """Run `act` in a transaction that may change things, commit, return what it returns.

        The act may run more than once; only one run is kept. An error raised by it rolls all
        back and passes through. Raises Unavailable when the database stays away or busy longer
        than the configured limit, or is lost during the commit itself: then nobody knows whether
        the act counts, so it is not run again.
        """
        return self._run(act, writes=True)

    def rebuild(self, act: Callable[[Tx], Result]) -> Result:
        """Run `act`, which changes the schema itself, in one transaction on its own connection.

        Waits for another rebuild as long as that takes. Raises what `write` raises, and
        Misconfigured when the act would leave rows that point at nothing.
        """
        return self._run(_checking_references(act), writes=True, rebuilds=True)

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """Hold a read transaction open for rows that are taken one by one; never retried.

        All of it is of one moment, whatever others write meanwhile.
        """
        try:
            with self._connect(writes=False) as connection, connection.begin():
                if connection.dialect.name == "postgresql":  # SQLite's are always like that
                    connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                yield self._tx(connection)
        except (DBAPIError, PoolTimeoutError) as error:
            _raise_translated(error)

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    def _run(self, act: Callable[[Tx], Result], *, writes: bool, rebuilds: bool = False) -> Result:
        # SQLite's lock is all that can be in the way there; PostgreSQL waits by itself.
        waits_long = rebuilds and self.engine.dialect.name == "sqlite"
        deadline = monotonic() + (_REBUILD_WAIT_SECONDS if waits_long else self._budget_seconds)
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._run_once(act, writes=writes, rebuilds=rebuilds)
            except IntegrityError:
                raise
            except (DBAPIError, PoolTimeoutError) as error:
                if not _is_passing(error) or monotonic() + pause > deadline:
                    _raise_translated(error)
                logger.debug("database busy or away, trying again", exc_info=error)
            sleep(pause * (0.5 + self._random(1)[0] / 256))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    def _run_once(self, act: Callable[[Tx], Result], *, writes: bool, rebuilds: bool) -> Result:
        with self._connect(writes=writes) as connection:
            if rebuilds:
                _make_ready_to_rebuild(connection)
            transaction = connection.begin()
            try:
                result = act(self._tx(connection))
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if error.connection_invalidated and writes:
                    raise Unavailable(
                        "The database was lost while the change was being saved; "
                        "look whether it took effect before trying again."
                    ) from error
                raise
            return result

    def _connect(self, *, writes: bool) -> Connection:
        return self.engine.connect().execution_options(
            davserver_writes=writes, **({} if writes else self._read_options)
        )

    def _tx(self, connection: Connection) -> Tx:
        return Tx(connection=connection, now=self._clock(), random=self._random)


def _make_ready_to_rebuild(connection: Connection) -> None:
    """Let this connection, which is closed afterwards, replace tables that others point at.

    SQLite can't alter a table in place: a new one takes its name, and the old one is dropped. With
    foreign keys enforced, dropping it deletes every row that points at it. The switch does nothing
    inside a transaction, so it is set before one begins; `detach` keeps it out of the pool.
    """
    connection.detach()
    if connection.dialect.name == "sqlite":
        driver = connection.connection.dbapi_connection
        assert driver is not None  # it was opened a moment ago
        driver.cursor().execute("PRAGMA foreign_keys = OFF")


def _checking_references(act: Callable[[Tx], Result]) -> Callable[[Tx], Result]:
    def checked(tx: Tx) -> Result:
        if tx.is_sqlite:
            result = act(tx)
            broken = tx.connection.exec_driver_sql("PRAGMA foreign_key_check")
            tables = sorted({str(row[0]) for row in broken})
            if tables:
                raise Misconfigured(
                    f"Rows of {', '.join(tables)} point at nothing, so nothing was changed; "
                    "restore a backup in which they are whole."
                )
            return result
        # Rebuilding a large table, and waiting for somebody who does, outlasts any request.
        for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"):
            tx.connection.exec_driver_sql(f"SET LOCAL {name} = 0")
        return act(tx)

    return checked


def _open_sqlite(config: DatabaseConfig) -> Engine:
    path = config.sqlite_path
    assert path is not None  # the configuration has been checked
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"The folder {path.parent} of the database can't be made: {error.strerror}."
        ) from None
    engine = create_engine(
        make_url(config.url.get_secret_value()),
        # None: the driver begins nothing by itself; `_begin` below does.
        connect_args={"isolation_level": None, "timeout": config.busy_timeout_seconds},
        pool_size=config.pool_size,
        max_overflow=0,
        pool_timeout=config.busy_timeout_seconds,
        hide_parameters=True,
    )
    synchronous = "FULL" if config.durability == "full" else "NORMAL"

    @event.listens_for(engine, "connect")
    def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA temp_store = MEMORY")
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that reads first and writes later fails at once with
        # SQLITE_BUSY when somebody else wrote in between, whatever the time-out. Taking the
        # write lock at the start waits instead, and makes every check in it the last word.
        writes = connection.get_execution_options().get("davserver_writes", True)
        if connection.info.get("davserver_writes") is not writes:
            connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
            connection.info["davserver_writes"] = writes
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _open_postgresql(config: DatabaseConfig) -> Engine:
    url = make_url(config.url.get_secret_value()).set(drivername="postgresql+psycopg")
    given = dict(url.query)
    ours = {
        "application_name": "davserver",
        "connect_timeout": _CONNECT_SECONDS,
        # A server that vanishes without a word is noticed, also while we wait for its answer.
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    statement_milliseconds = _milliseconds(config.statement_timeout_seconds)
    settings = (
        f"-c statement_timeout={statement_milliseconds} "
        f"-c lock_timeout={_milliseconds(config.busy_timeout_seconds)} "
        f"-c idle_in_transaction_session_timeout={statement_milliseconds} "
        f"-c synchronous_commit={'on' if config.durability == 'full' else 'off'} "
        "-c timezone=UTC"
    )
    engine = create_engine(
        url,
        # sslmode and the other words of libpq stay as given, and win over ours.
        connect_args={key: value for key, value in ours.items() if key not in given}
        | {"options": f"{settings} {given.get('options', '')}".rstrip()},
        isolation_level="READ COMMITTED",
        pool_size=config.pool_size,
        max_overflow=0,
        pool_timeout=config.busy_timeout_seconds,
        hide_parameters=True,
    )
    event.listen(engine, "handle_error", _hide_values)
    return engine


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))  # 0 would mean: no limit


def _hide_values(context: ExceptionContext) -> None:
    """Take stored and sent values out of PostgreSQL's message; names and reasons stay.

    `hide_parameters` covers what we sent, but the server repeats values by itself: a key that
    exists, the whole row that breaks a rule. Such text would end in the log.
    """
    cause: Any = context.original_exception  # Any: psycopg's, which only this function looks into
    diagnosis = getattr(cause, "diag", None)
    if diagnosis is None or diagnosis.message_primary is None:
        return
    text = diagnosis.message_primary
    if str(cause.sqlstate).startswith("22"):  # data that does not fit: its reason is the value
        text = f"a value does not fit ({cause.sqlstate})"
    cause.args = (text,)
    if context.sqlalchemy_exception is not None:
        name = f"{type(cause).__module__}.{type(cause).__name__}"
        context.sqlalchemy_exception.args = (f"({name}) {text}",)


def _is_passing(error: DBAPIError | PoolTimeoutError) -> bool:
    if isinstance(error, PoolTimeoutError):
        return False  # it has waited the whole limit already
    cause: Any = error.orig  # Any: each driver has its own way to name the reason
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0)
        return code & 0xFF in _PASSING_SQLITE_CODES
    state = getattr(cause, "sqlstate", None)
    if state is None:  # never reached the server, or lost it
        return error.connection_invalidated or isinstance(error, OperationalError)
    return state in _PASSING_STATES or state.startswith("08")


def _raise_translated(error: DBAPIError | PoolTimeoutError) -> NoReturn:
    """Raise what callers may see. A mistake of ours in a statement stays what it is."""
    if isinstance(error, PoolTimeoutError):
        raise Unavailable(
            "All connections to the database are in use; try again shortly."
        ) from error
    cause: Any = error.orig
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        raise Unavailable("The disk of the database is full.", retry_after_seconds=60) from error
    if getattr(cause, "sqlstate", None) in _SLOW_STATES:
        raise Unavailable("The database took too long to answer.") from error
    if _is_passing(error):
        raise Unavailable("The database is busy or away; try again shortly.") from error
    if code in _BROKEN_SQLITE_CODES:
        raise Unavailable("The database's file can't be opened or is damaged.") from error
    raise error
