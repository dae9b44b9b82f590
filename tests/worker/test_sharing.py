"""Several processes share the buckets: whoever joins gets some, what a leaver or a dead one held goes to the others, and
a number does not become faster by changing hands."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from relay.core.pacing import Pace
from relay.storage import database, outbox
from relay.storage.configuration import Configuration
from relay.storage.database import Database
from relay.worker.leases import Leases
from relay.worker.legs import Paces
from tests.services.people import numbers
from tests.services.rig import Rig, start_talk

LASTING = timedelta(seconds=2)


@pytest.fixture
async def buckets(rig: Rig) -> set[int]:
    """An account and as many pools as it takes to have ten: now and then two fall into one."""
    found = {rig.account.bucket}
    for n in itertools.count():
        if len(found) == 10:
            break
        found.add((await rig.pool(f"pool {n}", numbers(1, start=n))).bucket)
    return found


@asynccontextmanager
async def processes(dsn: str, count: int) -> AsyncIterator[list[Leases]]:
    """So many, each with its own connections."""
    databases = [await database.connect(dsn, connections=4) for _ in range(count)]
    yield [Leases(db, Configuration(db), lasting=LASTING, taken=lambda _: None) for db in databases]
    for db in databases:
        await db.close()


def shares(everybody: list[Leases]) -> list[int]:
    return sorted(len(leases.held()) for leases in everybody)


def owned(everybody: list[Leases]) -> list[int]:
    return sorted(lease.bucket for leases in everybody for lease in leases.held())


async def turns(everybody: list[Leases], rounds: int) -> None:
    """Let every process have so many turns, all at once in each round."""
    for _ in range(rounds):
        await asyncio.gather(*(leases.turn() for leases in everybody))


async def test_buckets_are_shared_evenly_when_processes_join_one_by_one(dsn: str, buckets: set[int]) -> None:
    seen = []
    async with processes(dsn, 4) as everybody:
        for count in range(1, 5):
            await turns(everybody[:count], rounds=4)
            seen.append(shares(everybody[:count]))
            assert owned(everybody[:count]) == sorted(buckets)

    assert seen == [[10], [5, 5], [3, 3, 4], [2, 2, 3, 3]]


async def test_the_others_get_its_buckets_when_a_process_leaves(dsn: str, buckets: set[int]) -> None:
    async with processes(dsn, 3) as everybody:
        await turns(everybody, rounds=5)
        await everybody[0].release()
        await turns(everybody[1:], rounds=2)

        assert shares(everybody[1:]) == [5, 5]
        assert owned(everybody[1:]) == sorted(buckets)


async def test_the_others_get_its_buckets_when_a_process_dies(dsn: str, buckets: set[int]) -> None:
    async with processes(dsn, 3) as everybody:
        await turns(everybody, rounds=5)
        for _ in range(12):  # it says nothing more, and its last word is forgotten after as long as a lease lasts
            await turns(everybody[1:], rounds=1)
            await asyncio.sleep(0.25)

        assert owned(everybody[1:]) == sorted(buckets)
        assert shares(everybody[1:]) == [5, 5]


async def test_a_bucket_is_kept_and_nothing_new_begins_in_it_when_a_send_of_it_is_under_way(
    dsn: str, buckets: set[int]
) -> None:
    async with processes(dsn, 2) as (mine, theirs):
        await turns([mine], rounds=1)
        before = mine.held()
        mine.busy = lambda _: True
        for process in (theirs, mine, theirs):
            await process.turn()
        leaving = [lease for lease in before if mine.get(lease.bucket) is None]
        still_may_write = all(mine.until(lease) > 0 for lease in leaving)
        theirs_meanwhile = len(theirs.held())
        mine.busy = lambda _: False
        await turns([mine], rounds=1)
        await turns([theirs], rounds=1)

        assert (len(leaving), still_may_write, theirs_meanwhile) == (5, True, 0)
        assert shares([mine, theirs]) == [5, 5]
        assert all(mine.until(lease) == 0.0 for lease in leaving)


async def test_a_leaving_bucket_is_used_again_when_the_other_process_goes_away(dsn: str, buckets: set[int]) -> None:
    async with processes(dsn, 2) as (mine, theirs):
        await turns([mine], rounds=1)
        mine.busy = lambda _: True
        await theirs.turn()
        await mine.turn()
        fewer = len(mine.held())
        await theirs.release()
        await turns([mine], rounds=1)

        assert (fewer, len(mine.held())) == (5, 10)


async def test_a_number_keeps_its_pace_when_its_bucket_changes_hands(rig: Rig, db: Database) -> None:
    """Three segments a moment ago at one segment a second: the new owner waits for the rest of those three seconds."""
    talk = await start_talk(rig, pool=await rig.pool("slow", numbers(1), rate=1.0))
    await talk.say("x" * 400)
    await rig.send_all(talk.bucket)
    directory = await rig.relay.configuration.refreshed()
    rig.later(seconds=1)
    async with db.transaction() as tx:
        spent = await outbox.begun_lately(tx, talk.bucket, timedelta(seconds=60))
        long_ago = await outbox.begun_lately(tx, talk.bucket, timedelta(seconds=0.5))
    paces = Paces({spent[0].number_id: Pace(1.0, free_at=5000.0)})
    paces.inherit(spent, 100.0, directory)

    (waiting,) = paces.waiting(directory.numbers, 100.0)
    assert long_ago == []
    assert paces.next_ready([waiting], 100.0) == pytest.approx(102.0, abs=0.5)
    assert directory.numbers[waiting].e164 == talk.proxy(2)
