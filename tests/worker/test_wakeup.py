"""When a bucket is looked at: as soon as there is a hint, else as planned, never for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from structlog.testing import capture_logs

from relay.storage import database
from relay.storage.database import Database
from relay.worker.wakeup import CHANNEL, Wakeup
from tests.api.database_line import line_to
from tests.services.waiting import until


def test_buckets_are_due_once_when_their_time_has_come() -> None:
    wakeup = Wakeup()
    wakeup.now(1)
    wakeup.at(2, time.monotonic() + 60)
    wakeup.at(3, time.monotonic() - 1)

    assert sorted(wakeup.due()) == [1, 3]
    assert wakeup.due() == []


def test_the_earlier_time_counts_when_a_bucket_is_planned_twice() -> None:
    wakeup = Wakeup()
    wakeup.now(1)
    wakeup.at(1, time.monotonic() + 60)

    assert wakeup.due() == [1]


async def test_waiting_ends_at_once_when_a_bucket_is_due() -> None:
    wakeup = Wakeup()
    wakeup.now(1)
    began = time.monotonic()
    await wakeup.wait(at_most=5)

    assert time.monotonic() - began < 1


async def test_waiting_ends_when_something_is_planned_meanwhile() -> None:
    wakeup = Wakeup()
    waiting = asyncio.create_task(wakeup.wait(at_most=5))
    await asyncio.sleep(0.01)
    wakeup.now(1)
    began = time.monotonic()
    await waiting

    assert time.monotonic() - began < 1


async def test_waiting_ends_after_a_while_when_nothing_happens() -> None:
    began = time.monotonic()
    await Wakeup().wait(at_most=0.05)

    assert 0.04 <= time.monotonic() - began < 1


async def test_a_hint_reaches_the_process_that_owns_the_bucket(db: Database) -> None:
    owner, other = Wakeup(), Wakeup()
    listening = asyncio.create_task(owner.listen(db))

    async def heard() -> bool:
        await other.hint(7, db)
        return owner.due() == [7]

    await until(heard)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)

    assert other.due() == []


async def test_nobody_else_is_told_when_the_bucket_is_served_here(db: Database) -> None:
    here, other = Wakeup(), Wakeup()
    here.served_here = lambda bucket: bucket == 7
    listening = asyncio.create_task(other.listen(db))
    await asyncio.sleep(0.1)
    await here.hint(7, db)
    await asyncio.sleep(0.1)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)

    assert (here.due(), other.due()) == ([7], [])


@asynccontextmanager
async def listening_over(dsn: str, wakeup: Wakeup) -> AsyncIterator[None]:
    """Hear hints over connections of its own."""
    far = await database.connect(dsn, connections=2, patience=0.3)
    listening = asyncio.create_task(wakeup.listen(far))
    yield
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await far.close()


async def test_hints_are_heard_again_when_the_connection_was_lost(dsn: str, db: Database) -> None:
    wakeup = Wakeup()

    async def heard() -> bool:
        await db.notify(CHANNEL, "not a bucket")
        await db.notify(CHANNEL, "7")
        return wakeup.due() == [7]

    async with line_to(dsn) as line, listening_over(line.dsn, wakeup):
        await until(heard)
        line.cut()
        await asyncio.sleep(0.05)
        line.mend()
        await until(heard)


async def test_hints_are_heard_again_when_nobody_answered_for_a_while(dsn: str, db: Database) -> None:
    wakeup = Wakeup()

    async def heard() -> bool:
        await db.notify(CHANNEL, "7")
        return wakeup.due() == [7]

    with capture_logs() as lines:

        async def complained() -> bool:
            return "not_listening" in {line["event"] for line in lines}

        async with line_to(dsn) as line, listening_over(line.dsn, wakeup):
            await until(heard, within=20)
            line.cut()
            await until(complained, within=20)
            line.mend()
            await until(heard, within=20)


def test_a_bucket_is_due_once_when_many_hints_came_together() -> None:
    wakeup = Wakeup()
    for _ in range(1000):
        wakeup.now(7)

    assert wakeup.due() == [7]
    assert wakeup.due() == []


async def test_waiting_goes_on_to_the_next_bucket_when_the_first_has_been_seen_to() -> None:
    """What was due once must not keep the loop spinning."""
    wakeup = Wakeup()
    wakeup.now(1)
    wakeup.at(2, time.monotonic() + 0.2)
    wakeup.due()
    began = time.monotonic()
    await wakeup.wait(at_most=5)

    assert time.monotonic() - began >= 0.19
    assert wakeup.due() == [2]
