"""How a STOP or START reaches every pool: in any order, any number of times, and across crashes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.core.errors import Conflict
from relay.providers.base import InboundText
from relay.services.inbound import Taken
from relay.storage import accounts, database, suppressions
from relay.storage.configuration import Pool
from relay.storage.suppressions import OptChange
from relay.wiring import Relay, build
from tests.api.database_line import DatabaseLine, line_to
from tests.services.dying import dies_after_arrival
from tests.services.people import ALICE, BOB, number, numbers, phone
from tests.services.rig import Rig, start_talk
from tests.services.waiting import until

_CHANGES = 4


@pytest.fixture
async def pools(rig: Rig) -> tuple[Pool, Pool]:
    return await rig.pool("first", numbers(3)), await rig.pool("second", numbers(3, start=10))


async def opted_out(rig: Rig, e164: str, pool: Pool) -> bool:
    party = rig.relay.vault.indexes.of(rig.account.id, e164)
    async with rig.relay.database.transaction() as tx:
        return await suppressions.is_opted_out(tx, pool.bucket, party.index)


async def test_upkeep_finishes_a_stop_when_its_process_died_on_the_way(rig: Rig, pools: tuple[Pool, Pool]) -> None:
    first, second = pools
    await dies_after_arrival(rig, rig.text(BOB, number(0), "STOP"))
    known = [await opted_out(rig, BOB, pool) for pool in pools]
    too_soon = await rig.relay.optouts.finish_old(first.bucket, older_than=5.0)
    rig.later(seconds=6)

    assert (known, too_soon) == ([True, False], 0)
    assert await rig.relay.optouts.finish_old(first.bucket, older_than=5.0) == 1
    assert await opted_out(rig, BOB, second)
    assert await rig.rows("select 1 from fanout") == []


@dataclass(frozen=True, slots=True)
class Step:
    """One change made known in one place: a pool's bucket (1, 2), or the account's list (0)."""

    change: int
    place: int


_EVERY_STEP = [Step(change, place) for change, place in product(range(_CHANGES), range(3))]


async def make_known(rig: Rig, pools: tuple[Pool, Pool], change: OptChange, place: int) -> None:
    async with rig.relay.database.transaction() as tx:
        if place == 0:
            await suppressions.suppress(tx, rig.account.bucket, change)
        else:
            await suppressions.change_person(tx, pools[place - 1].bucket, change, with_event=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wishes=st.lists(st.booleans(), min_size=_CHANGES, max_size=_CHANGES),
    steps=st.permutations(_EVERY_STEP),
    again=st.lists(st.sampled_from(_EVERY_STEP), max_size=6),
)
async def test_the_newest_wish_holds_everywhere_when_changes_arrive_in_any_order(
    rig: Rig, pools: tuple[Pool, Pool], wishes: list[bool], steps: list[Step], again: list[Step]
) -> None:
    seed = await rig.seed()
    index = seed.entropy + bytes(6)
    changes = [
        OptChange(seed.id_in(n), rig.account.id, index, 1, wish, seed.at + timedelta(seconds=n))
        for n, wish in enumerate(wishes)
    ]

    for step in [*steps, *again]:
        await make_known(rig, pools, changes[step.change], step.place)

    told = await rig.rows(
        "select opted_out from person where party_index = $1 union all"
        " select opted_out from suppression where party_index = $1",
        index,
    )
    assert told == [{"opted_out": wishes[-1]}] * 3


async def test_nobody_is_lost_between_two_pools_when_the_database_is_lost_at_any_word(
    rig: Rig, pools: tuple[Pool, Pool], dsn: str
) -> None:
    """After upkeep a STOP is known everywhere or, if it was never stored, nowhere; then the carrier sends it again."""
    ends, places = set(), range(1, 50, 3)
    async with line_to(dsn) as line:
        far = await far_process(rig, line)
        for words in places:
            person = phone(words)
            await cut_off_stop(rig, far, line, person, words=words)
            rig.later(seconds=6)
            await rig.relay.optouts.finish_old(pools[0].bucket, older_than=5.0)
            known = {await opted_out(rig, person, pool) for pool in pools}
            assert len(known) == 1
            ends |= known
            await rig.text(person, number(0), "STOP", sid=f"SM{words}")
            assert [await opted_out(rig, person, pool) for pool in pools] == [True, True]
        await far.database.close()

    assert ends == {True, False}
    assert await rig.value("select count(*) from event where type = 'participant.opted_out'") == len(places)


async def far_process(rig: Rig, line: DatabaseLine) -> Relay:
    """A process of the same installation whose way to the database can be cut."""
    db = await database.connect(line.dsn, connections=4)
    far = build(rig.relay.settings, db, rig.relay.vault, rig.relay.transport)
    await far.configuration.current()
    return far


async def cut_off_stop(rig: Rig, far: Relay, line: DatabaseLine, person: str, *, words: int) -> None:
    """Somebody says STOP, and the database is lost for a moment after so many words; nothing is tried again."""
    far.database.clock_offset = rig.relay.database.clock_offset
    line.breaks_after = words
    inbound = InboundText(f"SM{words}", person, number(0), "STOP")
    stopping = asyncio.create_task(far.inbound.receive(rig.connection, inbound))

    async def cut_or_done() -> bool:
        return line.is_down or stopping.done()

    await until(cut_or_done)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    line.mend()


async def test_a_new_pool_takes_nobody_in_when_it_was_left_half_made(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)
    pool_id = (await rig.seed()).id_in(7)
    async with rig.relay.database.transaction() as tx:
        await accounts.add_pool(tx, pool_id, rig.account.id, "left")
    pool = (await rig.relay.configuration.refreshed()).pools[pool_id]

    with pytest.raises(Conflict) as caught:
        await rig.session(pool, ALICE, phone(1))
    await rig.relay.pools.prepare_left(7)
    ready = (await rig.relay.configuration.current()).pools[pool_id]

    assert caught.value.code == "pool_preparing"
    assert ready.ready
    assert await opted_out(rig, BOB, ready)
    assert await rig.value("select count(*) from event where type = 'pool.ready' and bucket = 7") == 1


async def test_a_new_pool_keeps_what_it_knows_better_when_it_copies_an_older_stop(rig: Rig) -> None:
    """START was spread to the new pool while the pool was still copying what it had read before."""
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)
    async with rig.relay.database.transaction() as tx:
        old = await suppressions.suppressed(tx, rig.account.bucket, rig.account.id)
    await talk.say("START", slot=2)

    async with rig.relay.database.transaction() as tx:
        await suppressions.copy_people(tx, talk.bucket, old)

    assert len(old) == 1
    assert not await opted_out(rig, BOB, talk.pool)


async def test_a_new_pool_knows_nobody_who_came_back_when_it_is_made(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)
    await talk.say("START", slot=2)

    pool = await rig.pool("new", numbers(2, start=40))

    assert (await start_talk(rig, pool=pool)).view.session.status == "open"
    assert await talk.say("hello") is Taken.FORWARDED
