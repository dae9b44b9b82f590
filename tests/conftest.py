"""One PostgreSQL server for the whole run, a migrated database without rows for every test that asks for one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from relay.storage import database, migrate
from relay.storage.database import Database
from relay.storage.embedded import EmbeddedServer, find_binaries, start_embedded
from tests.databases import Databases, in_database

_TEMPLATE = "relay_template"


@pytest.fixture(scope="session")
def pg_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A running server, durable as in production."""
    binaries = find_binaries(Path(os.environ["RELAY_PG_BIN"]) if "RELAY_PG_BIN" in os.environ else None)
    settings = {"track_commit_timestamp": "on"}  # lets a test see what was committed before what
    with start_embedded(tmp_path_factory.mktemp("postgres"), binaries=binaries, settings=settings) as server:
        yield server


@pytest.fixture(scope="session")
def template(pg_server: EmbeddedServer) -> str:
    """The name of a migrated, empty database."""

    async def make() -> None:
        await _execute(pg_server.dsn, f"create database {_TEMPLATE}")
        db = await database.connect(in_database(pg_server.dsn, _TEMPLATE), connections=4)
        await migrate.migrate(db)
        await db.close()

    asyncio.run(make())
    return _TEMPLATE


@pytest.fixture(scope="session")
def strategy(pg_server: EmbeddedServer) -> str:
    """How a database is copied: as files, where PostgreSQL can be told so. Its own way is twice as dear for a small one."""
    version = asyncio.run(_value(pg_server.dsn, "select current_setting('server_version_num')::int"))
    return "strategy file_copy" if version >= 150_000 else ""


@pytest.fixture(scope="session")
def databases(pg_server: EmbeddedServer, template: str, strategy: str) -> Databases:
    return Databases(pg_server.dsn, template, strategy)


@pytest.fixture
def dsn(databases: Databases) -> Iterator[str]:
    """A migrated database without rows."""
    address = databases.take()
    yield address
    databases.give_back(address)


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Database]:
    """A pool of connections to a fresh migrated database."""
    opened = await database.connect(dsn, connections=40)
    yield opened
    await opened.close()


async def _value(dsn: str, statement: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        value: int = await connection.fetchval(statement)
        return value
    finally:
        await connection.close()


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
