"""Who owns a bucket, when two want it, when one is late, and when the database is away."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from relay.storage import database
from relay.storage import leases as rows
from relay.storage.configuration import Configuration
from relay.storage.database import Database
from relay.worker.leases import Leases
from tests.api.database_line import line_to
from tests.services.people import numbers
from tests.services.rig import Rig
from tests.services.waiting import until

LASTING = timedelta(seconds=2)
LONG = timedelta(seconds=20)  # no lease of this length runs out by itself while a test looks


@pytest.fixture
async def buckets(rig: Rig) -> set[int]:
    """Where anything can happen: three pools and their account."""
    pools = [await rig.pool(name, numbers(1, start=n)) for n, name in enumerate(("one", "two", "three"))]
    return {rig.account.bucket, *(pool.bucket for pool in pools)}


def leases_over(db: Database, *, lasting: timedelta = LASTING, taken: Callable[[int], None] = lambda _: None) -> Leases:
    return Leases(db, Configuration(db), lasting=lasting, taken=taken)


@asynccontextmanager
async def another_process(dsn: str, *, ahead: timedelta = timedelta(0)) -> AsyncIterator[Leases]:
    """Leases of a process with its own connections, asking at a later time."""
    db = await database.connect(dsn, connections=4)
    db.clock_offset = ahead
    yield leases_over(db)
    await db.close()


async def test_every_bucket_is_taken_and_told_when_nobody_holds_any(db: Database, buckets: set[int]) -> None:
    told: list[int] = []
    mine = leases_over(db, taken=told.append)

    await mine.turn()

    assert {lease.bucket for lease in mine.held()} == buckets == set(told)
    assert {lease.epoch for lease in mine.held()} == {1}


async def test_a_bucket_has_one_owner_when_two_want_it(db: Database, dsn: str, buckets: set[int]) -> None:
    mine = leases_over(db)
    async with another_process(dsn) as theirs:
        await asyncio.gather(mine.turn(), theirs.turn())
        owned = [lease.bucket for leases in (mine, theirs) for lease in leases.held()]

    assert sorted(owned) == sorted(buckets)


async def test_a_bucket_passes_on_under_a_new_epoch_when_its_lease_has_run_out(
    db: Database, dsn: str, buckets: set[int]
) -> None:
    mine = leases_over(db)
    await mine.turn()
    async with another_process(dsn, ahead=LASTING + timedelta(seconds=1)) as theirs:
        await theirs.turn()
        epochs = {lease.epoch for lease in theirs.held()}
        await mine.turn()

    assert epochs == {2}
    assert mine.held() == []


async def test_a_bucket_stays_mine_under_the_same_epoch_when_it_is_renewed(db: Database, buckets: set[int]) -> None:
    mine = leases_over(db)
    for _ in range(3):
        await mine.turn()

    assert {lease.epoch for lease in mine.held()} == {1}
    assert len(mine.held()) == len(buckets)


async def test_a_bucket_stays_mine_when_its_lease_ran_out_and_nobody_took_it(db: Database, buckets: set[int]) -> None:
    mine = leases_over(db)
    await mine.turn()
    db.clock_offset = 2 * LASTING
    await mine.turn()

    assert {lease.epoch for lease in mine.held()} == {1}


async def test_a_bucket_is_free_at_once_when_it_was_released(db: Database, dsn: str, buckets: set[int]) -> None:
    mine = leases_over(db)
    await mine.turn()
    await mine.release()
    async with another_process(dsn) as theirs:
        await theirs.turn()
        taken = theirs.held()

    assert mine.held() == []
    assert {lease.bucket for lease in taken} == buckets
    assert {lease.epoch for lease in taken} == {2}


async def test_a_lease_is_trusted_for_less_than_it_lasts(db: Database, buckets: set[int]) -> None:
    """So that this process stops before the database lets another one in."""
    mine = leases_over(db, lasting=timedelta(seconds=0.8))
    before = time.monotonic()
    await mine.turn()
    bucket = next(iter(buckets))

    assert all(lease.until <= time.monotonic() + 0.6 for lease in mine.held())
    assert mine.get(bucket) is not None
    await asyncio.sleep(max(0.0, before + 0.75 - time.monotonic()))
    assert mine.get(bucket) is None
    assert mine.held() == []


async def test_a_new_pools_bucket_is_taken_when_it_appears(rig: Rig, db: Database, buckets: set[int]) -> None:
    mine = leases_over(db)
    await mine.turn()
    pool = await rig.pool("four", numbers(1, start=9))
    await asyncio.sleep(1.05)
    await mine.turn()

    assert mine.get(pool.bucket) is not None


async def test_nothing_is_held_when_the_database_is_away_and_all_again_when_it_is_back(
    dsn: str, buckets: set[int]
) -> None:
    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=4, patience=0.2)
        mine = leases_over(db, lasting=timedelta(seconds=0.8))
        running = asyncio.create_task(mine.run())

        async def held() -> bool:
            return {lease.bucket for lease in mine.held()} == buckets

        async def none_held() -> bool:
            return mine.held() == []

        await until(held)
        line.cut()
        await until(none_held)
        line.mend()
        await until(held)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        line.cut()
        await mine.release()
        await db.close()


async def reach(db: Database, bucket: int) -> int | None:
    """One owner among many tries to take a bucket; the epoch that it got."""
    async with db.transaction() as tx:
        return await rows.take(tx, bucket, uuid4(), LASTING)


async def test_a_bucket_is_given_to_one_when_many_reach_for_it(db: Database) -> None:
    """The first time there is no row yet to wait for; later all of them wait for the same one."""
    given = []
    for _ in range(5):
        answers = await asyncio.gather(*(reach(db, 7) for _ in range(20)))
        given.append([epoch for epoch in answers if epoch is not None])
        db.clock_offset += LASTING + timedelta(seconds=1)

    assert given == [[1], [2], [3], [4], [5]]


async def test_no_bucket_is_had_by_two_under_one_epoch_when_processes_vanish(dsn: str, buckets: set[int]) -> None:
    """All that are left take their turns at once; then the first of them says nothing more for as long as a lease."""
    had: dict[tuple[int, int], set[UUID]] = defaultdict(set)
    databases = [await database.connect(dsn, connections=4) for _ in range(5)]
    processes = [leases_over(db, lasting=LONG) for db in databases]
    for gone in range(len(processes)):
        for _ in range(3):
            await asyncio.gather(*(leases.turn() for leases in processes[gone:]))
        now_held = [(lease, leases.owner) for leases in processes[gone:] for lease in leases.held()]
        assert sorted(lease.bucket for lease, _ in now_held) == sorted(buckets)
        for lease, owner in now_held:
            had[lease.bucket, lease.epoch].add(owner)
        for db in databases:
            db.clock_offset += LONG + timedelta(seconds=1)
    await asyncio.gather(*(db.close() for db in databases))

    assert {len(owners) for owners in had.values()} == {1}
    assert max(epoch for _, epoch in had) > 1
