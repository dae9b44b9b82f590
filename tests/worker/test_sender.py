"""The sending loop over a real database: everything leaves, in order, at its pace, over no more sockets than there are."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from relay.storage import database
from relay.wiring import build
from tests.api.database_line import line_to
from tests.services.people import numbers
from tests.services.rig import Rig, start_talk
from tests.services.waiting import until
from tests.worker.at_work import SlowCarrier, all_sent, fill, holds, in_hand, talks_in, took, working


async def test_everything_leaves_in_order_over_few_sockets_when_much_waits_in_two_pools(
    rig: Rig, carrier: SlowCarrier
) -> None:
    pools = [await rig.pool("one", numbers(10)), await rig.pool("two", numbers(10, start=10))]
    talks = [await talks_in(rig, pool, 10, start=20 * n) for n, pool in enumerate(pools)]
    for here in talks:
        await fill(rig, here, 10)

    async with working(rig.relay, sockets=6):
        await until(lambda: all_sent(rig), within=30)

    assert len(carrier.taken) == 200
    for talk in (*talks[0], *talks[1]):
        assert carrier.read_by(talk.other) == [f"{n}" for n in range(10)]
    assert carrier.most_in_hand <= 6
    assert await rig.rows("select distinct state from message") == [{"state": "accepted"}]


async def test_a_number_keeps_its_pace_when_many_of_its_texts_wait(rig: Rig, carrier: SlowCarrier) -> None:
    pool = await rig.pool("slow", numbers(1), rate=5.0)
    talks = await talks_in(rig, pool, 15)
    await fill(rig, talks, 2)

    async with working(rig.relay):
        await until(lambda: took(carrier, 1))
        await asyncio.sleep(2.0)
        came = carrier.came[numbers(1)[0]]

    assert 7 <= len(came) <= 12
    assert min(later - earlier for earlier, later in pairwise(came)) > 0.15


async def test_one_number_holds_still_and_the_others_go_on_when_the_carrier_complains(
    rig: Rig, carrier: SlowCarrier
) -> None:
    slow, other = numbers(2)
    for n, e164 in enumerate((slow, other)):
        pool = await rig.pool(f"pool {n}", [e164], rate=4.0)
        await fill(rig, await talks_in(rig, pool, 3, start=10 * n), 1)
    carrier.too_fast = {slow}

    async with working(rig.relay):
        await until(lambda: all_sent(rig), within=20)

    assert len(carrier.taken) == 6
    assert carrier.came[slow][1] - carrier.came[slow][0] >= 0.95
    assert carrier.came[other][1] < carrier.came[slow][1]


async def test_a_text_leaves_within_a_moment_when_it_arrives_at_an_idle_worker(rig: Rig, carrier: SlowCarrier) -> None:
    talk = await start_talk(rig)
    async with working(rig.relay) as worker:
        await until(lambda: holds(worker, talk.bucket))
        await asyncio.sleep(0.2)
        arrived = time.monotonic()
        await talk.say("hello")
        await until(lambda: took(carrier, 1))

    assert carrier.came[talk.proxy(2)][0] - arrived < 0.5


async def test_what_is_on_its_way_ends_and_nothing_else_begins_when_the_worker_stops(
    rig: Rig, carrier: SlowCarrier
) -> None:
    carrier.latency = 0.3
    pool = await rig.pool("default", numbers(4))
    await fill(rig, await talks_in(rig, pool, 4), 3)

    async with working(rig.relay) as worker:
        await until(lambda: in_hand(carrier))
        await worker.stop()
        asked = sum(map(len, carrier.came.values()))

    assert asked == len(carrier.taken) < 12
    states = await rig.rows("select state, count(*) as n from message group by state order by state")
    assert states == [{"state": "accepted", "n": asked}, {"state": "queued", "n": 12 - asked}]


async def test_sending_goes_on_when_the_database_was_away(rig: Rig, carrier: SlowCarrier, dsn: str) -> None:
    pool = await rig.pool("default", numbers(4))
    talks = await talks_in(rig, pool, 4)
    await fill(rig, talks, 5)
    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=8, patience=0.3)
        far = build(rig.relay.settings, db, rig.relay.vault, rig.relay.transport)
        async with working(far, lasting=1.0):
            await until(lambda: took(carrier, 3))
            line.cut()
            await asyncio.sleep(0.3)
            line.mend()
            await until(lambda: all_sent(rig), within=20)
        await db.close()

    for talk in talks:
        assert carrier.read_by(talk.other) == [f"{n}" for n in range(5)]


async def test_each_text_leaves_once_when_two_workers_want_the_same_buckets(
    rig: Rig, carrier: SlowCarrier, dsn: str
) -> None:
    pools = [await rig.pool(f"pool {n}", numbers(3, start=3 * n)) for n in range(3)]
    for n, pool in enumerate(pools):
        await fill(rig, await talks_in(rig, pool, 5, start=10 * n), 3)
    db = await database.connect(dsn, connections=8)
    other = build(rig.relay.settings, db, rig.relay.vault, rig.relay.transport)

    async with working(rig.relay), working(other):
        await until(lambda: all_sent(rig), within=20)
    await db.close()

    assert len(carrier.taken) == len(set(carrier.taken)) == 45
    assert await rig.value("select max(attempts) from message") == 1
