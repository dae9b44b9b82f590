"""A marketplace over real tables, and a database with nothing in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import pytest

from relay.storage.database import Database
from relay.storage.embedded import EmbeddedServer
from tests.databases import in_database
from tests.services.moves import watched_moves
from tests.services.rig import Rig, make_rig


@pytest.fixture
async def rig(db: Database) -> AsyncIterator[Rig]:
    async with watched_moves(db):
        yield await make_rig(db)


@pytest.fixture
def empty_dsn(pg_server: EmbeddedServer) -> Iterator[str]:
    """A database without a single table."""
    name = f"relay_empty_{uuid4().hex}"
    asyncio.run(execute(pg_server.dsn, f"create database {name}"))
    yield in_database(pg_server.dsn, name)
    asyncio.run(execute(pg_server.dsn, f"drop database {name} with (force)"))


async def execute(dsn: str, *statements: str) -> None:
    """Run statements outside of Relay's own pool."""
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()
