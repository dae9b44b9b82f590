"""Every column of the migrated database has a data class, and every class names columns that are there; of every table it is
known whom a leak concerns."""

from __future__ import annotations

import asyncpg

from relay.core.affected import TOLD
from relay.core.retention import classified
from relay.storage.embedded import EmbeddedServer
from tests.databases import in_database

_COLUMNS = """
select t.relname as name, a.attname as attribute
  from pg_class t join pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
 where t.relnamespace = 'public'::regnamespace and t.relkind in ('r', 'p') and not t.relispartition
"""


async def columns_of(dsn: str, *, first: str = "") -> set[tuple[str, str]]:
    """Every column of every table, partitions left out. ``first`` is done before, and undone."""
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(first or "select 1")
            rows = await connection.fetch(_COLUMNS)
            await connection.execute("rollback")
            await connection.execute("begin")
    finally:
        await connection.close()
    return {(row["name"], row["attribute"]) for row in rows}


async def test_every_column_has_a_class_and_every_class_its_columns_when_the_database_is_read(
    pg_server: EmbeddedServer, template: str
) -> None:
    there = await columns_of(in_database(pg_server.dsn, template))
    listed = {(table, column) for table, column, _ in classified()}

    assert there - listed == set(), "without a data class: see relay/core/data_rules.py"
    assert listed - there == set(), "a data class names what is not there"
    assert len(there) > 150


async def test_of_every_table_it_is_known_whom_a_leak_concerns_when_the_database_is_read(
    pg_server: EmbeddedServer, template: str
) -> None:
    added = "create table extra (bucket smallint not null, primary key (bucket))"
    dsn = in_database(pg_server.dsn, template)
    there, with_one_more = [{table for table, _ in await columns_of(dsn, first=first)} for first in ("", added)]

    assert there == set(TOLD), "see relay/core/affected.py"
    assert with_one_more - set(TOLD) == {"extra"}


async def test_a_column_is_missed_when_somebody_adds_one_without_a_class(
    pg_server: EmbeddedServer, template: str
) -> None:
    added = (
        "alter table message add column note text; create table extra (bucket smallint not null, primary key (bucket))"
    )
    there = await columns_of(in_database(pg_server.dsn, template), first=added)

    assert there - {(t, c) for t, c, _ in classified()} == {("message", "note"), ("extra", "bucket")}
