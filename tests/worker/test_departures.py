"""Texts that leave as they come in, over a real sender: at once where they may, in order and at the pace of their number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from relay.core.errors import StorageUnavailable
from relay.storage import database
from relay.wiring import build
from tests.api.database_line import line_to
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, new_sid, start_talk
from tests.services.waiting import until
from tests.worker.at_work import SlowCarrier, Worker, all_sent, holds, in_hand, talks_in, took, working


async def served(rig: Rig, worker: Worker, bucket: int) -> None:
    """The worker owns the bucket and has looked into it. From now on nobody tells it of new texts."""
    await until(lambda: holds(worker, bucket))
    await asyncio.sleep(0.3)

    async def unheard(_: int) -> None:
        pass

    rig.relay.inbound.queued = unheard


async def test_a_text_leaves_at_once_when_nobody_looks_for_it(rig: Rig, carrier: SlowCarrier) -> None:
    talk = await start_talk(rig)
    async with working(rig.relay, idle_poll=60) as worker:
        await served(rig, worker, talk.bucket)
        await talk.say("hello")
        await until(lambda: all_sent(rig))

    assert carrier.read_by(talk.other) == ["hello"]


async def test_texts_of_a_leg_arrive_in_order_when_the_first_is_slow(rig: Rig, carrier: SlowCarrier) -> None:
    carrier.latency = 0.2
    talk = await start_talk(rig)
    async with working(rig.relay) as worker:
        await until(lambda: holds(worker, talk.bucket))
        await asyncio.sleep(0.3)
        for n in range(6):
            await talk.say(f"{n}")
        await until(lambda: all_sent(rig), within=10)

    assert carrier.read_by(talk.other) == [f"{n}" for n in range(6)]


async def test_only_one_leaves_when_a_number_is_slow_and_two_people_are_texted_from_it(
    rig: Rig, carrier: SlowCarrier
) -> None:
    pool = await rig.pool("slow", numbers(2), rate=0.1)
    talks = await talks_in(rig, pool, 4)
    used = {talk.proxy(2) for talk in talks}  # one or both: chance decides
    async with working(rig.relay) as worker:
        await until(lambda: holds(worker, pool.bucket))
        await asyncio.sleep(0.3)
        for talk in talks:
            await talk.say("hello")
        await until(lambda: took(carrier, len(used)))
        await asyncio.sleep(0.3)

    assert set(carrier.came) == used
    assert {len(came) for came in carrier.came.values()} == {1}


async def test_no_more_leave_than_there_are_sockets_when_many_come_at_once(rig: Rig, carrier: SlowCarrier) -> None:
    carrier.latency = 0.1
    pool = await rig.pool("default", numbers(8))
    talks = await talks_in(rig, pool, 8)
    async with working(rig.relay, sockets=3) as worker:
        await until(lambda: holds(worker, pool.bucket))
        await asyncio.sleep(0.3)
        await asyncio.gather(*(talk.say("hello") for talk in talks))
        await until(lambda: all_sent(rig), within=10)

    assert carrier.most_in_hand == 3
    assert len(carrier.taken) == 8


async def test_whoever_waits_is_not_overtaken_when_a_new_text_comes_for_the_same_number(
    rig: Rig, carrier: SlowCarrier
) -> None:
    """A new conversation must not take every turn of a number from one that has waited for it."""
    pool = await rig.pool("slow", numbers(1), rate=20.0)
    talks = [await start_talk(rig, pool=pool, one=phone(2 * n), other=phone(2 * n + 1)) for n in range(30)]
    async with working(rig.relay) as worker:
        await until(lambda: holds(worker, pool.bucket))
        await asyncio.sleep(0.3)
        for talk in talks:
            await talk.say(talk.other)
            await asyncio.sleep(0.005)
        await until(lambda: all_sent(rig), within=10)

    assert [to for _, to, _ in carrier.taken] == [talk.other for talk in talks]


async def test_texts_leave_at_once_again_when_nothing_waits_for_their_number_any_more(
    rig: Rig, carrier: SlowCarrier
) -> None:
    one, other, third, last = await talks_in(rig, await rig.pool("default", numbers(1)), 4)
    async with working(rig.relay, idle_poll=60) as worker:
        await until(lambda: holds(worker, one.bucket))
        await asyncio.sleep(0.3)
        await rig.relay.inbound.take(one.bucket, [one.arrived("together"), other.arrived("together")])
        await until(lambda: took(carrier, 2))
        await asyncio.sleep(0.3)
        await third.say("has to wait, because another had to")
        await until(lambda: took(carrier, 3))
        await served(rig, worker, one.bucket)
        await last.say("hello")
        await until(lambda: took(carrier, 4))


async def test_nothing_new_leaves_and_what_is_on_its_way_ends_when_the_worker_stops(
    rig: Rig, carrier: SlowCarrier
) -> None:
    carrier.latency = 0.2
    one, other = await talks_in(rig, await rig.pool("default", numbers(4)), 2)
    async with working(rig.relay) as worker:
        await served(rig, worker, one.bucket)
        await one.say("before")
        await until(lambda: in_hand(carrier))
        stopping = asyncio.create_task(worker.stop())
        await asyncio.sleep(0)
        await other.say("after")
        await stopping

    assert [text for _, _, text in carrier.taken] == ["before"]
    states = await rig.rows("select state from message order by id")
    assert states == [{"state": "accepted"}, {"state": "queued"}]


async def test_a_text_that_is_being_written_is_waited_for_when_the_worker_stops(rig: Rig, carrier: SlowCarrier) -> None:
    talk = await start_talk(rig)
    async with working(rig.relay) as worker:
        await served(rig, worker, talk.bucket)
        async with _slow_to_write(rig):
            saying = asyncio.create_task(talk.say("hello"))
            await asyncio.sleep(0.2)
            stopping = asyncio.create_task(worker.stop())
            await asyncio.sleep(0.2)
            assert not stopping.done()
        await saying
        await stopping

    assert carrier.read_by(talk.other) == ["hello"]
    assert await rig.rows("select state from message") == [{"state": "accepted"}]


async def test_the_pace_counts_from_when_a_text_leaves_when_it_was_slow_to_be_written(
    rig: Rig, carrier: SlowCarrier
) -> None:
    pool = await rig.pool("slow", numbers(1), rate=2.0)
    one, other = await talks_in(rig, pool, 2)
    async with working(rig.relay) as worker:
        await until(lambda: holds(worker, pool.bucket))
        await asyncio.sleep(0.3)
        async with _slow_to_write(rig):
            saying = asyncio.create_task(one.say("hello"))
            await asyncio.sleep(0.45)
        await saying
        await other.say("hello")
        await until(lambda: took(carrier, 2))

    (first, second) = carrier.came[numbers(1)[0]]
    assert second - first > 0.45


@asynccontextmanager
async def _slow_to_write(rig: Rig) -> AsyncIterator[None]:
    """Whatever is born sending waits for its lease meanwhile."""
    async with rig.relay.database.transaction() as tx:
        await tx.fetch("select 1 from lease for update")
        yield


async def test_each_text_that_was_stored_arrives_once_wherever_the_line_to_the_database_breaks(
    rig: Rig, carrier: SlowCarrier, dsn: str
) -> None:
    pool = await rig.pool("default", numbers(4))
    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=4, patience=0.3)
        rig.relay = build(rig.relay.settings, db, rig.relay.vault, rig.relay.transport)
        async with working(rig.relay, lasting=4.0) as worker:
            await until(lambda: holds(worker, pool.bucket))
            for said in range(1, 13):
                talk = await start_talk(rig, pool=pool, one=phone(2 * said), other=phone(2 * said + 1))
                await until(lambda: holds(worker, pool.bucket))
                line.breaks_after, sid = said, new_sid()
                with suppress(StorageUnavailable):
                    await talk.say(f"{said}", sid=sid)
                line.mend()
                await until(partial(_taken, talk, f"{said}", sid))
                await until(lambda: all_sent(rig), within=20)

                assert carrier.read_by(talk.other) == [f"{said}"]
        await db.close()


async def _taken(talk: Talk, text: str, sid: str) -> bool:
    """The carrier's repeats go on until one is answered."""
    with suppress(StorageUnavailable):
        await talk.say(text, sid=sid)
        return True
    return False
