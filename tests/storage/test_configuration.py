"""What every process keeps in memory: never older than a second, and asked for no more often than needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from relay.core.errors import StorageUnavailable
from relay.core.model import OnAmbiguous
from relay.storage import database
from relay.storage.configuration import MAX_AGE, Configuration
from tests.api.database_line import DatabaseLine, line_to
from tests.services.people import number, numbers
from tests.services.rig import Rig


@pytest.fixture
async def watched(dsn: str, rig: Rig) -> AsyncIterator[tuple[Configuration, DatabaseLine]]:
    """The cache of another process, and the line over which it asks."""
    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=4)
        yield Configuration(db), line
        line.mend()
        await db.close()


async def test_a_change_of_another_process_is_seen_within_a_second(
    rig: Rig, watched: tuple[Configuration, DatabaseLine]
) -> None:
    here, _ = watched
    before = await here.current()
    await rig.pool("new", numbers(2))
    at_once = await here.current()
    await asyncio.sleep(MAX_AGE + 0.05)

    assert at_once is before
    assert {pool.name for pool in (await here.current()).pools.values()} == {"new"}


async def test_the_database_is_not_asked_when_the_directory_is_younger_than_a_second(
    watched: tuple[Configuration, DatabaseLine],
) -> None:
    here, line = watched
    await here.current()
    said = line.said

    for _ in range(50):
        await here.current()

    assert line.said == said


async def test_only_the_version_is_asked_for_when_nothing_has_changed(
    rig: Rig, watched: tuple[Configuration, DatabaseLine]
) -> None:
    here, line = watched
    first = await here.refreshed()
    await here.refreshed()
    said = line.said
    second = await here.refreshed()
    for_nothing = line.said - said
    await rig.pool("new", numbers(2))
    said = line.said

    assert second is first
    assert await here.refreshed() is not first
    assert line.said - said > for_nothing


async def test_the_database_is_asked_once_when_many_want_to_know_at_the_same_time(
    watched: tuple[Configuration, DatabaseLine],
) -> None:
    here, line = watched
    await here.refreshed()
    await here.refreshed()
    said = line.said
    await here.refreshed()
    for_one = line.said - said

    directories = await asyncio.gather(*(here.refreshed() for _ in range(30)))

    assert len(set(map(id, directories))) == 1
    assert line.said - said <= 3 * for_one


async def test_an_old_directory_is_not_handed_out_when_the_database_is_away(
    watched: tuple[Configuration, DatabaseLine],
) -> None:
    here, line = watched
    await here.current()
    line.cut()
    await asyncio.sleep(MAX_AGE + 0.05)

    with pytest.raises(StorageUnavailable):
        await here.current()


async def test_everything_can_be_looked_up_when_it_has_been_read(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    empty = await rig.pool("empty", [])
    await rig.relay.accounts.change(rig.account.id, {"on_ambiguous": "resend", "allowed_countries": ["US", "CA"]})

    directory = await rig.relay.configuration.refreshed()

    account = directory.accounts[rig.account.id]
    assert (account.on_ambiguous, account.allowed_countries) == (OnAmbiguous.RESEND, ("US", "CA"))
    assert directory.number_by_e164[account.id, number(0)].pool_id == pool.id
    assert [n.e164 for n in directory.numbers_by_pool[pool.id]] == [number(0), number(1)]
    assert directory.numbers_by_pool[empty.id] == ()
    assert directory.buckets == {account.bucket, pool.bucket, empty.bucket}
    assert {p.name for p in directory.pools_of(account.id)} == {"default", "empty"}
