"""The API over a database that these tests share, and the log that it writes meanwhile.

Every test has an account of its own, and no account ever sees another's rows: that saves making a database for each. A
test that counts rows counts those of its account, or asks for a fresh database by ``dsn``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from relay.storage import database
from relay.storage.database import Database
from relay.storage.embedded import EmbeddedServer
from tests.api.rig import PUBLIC_URL, Api, Log, at_the_door, caught_log
from tests.conftest import in_database
from tests.services.rig import make_rig

_NAME = "relay_api"


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


@pytest.fixture
async def shared_db(shared_dsn: str) -> AsyncIterator[Database]:
    opened = await database.connect(shared_dsn, connections=8)
    yield opened
    async with opened.transaction() as tx:  # what every process reads whole would grow from test to test
        for table in ("number", "pool", "connection", "account", "lease"):
            await tx.execute(f"delete from {table}")
        await tx.execute("update configuration set version = version + 1")
    await opened.close()


@pytest.fixture
async def api(shared_db: Database) -> AsyncIterator[Api]:
    """An account of its own at the API, with a ready pool ``default`` of three numbers."""
    async with at_the_door(await make_rig(shared_db, public_url=PUBLIC_URL)) as api:
        yield api
