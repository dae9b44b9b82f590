"""The API over one database and one event loop for all of these tests, and the log that it writes meanwhile.

A loop, a pool of connections and a database for each test would take longer than the tests. What a test leaves behind
in tables that every process reads whole is removed after it; of all other rows it sees those of its own account.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from inspect import iscoroutinefunction
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from relay.storage import database
from relay.storage.database import Database
from relay.storage.embedded import EmbeddedServer
from tests.api.rig import PUBLIC_URL, Api, Log, at_the_door, caught_log
from tests.databases import in_database
from tests.services.rig import make_rig

_NAME = "relay_api"
_HERE = Path(__file__).parent
_READ_WHOLE = ("endpoint", "number", "pool", "connection", "account", "lease")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in one loop, as their fixtures do."""
    for item in items:
        if item.path.is_relative_to(_HERE) and isinstance(item, pytest.Function) and _is_async(item.function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def _is_async(function: Callable[..., object]) -> bool:
    """Hypothesis hides the test that it plays behind a function that awaits nothing."""
    return iscoroutinefunction(getattr(getattr(function, "hypothesis", None), "inner_test", function))


@pytest.fixture(scope="session")
def shared_dsn(pg_server: EmbeddedServer, template: str) -> str:
    """A migrated database for all of these tests; that it survives a power cut is tested elsewhere and slow."""

    async def make() -> None:
        connection = await asyncpg.connect(pg_server.dsn)
        await connection.execute(f"create database {_NAME} template {template}")
        await connection.execute(f"alter database {_NAME} set synchronous_commit = off")
        await connection.close()

    asyncio.run(make())
    return in_database(pg_server.dsn, _NAME)


@pytest.fixture(autouse=True)
def log() -> Iterator[Log]:
    """Every line that is written during the test."""
    with caught_log() as log:
        yield log


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_pool(shared_dsn: str) -> AsyncIterator[Database]:
    opened = await database.connect(shared_dsn, connections=8)
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def shared_db(shared_pool: Database) -> AsyncIterator[Database]:
    """The shared database, at its own time and without anybody's account."""
    shared_pool.clock_offset = timedelta()
    yield shared_pool
    async with shared_pool.transaction() as tx:
        for table in _READ_WHOLE:
            await tx.execute(f"delete from {table}")
        await tx.execute("update configuration set version = version + 1")


@pytest_asyncio.fixture(loop_scope="session")
async def api(shared_db: Database) -> AsyncIterator[Api]:
    """An account of its own at the API, with a ready pool ``default`` of three numbers."""
    async with at_the_door(await make_rig(shared_db, public_url=PUBLIC_URL)) as api:
        yield api
