"""A worker and what wakes it: a hint from another process, the poll where no hint comes, and few looks for many hints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial

import pytest

from relay.storage import database
from relay.wiring import Relay, build
from tests.api.database_line import line_to
from tests.services.rig import Rig, Talk, start_talk
from tests.services.waiting import until
from tests.worker.at_work import SlowCarrier, holds, took, working

FOR_EVER = 600.0  # seconds: a poll that no test lives to see


@pytest.fixture
async def talk(rig: Rig) -> Talk:
    return await start_talk(rig)


@pytest.fixture
async def elsewhere(rig: Rig, dsn: str) -> AsyncIterator[Relay]:
    """Another process of the same installation: it takes texts in and sends none."""
    db = await database.connect(dsn, connections=4)
    yield build(rig.relay.settings, db, rig.relay.vault, rig.relay.transport)
    await db.close()


def through(talk: Talk, relay: Relay) -> Talk:
    """The same two people, whose texts arrive at that process."""
    return replace(talk, rig=replace(talk.rig, relay=relay))


async def somebody_listens(rig: Rig) -> bool:
    sql = "select 1 from pg_stat_activity where datname = current_database() and query ilike 'listen %'"
    return bool(await rig.rows(sql))


async def test_a_text_leaves_when_another_process_took_it_in_and_told(
    rig: Rig, carrier: SlowCarrier, talk: Talk, elsewhere: Relay
) -> None:
    async with working(rig.relay, idle_poll=FOR_EVER) as worker:
        listening = asyncio.create_task(rig.relay.wakeup.listen(rig.relay.database))
        await until(lambda: somebody_listens(rig), within=20)
        await until(lambda: holds(worker, talk.bucket), within=20)
        await through(talk, elsewhere).say("hello")
        await until(lambda: took(carrier, 1), within=20)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)

    assert carrier.read_by(talk.other) == ["hello"]


async def test_a_text_leaves_when_the_hint_was_lost(
    rig: Rig, carrier: SlowCarrier, talk: Talk, elsewhere: Relay
) -> None:
    """Nobody listens at all, as while a connection is being made anew."""
    async with working(rig.relay, idle_poll=0.3) as worker:
        await until(lambda: holds(worker, talk.bucket), within=20)
        for n in range(2):
            await through(talk, elsewhere).say(f"{n}")
            await until(partial(took, carrier, n + 1), within=20)

    assert carrier.read_by(talk.other) == ["0", "1"]


async def test_the_database_is_hardly_asked_when_hints_come_by_the_hundred(
    rig: Rig, carrier: SlowCarrier, talk: Talk, dsn: str
) -> None:
    """A look is several words. What comes during one is answered by one more, after which the text has left."""
    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=4)
        far = build(rig.relay.settings, db, rig.relay.vault, rig.relay.transport)
        async with working(far, lasting=60.0, idle_poll=FOR_EVER) as worker:
            await until(lambda: holds(worker, talk.bucket), within=20)
            said = line.said
            for _ in range(500):
                far.wakeup.now(talk.bucket)
                await asyncio.sleep(0)
            await talk.say("hello")
            far.wakeup.now(talk.bucket)
            await until(lambda: took(carrier, 1), within=20)
            words = line.said - said
        await db.close()

    assert words < 250
