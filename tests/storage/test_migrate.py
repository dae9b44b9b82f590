"""Bringing a schema up to date: once, whole, and never over a database that this version does not know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from relay.core.errors import MigrationRefused
from relay.storage import database, migrate
from relay.storage.database import Database

NAMES = [migration.name for migration in migrate.migrations()]


@pytest.fixture
async def empty(empty_dsn: str) -> AsyncIterator[Database]:
    opened = await database.connect(empty_dsn, connections=12)
    yield opened
    await opened.close()


async def do(db: Database, statement: str) -> None:
    async with db.transaction() as tx:
        await tx.execute(statement)


async def applied(db: Database) -> list[str]:
    async with db.transaction() as tx:
        return [row["name"] for row in await tx.fetch("select name from schema_migration order by number")]


async def test_everything_is_applied_in_order_when_the_database_is_empty(empty: Database) -> None:
    assert await migrate.migrate(empty) == NAMES
    assert await applied(empty) == NAMES
    await migrate.check(empty)


async def test_nothing_is_applied_when_the_schema_is_up_to_date(empty: Database) -> None:
    await migrate.migrate(empty)

    assert await migrate.migrate(empty) == []


async def test_each_file_is_applied_once_when_several_processes_start_at_once(empty: Database) -> None:
    done = await asyncio.gather(*(migrate.migrate(empty) for _ in range(5)))

    assert sorted(name for names in done for name in names) == NAMES
    await migrate.check(empty)


async def test_a_database_is_refused_when_nobody_has_migrated_it(empty: Database) -> None:
    with pytest.raises(MigrationRefused, match="relay migrate"):
        await migrate.check(empty)


async def test_a_database_is_refused_when_a_file_was_changed_after_it_was_applied(db: Database) -> None:
    await do(db, "update schema_migration set checksum = 'another' where number = 2")

    for refusing in (migrate.check(db), migrate.migrate(db)):
        with pytest.raises(MigrationRefused, match=f"{NAMES[1]} was changed"):
            await refusing


async def test_a_database_is_refused_when_a_newer_version_has_migrated_it(db: Database) -> None:
    await do(db, "insert into schema_migration values (9999, '9999_later', 'x', now())")

    for refusing in (migrate.check(db), migrate.migrate(db)):
        with pytest.raises(MigrationRefused, match="upgrade"):
            await refusing


async def test_nothing_of_a_file_is_there_when_it_failed_halfway(empty: Database) -> None:
    """Its last table is in the way, and its first ones are gone again."""
    await do(empty, "create table api_key ()")

    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate.migrate(empty)

    assert await applied(empty) == NAMES[:1]
    async with empty.transaction() as tx:
        assert await tx.fetchval("select to_regclass('account')") is None
    await do(empty, "drop table api_key")
    assert await migrate.migrate(empty, patience=1.0) == NAMES[1:]


async def test_migrating_gives_up_when_another_process_is_at_it_for_too_long(db: Database) -> None:
    await do(
        db, "update migration_lease set owner = '00000000-0000-7000-8000-000000000001', until = now() + interval '1 h'"
    )

    with pytest.raises(MigrationRefused, match="too long"):
        await migrate.migrate(db, patience=0.3)


async def test_migrating_goes_on_when_another_process_died_at_it(db: Database) -> None:
    await do(
        db, "update migration_lease set owner = '00000000-0000-7000-8000-000000000001', until = now() - interval '1 s'"
    )

    assert await migrate.migrate(db, patience=0.3) == []


async def test_files_are_numbered_without_a_gap_when_they_are_read() -> None:
    assert [migration.number for migration in migrate.migrations()] == list(range(1, len(NAMES) + 1))
    assert all(migration.sql.startswith("--") for migration in migrate.migrations())
