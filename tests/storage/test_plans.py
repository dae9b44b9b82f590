"""Plans do not depend on the moment: the tables are empty when a process begins, and full when its plans are still in use."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from relay.storage import database, queries
from relay.storage.database import Database
from relay.storage.embedded import EmbeddedServer
from tests.databases import in_database

#: Small tables and rare statements that nobody waits for; and what has no plan.
_EXEMPT = {
    "configuration.accounts",
    "configuration.connections",
    "configuration.endpoints",
    "configuration.numbers",
    "configuration.pools",
    "configuration.remove_connection",
    "endpoints.add",
    "hooks.all",
    "keyring.forget_holders",
    "keyring.holders",
    "keyring.published",
    "keyring.put_in_use",
    "keyring.untold",
    "leases.sign_out",
    "migrate.make_lease",
    "migrate.make_table",
}
STATEMENTS = [
    (module, name) for module in queries.modules() for name in queries.load(module) if f"{module}.{name}" not in _EXEMPT
]


@pytest.mark.parametrize(("module", "name"), STATEMENTS, ids=[f"{m}.{n}" for m, n in STATEMENTS])
async def test_a_plan_reads_no_table_whole_when_it_is_made_over_empty_tables(
    connection: asyncpg.Connection[asyncpg.Record], module: str, name: str
) -> None:
    statement = queries.load(module)[name]
    await connection.execute("set plan_cache_mode = force_generic_plan")

    assert "Seq Scan" not in await _plan(connection, statement, ["null"] * _parameters(statement))


@pytest.fixture
async def connection(pg_server: EmbeddedServer, template: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """With the settings that every connection of Relay has."""
    found = await asyncpg.connect(
        in_database(pg_server.dsn, template), server_settings=database.SESSION, statement_cache_size=0
    )
    yield found
    await found.close()


async def test_the_head_of_a_leg_is_found_by_its_index_when_the_statistics_know_another_bucket_only(
    db: Database, dsn: str
) -> None:
    connection = await asyncpg.connect(dsn, server_settings=database.SESSION)
    await connection.execute(_FILL, 2_000)
    await connection.execute("update outbox set bucket = 600")
    await connection.execute("vacuum analyze outbox")
    await connection.execute(_FILL, 20_000)
    await connection.execute("set plan_cache_mode = force_custom_plan")

    plan = await _plan(connection, queries.load("outbox")["due"], ["500", "now()", "200", "'{}'"])
    await connection.close()

    assert set(re.findall(r"using (\w+) on", plan)) == {"outbox_due", "outbox_leg"}


_FILL = """
insert into outbox (bucket, message_id, account_id, session_id, to_participant, leg_no, party_index, kind, number_id,
                    segments, sealed_phone, sealed_text, transit_id, arrived_at, due_at, deadline_at)
select 500 + n % 4, gen_random_uuid(), s.id, s.id, s.id, n, 'x', 'relay', s.id, 1, 'x', 'x', 1, now(), now(),
       now() + interval '1 day'
  from generate_series(1, $1) as n, lateral (select md5((n % 400)::text)::uuid as id) as s
"""


def _parameters(statement: str) -> int:
    return max((int(n) for n in re.findall(r"\$(\d+)", statement)), default=0)


async def _plan(connection: asyncpg.Connection[asyncpg.Record], statement: str, arguments: list[str]) -> str:
    await connection.execute(f"prepare tried as {statement}")
    given = f"({', '.join(arguments)})" if arguments else ""
    lines = await connection.fetch(f"explain execute tried{given}")
    return "\n".join(line[0] for line in lines)
