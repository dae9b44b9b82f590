"""The sending loop over a real database: everything leaves, in order, at its pace, over no more sockets than there are."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from urllib.parse import parse_qs

import httpx
import pytest

from relay.storage import database
from relay.storage.configuration import Configuration, Pool
from relay.storage.database import Database
from relay.wiring import Relay, build
from relay.worker.leases import Leases
from relay.worker.sender import Sender, SenderSettings
from tests.api.database_line import line_to
from tests.services.carrier import answered, refusal
from tests.services.moves import check_moves, watch_moves
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, make_rig, start_talk
from tests.services.waiting import until


@dataclass(slots=True)
class SlowCarrier:
    """Takes ``latency`` seconds over every text, and notes how many it had in hand at once, and when each came."""

    latency: float = 0.02
    taken: list[tuple[str, str, str]] = field(default_factory=list)  #: from, to, text
    came: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  #: by the number it came from
    in_hand: int = 0
    most_in_hand: int = 0
    too_fast: set[str] = field(default_factory=set)  #: numbers whose next text is turned away

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        sender, to, text = form["From"][0], form["To"][0], form["Body"][0]
        self.came[sender].append(time.monotonic())
        self.in_hand += 1
        self.most_in_hand = max(self.most_in_hand, self.in_hand)
        await asyncio.sleep(self.latency)
        self.in_hand -= 1
        if sender in self.too_fast:
            self.too_fast.discard(sender)
            return refusal(20429, 429)
        self.taken.append((sender, to, text))
        return answered(201, {"sid": f"SM{len(self.taken):032x}", "status": "queued"})

    def read_by(self, person: str) -> list[str]:
        return [text for _, to, text in self.taken if to == person]


@pytest.fixture
def carrier() -> SlowCarrier:
    return SlowCarrier()


@pytest.fixture
async def rig(db: Database, carrier: SlowCarrier) -> AsyncIterator[Rig]:
    await watch_moves(db)
    yield await make_rig(db, answers=httpx.MockTransport(carrier))
    await check_moves(db)


@dataclass(slots=True)
class Worker:
    """A sender and its leases, as one process has them."""

    leases: Leases
    sender: Sender
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def stop(self) -> None:
        await self.sender.drain()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.leases.release()


@asynccontextmanager
async def working(relay: Relay, *, sockets: int = 16, lasting: float = 5.0) -> AsyncIterator[Worker]:
    """A worker at work on every bucket."""
    leases = Leases(
        relay.database,
        Configuration(relay.database),
        lasting=timedelta(seconds=lasting),
        taken=relay.wakeup.now,
    )
    relay.wakeup.served_here = lambda bucket: leases.get(bucket) is not None
    settings = SenderSettings(sockets=sockets, busy_poll=0.1, idle_poll=1.0)
    sender = Sender(
        relay.database, relay.configuration, relay.sending, leases=leases, wakeup=relay.wakeup, settings=settings
    )
    worker = Worker(leases, sender, [asyncio.create_task(run) for run in (leases.run(), sender.run())])
    try:
        yield worker
    finally:
        await worker.stop()


async def talks_in(rig: Rig, pool: Pool, count: int, *, start: int = 0) -> list[Talk]:
    """So many sessions between people who have only one each."""
    people = range(start, start + 2 * count, 2)
    return [await start_talk(rig, pool=pool, one=phone(n), other=phone(n + 1)) for n in people]


async def fill(rig: Rig, talks: list[Talk], count: int) -> None:
    """Each first person sends so many texts, all of one pool in one batch."""
    batch = [talk.arrived(f"{n}") for n in range(count) for talk in talks]
    await rig.relay.inbound.take(talks[0].bucket, batch)


async def all_sent(rig: Rig) -> bool:
    return not await rig.rows("select 1 from outbox")


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


async def took(carrier: SlowCarrier, count: int) -> bool:
    return len(carrier.taken) >= count


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


async def holds(worker: Worker, bucket: int) -> bool:
    return worker.leases.get(bucket) is not None


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


async def in_hand(carrier: SlowCarrier) -> bool:
    return carrier.in_hand > 0


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
