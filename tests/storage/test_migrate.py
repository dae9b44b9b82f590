"""Bringing a schema up to date: once, whole, and never over a database that this version does not know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from relay.core.errors import MigrationRefused, StorageUnavailable
from relay.storage import database, migrate
from relay.storage.database import Database
from tests.api.database_line import line_to

pytestmark = pytest.mark.long

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
        if await tx.fetchval("select to_regclass('schema_migration')") is None:
            return []
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


async def test_the_next_one_need_not_wait_when_a_file_has_failed(empty: Database) -> None:
    await do(empty, "create table api_key ()")
    with pytest.raises(asyncpg.DuplicateTableError):
        await migrate.migrate(empty)

    async with empty.transaction() as tx:
        assert await tx.fetchval("select owner is null and until < now() from migration_lease")
    with pytest.raises(MigrationRefused, match=rf"lacks {len(NAMES) - 1} migration"):
        await migrate.check(empty)


async def test_every_file_is_whole_or_not_there_when_the_connection_is_lost_at_any_word(
    empty_dsn: str, empty: Database
) -> None:
    """Each try dies a few words later than the one before, on its way through the files that are left."""
    done = []
    async with line_to(empty_dsn) as line:
        for words in range(1, 62, 4):
            far = await database.connect(line.dsn, connections=2, patience=0.3)
            far.clock_offset = timedelta(minutes=2 * words)  # the lease of the one that died has run out
            line.breaks_after = words
            with suppress(StorageUnavailable):
                await migrate.migrate(far, patience=1.0)
            line.mend()
            await far.close()
            done.append(await applied(empty))
    empty.clock_offset = timedelta(days=1)
    await migrate.migrate(empty)

    assert len({len(names) for names in done}) > 3
    assert all(names == NAMES[: len(names)] for names in done)
    assert await applied(empty) == NAMES
    await migrate.check(empty)


async def test_nobody_is_kept_waiting_for_ever_when_the_first_tables_cannot_be_made(empty: Database) -> None:
    """Somebody else's type has the name of ours."""
    await do(empty, "create type schema_migration as enum ('theirs')")

    with pytest.raises(MigrationRefused, match="first tables"):
        async with asyncio.timeout(30):
            await migrate.migrate(empty)


async def test_migrating_waits_for_whoever_is_at_it_and_goes_on_when_that_one_is_done(empty: Database) -> None:
    await migrate.migrate(empty)
    await do(empty, f"update migration_lease set owner = '{uuid4()}', until = now() + interval '1 h'")
    waiting = asyncio.create_task(migrate.migrate(empty, patience=30.0))
    await asyncio.wait([waiting], timeout=0.5)
    began = waiting.done()
    await do(empty, "update migration_lease set owner = null, until = '-infinity'")

    assert not began
    assert await waiting == []


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
