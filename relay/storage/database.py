"""The pool of connections, and transactions that carry one time.

A transaction has one time, the database's, from when it begins; every decision in it uses that time. The sandbox moves
``Database.clock_offset``, here and nowhere else. Driver errors are translated here: what may pass becomes
``StorageUnavailable``, everything else is a mistake of ours and stays what it is. Every unit of work is keyed and
repeatable, because a commit whose answer was lost may have happened.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

import asyncpg

from relay.core import ids
from relay.core.errors import BadSettings, NotDurable, StorageUnavailable
from relay.storage.clock import Clock

T = TypeVar("T")
Row = asyncpg.Record

#: Errors after which the same work may succeed: lost connections, a server that is starting, stopping, full or read-only.
_PASSING = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
_HINT_WITHIN = 0.5  # seconds: nobody waits long for a hint
#: What every connection of Relay is told when it begins.
SESSION = {
    "application_name": "relay",
    "timezone": "UTC",
    # A process that is stopped in the middle of a transaction must not hold up the others for longer than this.
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "5000",
    # A plan is kept for as long as its connection lives. One that was made while a table was empty reads it whole, and
    # would do so when it is full: seen, a look into 10,000 waiting texts took 9 s.
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",  # it would compile any plan that has no other way than to read a table whole
}
_WAITS = (0.02, 0.1, 0.3)  # seconds between the tries of one unit of work


class Transaction:
    """One transaction in one bucket, with its time."""

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy[Row], now: datetime) -> None:
        self._connection = connection
        self.now = now

    async def fetch(self, statement: str, *args: Any) -> list[Row]:
        return await self._connection.fetch(statement, *args)

    async def fetchrow(self, statement: str, *args: Any, within: float | None = None) -> Row | None:
        """``within``: seconds that it may take, where it is known to take long."""
        return await self._connection.fetchrow(statement, *args, timeout=within)

    async def fetchval(self, statement: str, *args: Any) -> Any:
        return await self._connection.fetchval(statement, *args)

    async def execute(self, statement: str, *args: Any) -> str:
        return await self._connection.execute(statement, *args)

    def new_id(self, bucket: int) -> UUID:
        """A fresh id in this bucket, at this transaction's time."""
        return ids.make_id(bucket, self.now, secrets.token_bytes(ids.ENTROPY_BYTES))

    def new_ids(self, bucket: int, count: int) -> list[UUID]:
        entropy, each = secrets.token_bytes(count * ids.ENTROPY_BYTES), ids.ENTROPY_BYTES
        return [ids.make_id(bucket, self.now, entropy[n * each : (n + 1) * each]) for n in range(count)]


class _Single(Transaction):
    """The one statement of a transaction that nobody has to begin or to end."""

    def __init__(self, connection: asyncpg.pool.PoolConnectionProxy[Row], now: datetime) -> None:
        super().__init__(connection, now)
        self._is_used = False

    async def fetch(self, statement: str, *args: Any) -> list[Row]:
        self._use()
        return await super().fetch(statement, *args)

    async def fetchrow(self, statement: str, *args: Any, within: float | None = None) -> Row | None:
        self._use()
        return await super().fetchrow(statement, *args, within=within)

    async def fetchval(self, statement: str, *args: Any) -> Any:
        self._use()
        return await super().fetchval(statement, *args)

    async def execute(self, statement: str, *args: Any) -> str:
        self._use()
        return await super().execute(statement, *args)

    def _use(self) -> None:
        if self._is_used:
            raise RuntimeError("a second statement would be another transaction")
        self._is_used = True


class Database:
    """PostgreSQL, as Relay uses it. Made by ``connect``."""

    def __init__(self, pool: asyncpg.Pool[Row], dsn: str, *, patience: float) -> None:
        self._pool = pool
        self._dsn = dsn
        self._patience = patience
        self._clock = Clock()
        self.clock_offset = timedelta()

    @asynccontextmanager
    async def transaction(self, *, one_picture: bool = False) -> AsyncIterator[Transaction]:
        """One READ COMMITTED transaction; with ``one_picture`` all its statements see the same moment (REPEATABLE READ).

        Raises StorageUnavailable where trying again may help.
        """
        isolation: Literal["repeatable_read"] | None = "repeatable_read" if one_picture else None
        async with self._connection() as connection, connection.transaction(isolation=isolation):
            yield Transaction(connection, await self._time(connection))

    @asynccontextmanager
    async def single(self) -> AsyncIterator[Transaction]:
        """One statement, which is a transaction by itself: two round trips fewer. A second one is refused.

        Raises StorageUnavailable where trying again may help.
        """
        async with self._connection() as connection:
            yield _Single(connection, await self._time(connection))

    async def _time(self, connection: asyncpg.pool.PoolConnectionProxy[Row]) -> datetime:
        now = self._clock.now()
        if now is None:
            asked = self._clock.counter()
            now = await connection.fetchval("select clock_timestamp()")
            self._clock.heard(now, asked)
        return now + self.clock_offset

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy[Row]]:
        """A connection of the pool; what the driver raises becomes what Relay means."""
        lost = True
        try:
            async with self._pool.acquire(timeout=self._patience) as connection:
                try:
                    yield connection
                except asyncpg.InterfaceError:
                    lost = _is_lost(connection)
                    raise
        except _PASSING as error:
            _end_if_cancelled()
            raise StorageUnavailable from error
        except asyncpg.InterfaceError as error:
            _end_if_cancelled()
            if not lost:  # a mistake of ours: wrong arguments, for one
                raise
            raise StorageUnavailable from error

    async def run(self, work: Callable[[Transaction], Awaitable[T]], *, single: bool = False) -> T:
        """Do a keyed, repeatable unit of work in one transaction; do it again a few times where that may help.

        ``single``: the work is one statement.
        """
        begin = self.single if single else self.transaction
        for wait in _WAITS:
            with suppress(StorageUnavailable):
                async with begin() as tx:
                    return await work(tx)
            await asyncio.sleep(wait)
        async with begin() as tx:
            return await work(tx)

    async def now(self) -> datetime:
        """The database's time, moved by the sandbox's offset."""
        async with self.transaction() as tx:
            return tx.now

    @asynccontextmanager
    async def listen(self, channel: str, heard: Callable[[str], None]) -> AsyncIterator[asyncio.Event]:
        """Call ``heard`` with the payload of every NOTIFY on the channel, over a connection of its own.

        Yields an event that is set when that connection is lost; listening again is the caller's business.
        """
        lost = asyncio.Event()
        connection = await _connect_one(self._dsn, self._patience)
        try:
            connection.add_termination_listener(lambda *_: lost.set())
            await connection.add_listener(channel, lambda *got: heard(str(got[-1])))
            yield lost
        finally:
            with suppress(*_PASSING):
                await connection.close(timeout=1)

    async def notify(self, channel: str, payload: str) -> None:
        """Give a hint. It may be lost: whoever needs the news also polls."""
        with suppress(*_PASSING):
            async with self._pool.acquire(timeout=_HINT_WITHIN) as connection:
                await connection.execute("select pg_notify($1, $2)", channel, payload, timeout=_HINT_WITHIN)

    async def close(self) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._pool.close(), 5)
            return
        self._pool.terminate()


async def connect(dsn: str, *, connections: int = 16, patience: float = 2.0, statement_cache: int = 512) -> Database:
    """Open a pool. ``patience`` is how long, in seconds, work waits for a connection.

    Raises StorageUnavailable when nobody answers, BadSettings for an address that cannot be read or a refused login.
    """
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=2,
            max_size=connections,
            timeout=patience,
            command_timeout=30,
            statement_cache_size=statement_cache,
            init=_prepare,
            reset=_nothing_to_reset,
            server_settings=SESSION,
        )
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError, ValueError) as error:
        raise BadSettings("RELAY_DATABASE_URL: the database refused this login, or the address is malformed") from error
    except _PASSING as error:
        raise StorageUnavailable("the database does not answer: see RELAY_DATABASE_URL") from error
    return Database(pool, dsn, patience=patience)


def _is_lost(connection: asyncpg.pool.PoolConnectionProxy[Row]) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has taken it back already, because it was broken
        return True


def _end_if_cancelled() -> None:
    """A line that breaks while a task is being cancelled hides the cancellation: the driver raises its own error instead.

    Whoever tries again after such an error would never end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def check_durable(database: Database) -> None:
    """Raise NotDurable when this server may forget what it has confirmed."""
    async with database.transaction() as tx:
        rows = await tx.fetch("select name, setting from pg_settings where name = any($1)", list(_DURABLE))
    for row in rows:
        if row["setting"] not in _DURABLE[row["name"]]:
            raise NotDurable(f"the database has {row['name']} = {row['setting']}: acknowledged texts could be lost")


_DURABLE = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    "synchronous_commit": {"on", "remote_apply", "remote_write", "local"},
}


async def _connect_one(dsn: str, patience: float) -> asyncpg.Connection[Row]:
    try:
        return await asyncpg.connect(dsn, timeout=patience)
    except _PASSING as error:
        raise StorageUnavailable from error


async def _nothing_to_reset(_: asyncpg.Connection[Row]) -> None:
    """The driver's own reset costs a round trip after every transaction. Nothing of ours outlives one: no session settings,
    no cursors, no advisory locks; what listens has a connection of its own. An open transaction is rolled back before this.
    """


async def _prepare(connection: asyncpg.Connection[Row]) -> None:
    """Sessions read and write jsonb as Python values."""
    import json

    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
