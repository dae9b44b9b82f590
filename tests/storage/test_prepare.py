"""Every statement of ``sql/queries`` is one that the migrated schema understands."""

from __future__ import annotations

import asyncpg
import pytest

from relay.storage import queries
from relay.storage.embedded import EmbeddedServer
from tests.databases import in_database

STATEMENTS = [(module, name) for module in queries.modules() for name in queries.load(module)]


@pytest.mark.parametrize(("module", "name"), STATEMENTS, ids=[f"{m}.{n}" for m, n in STATEMENTS])
async def test_statement_prepares_on_the_migrated_schema(dsn_for_module: str, module: str, name: str) -> None:
    connection = await asyncpg.connect(dsn_for_module)
    try:
        await connection.prepare(queries.load(module)[name])
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def dsn_for_module(pg_server: EmbeddedServer, template: str) -> str:
    return in_database(pg_server.dsn, template)
