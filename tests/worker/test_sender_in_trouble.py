"""The sending loop when something is taken from it: its lease, its tables, an answer that makes sense."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import uuid4

from structlog.testing import capture_logs

from relay.storage.database import Database
from tests.services.people import numbers
from tests.services.rig import Rig
from tests.services.waiting import until
from tests.worker.at_work import SlowCarrier, Worker, all_sent, fill, idle, talks_in, took, working


async def taken_over(db: Database) -> datetime:
    """Somebody else becomes owner of every bucket. Says from when on: the rows are locked by then."""
    async with db.transaction() as tx:
        await tx.execute(
            "update lease set owner = $1, epoch = epoch + 1, until = now() + interval '1 h'",
            uuid4(),
        )
        at: datetime = await tx.fetchval("select clock_timestamp()")
        return at


async def left_to_others(worker: Worker) -> bool:
    return worker.leases.held() == []


async def test_nothing_more_begins_when_somebody_else_became_owner_on_the_way(
    rig: Rig, carrier: SlowCarrier, db: Database
) -> None:
    carrier.latency = 0.3
    talks = await talks_in(rig, await rig.pool("default", numbers(8)), 8)
    await fill(rig, talks, 5)

    async with working(rig.relay, sockets=4, lasting=1.0) as worker:
        await until(lambda: took(carrier, 4), within=30)
        lost_at = await taken_over(db)
        await until(lambda: left_to_others(worker), within=30)
        await until(lambda: idle(carrier), within=30)
        await worker.stop()

    asked = sum(map(len, carrier.came.values()))
    assert await rig.rows("select 1 from attempt where begun_at > $1", lost_at) == []
    assert 4 <= asked == len(carrier.taken) < 40
    assert await rig.rows("select state, count(*) as n from message group by state order by state") == [
        {"state": "accepted", "n": asked},
        {"state": "queued", "n": 40 - asked},
    ]


async def test_every_text_leaves_once_and_in_order_when_ownership_comes_and_goes(
    rig: Rig, carrier: SlowCarrier, db: Database
) -> None:
    carrier.latency = 0.1
    talks = await talks_in(rig, await rig.pool("default", numbers(20)), 20)
    await fill(rig, talks, 10)

    async with working(rig.relay, sockets=8, lasting=1.0) as worker:
        for share in (20, 60, 100):
            await until(partial(took, carrier, share), within=60)
            await taken_over(db)
            await until(lambda: left_to_others(worker), within=30)
            await rig.rows("update lease set until = '-infinity' returning 1 as x")
        await until(lambda: all_sent(rig), within=60)

    assert len(carrier.taken) == 200
    assert all(carrier.read_by(talk.other) == [f"{n}" for n in range(10)] for talk in talks)
    assert carrier.most_in_hand <= 8


async def test_each_leg_stays_in_order_when_the_carrier_turns_some_away(rig: Rig, carrier: SlowCarrier) -> None:
    talks = await talks_in(rig, await rig.pool("default", numbers(20)), 20)
    await fill(rig, talks, 4)
    carrier.too_fast = {talk.proxy(2) for talk in talks[:10]}

    async with working(rig.relay):
        await until(lambda: all_sent(rig), within=60)

    assert carrier.too_fast == set()
    assert len(carrier.taken) == 80
    assert all(carrier.read_by(talk.other) == [f"{n}" for n in range(4)] for talk in talks)


async def test_the_only_socket_is_free_again_when_a_send_met_an_error_that_nobody_foresaw(
    rig: Rig, carrier: SlowCarrier
) -> None:
    """Whether that text left nobody knows: it stays begun, for upkeep to find, and is not sent again."""
    talks = await talks_in(rig, await rig.pool("default", numbers(3)), 3)
    await fill(rig, talks, 1)
    carrier.unforeseen = {talks[0].proxy(2)}

    async with working(rig.relay, sockets=1):
        await until(lambda: took(carrier, 2), within=20)
        await until(lambda: all_settled(rig), within=20)

    assert sum(map(len, carrier.came.values())) == 3
    assert sorted(await rig.states()) == [("accepted", None), ("accepted", None), ("sending", None)]


async def all_settled(rig: Rig) -> bool:
    return len(await rig.rows("select 1 from outbox")) == 1


async def test_sending_goes_on_when_a_table_was_missing_for_a_while(rig: Rig, carrier: SlowCarrier) -> None:
    """An error that is not the database's absence but somebody's mistake ends a turn, never the loop."""
    talks = await talks_in(rig, await rig.pool("default", numbers(2)), 2)
    await fill(rig, talks, 3)
    await rig.rows("alter table outbox rename to mislaid")

    with capture_logs() as lines:

        async def complained() -> bool:
            return "bucket_not_served" in {line["event"] for line in lines}

        async with working(rig.relay, idle_poll=0.2):
            await until(complained, within=20)
            await rig.rows("alter table mislaid rename to outbox")
            await until(lambda: all_sent(rig), within=20)

    assert len(carrier.taken) == 6
