"""Closing many sessions at once: those that are meant and no others, once, whatever dies in between."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import timedelta
from uuid import UUID

import pytest

from relay.core.bulk_closing import Progress, SessionsMeant
from relay.core.errors import InvalidInput, NotFound
from relay.core.ids import Seed
from relay.storage import bulk_close, queries
from relay.storage.configuration import Pool
from tests.services.people import ALICE, numbers, phone
from tests.services.rig import Rig, Talk, start_talk


async def open_talks(rig: Rig, pool: Pool, count: int, *, start: int = 0, unique_name: str | None = None) -> list[Talk]:
    """So many sessions of people who are in no other."""
    pairs = [(phone(2 * n), phone(2 * n + 1)) for n in range(start, start + count)]
    return [await start_talk(rig, pool=pool, one=one, other=other, unique_name=unique_name) for one, other in pairs]


async def done(rig: Rig, meant: SessionsMeant, seed: Seed | None = None) -> Progress:
    """Ask, and let upkeep do it in every bucket."""
    asked_id = await rig.relay.bulk_close.ask(rig.account, meant, seed or await rig.seed())
    return await finished(rig, asked_id)


async def finished(rig: Rig, asked_id: UUID) -> Progress:
    for bucket in (await rig.relay.configuration.refreshed()).buckets:
        while await rig.relay.bulk_close.work(bucket):
            pass
    return (await rig.relay.bulk_close.read(rig.account, asked_id))[1]


async def open_ones(rig: Rig) -> set[object]:
    return {row["id"] for row in await rig.rows("select id from session where status = 'open'")}


async def test_exactly_the_sessions_that_are_meant_are_closed(rig: Rig) -> None:
    north, south = await rig.pool("north", numbers(2)), await rig.pool("south", numbers(2, start=2))
    old, silent = await open_talks(rig, north, 2)
    rig.later(minutes=10)
    await old.say("still here")
    ten_minutes = await rig.relay.database.now() - timedelta(minutes=1)
    rig.later(minutes=10)
    for n, pool in enumerate((north, south)):
        await open_talks(rig, pool, 1, start=5 + n, unique_name=f"trip-{n}")
    trap = await open_talks(rig, south, 1, start=9, unique_name="trippy")
    cases = {
        SessionsMeant(pool_id=north.id): 3,
        SessionsMeant(name_prefix="trip-"): 2,
        SessionsMeant(name_prefix="%"): 0,
        SessionsMeant(created_before=ten_minutes): 2,
        SessionsMeant(idle_since=ten_minutes): 1,
        SessionsMeant(pool_id=south.id, name_prefix="trip"): 2,
        SessionsMeant(pool_id=south.id, created_before=ten_minutes): 0,
    }
    counted = {meant: await rig.relay.bulk_close.count(rig.account, meant) for meant in cases}
    untouched = await open_ones(rig)
    by_name = await done(rig, SessionsMeant(name_prefix="trip-"))
    left = await open_ones(rig)
    by_silence = await done(rig, SessionsMeant(idle_since=ten_minutes))

    assert counted == cases
    assert len(untouched) == 5
    assert (by_name, left) == (Progress(2, 2, 0, is_done=True), {old.id, silent.id, trap[0].id})
    assert (by_silence, await open_ones(rig)) == (Progress(1, 1, 0, is_done=True), {old.id, trap[0].id})


async def test_what_is_in_flight_keeps_going_and_what_waits_is_refused(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    flying, waiting = await open_talks(rig, pool, 2)
    await flying.say("on its way")
    (intent,) = await rig.begin(pool.bucket)
    await waiting.say("too late")
    progress = await done(rig, SessionsMeant(pool_id=pool.id))
    rows = await rig.rows("select phase from outbox")
    await rig.hand_over(pool.bucket, intent)
    await rig.send_all(pool.bucket)

    assert progress == Progress(2, 2, 0, is_done=True)
    assert [row["phase"] for row in rows] == ["sending"]
    assert [sent.text for sent in rig.carrier.sent] == ["on its way"]
    assert await rig.states() == [("accepted", None), ("refused", "session_closed")]
    assert await rig.value("select count(*) from participant where sealed_phone is not null") == 0
    assert await rig.value("select count(*) from binding where held_until = 'infinity'") == 0
    assert {r["close_reason"] for r in await rig.rows("select close_reason from session")} == {"api"}


async def test_the_same_request_asks_for_nothing_more_and_later_sessions_live_on(rig: Rig) -> None:
    pool, seed = await rig.pool("default", numbers(2)), await rig.seed()
    await open_talks(rig, pool, 2)
    meant = SessionsMeant(pool_id=pool.id)
    first = await rig.relay.bulk_close.ask(rig.account, meant, seed)
    rig.later(seconds=1)
    (later,) = await open_talks(rig, pool, 1, start=5)
    progress = await finished(rig, first)
    again = await rig.relay.bulk_close.ask(rig.account, meant, seed)

    assert again == first
    assert await finished(rig, first) == progress == Progress(2, 2, 0, is_done=True)
    assert await open_ones(rig) == {later.id}


async def test_what_ends_by_itself_meanwhile_is_not_counted_twice(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    one, _ = await open_talks(rig, pool, 2)
    asked_id = await rig.relay.bulk_close.ask(rig.account, SessionsMeant(pool_id=pool.id), await rig.seed())
    before = (await rig.relay.bulk_close.read(rig.account, asked_id))[1]
    await rig.relay.sessions.close(rig.account, one.id)

    assert before == Progress(2, 0, 2, is_done=False)
    assert await finished(rig, asked_id) == Progress(2, 1, 0, is_done=True)


async def test_upkeep_tells_the_buckets_when_whoever_asked_was_killed(rig: Rig) -> None:
    pools = [await rig.pool(name, numbers(2, start=2 * n)) for n, name in enumerate(("north", "south"))]
    for n, pool in enumerate(pools):
        await open_talks(rig, pool, 1, start=n)
    asked_id = (await rig.seed()).id_in(rig.account.bucket)
    async with rig.relay.database.transaction() as tx:
        await bulk_close.ask(
            tx, asked_id, rig.account.id, SessionsMeant(created_before=tx.now), [p.bucket for p in pools]
        )
    for pool in pools:
        assert await rig.relay.bulk_close.work(pool.bucket) == 0
    untold = (await rig.relay.bulk_close.read(rig.account, asked_id))[1]
    told = [await rig.relay.bulk_close.spread_left(rig.account.bucket) for _ in range(2)]

    assert (untold, told) == (Progress(0, 0, 0, is_done=False), [1, 0])
    assert await finished(rig, asked_id) == Progress(2, 2, 0, is_done=True)
    assert await open_ones(rig) == set()


async def test_a_batch_that_was_cut_off_is_done_again_and_counted_once(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    talks = await open_talks(rig, pool, 3)
    asked_id = await rig.relay.bulk_close.ask(rig.account, SessionsMeant(pool_id=pool.id), await rig.seed())
    async with rig.relay.database.transaction() as tx:
        await tx.execute("select 1 from session where id = $1 for update", talks[2].id)
        dying = asyncio.create_task(rig.relay.bulk_close.work(pool.bucket))
        await asyncio.sleep(0.2)
        dying.cancel()
        await asyncio.gather(dying, return_exceptions=True)
    cut_off = (await rig.relay.bulk_close.read(rig.account, asked_id))[1]
    both = await asyncio.gather(*(rig.relay.bulk_close.work(pool.bucket) for _ in range(2)))

    assert (cut_off, sorted(both)) == (Progress(3, 0, 3, is_done=False), [1, 3])
    assert await finished(rig, asked_id) == Progress(3, 3, 0, is_done=True)


async def test_a_session_lives_when_somebody_speaks_just_before_it_would_be_closed(rig: Rig) -> None:
    talk = await start_talk(rig)
    rig.later(minutes=10)
    meant = SessionsMeant(idle_since=await rig.relay.database.now())
    asked_id = await rig.relay.bulk_close.ask(rig.account, meant, await rig.seed())
    rig.later(minutes=1)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("update session set last_message_at = $1", tx.now)
        closing = asyncio.create_task(rig.relay.bulk_close.work(talk.bucket))
        await asyncio.sleep(0.2)

    assert await closing == 1
    assert await open_ones(rig) == {talk.id}
    assert await finished(rig, asked_id) == Progress(1, 0, 0, is_done=True)


async def test_nobody_else_is_touched_or_told_and_all_at_once_is_never_meant(rig: Rig) -> None:
    talk = await start_talk(rig, one=ALICE)
    asked_id = await rig.relay.bulk_close.ask(rig.account, SessionsMeant(name_prefix="trip"), await rig.seed())
    stranger = await rig.relay.accounts.add("another market")
    theirs = SessionsMeant(created_before=await rig.relay.database.now())
    await rig.relay.bulk_close.ask(stranger, theirs, await rig.seed())
    await rig.relay.bulk_close.ask(stranger, SessionsMeant(pool_id=talk.pool.id), await rig.seed())

    with pytest.raises(NotFound):
        await rig.relay.bulk_close.read(stranger, asked_id)
    with pytest.raises(InvalidInput):
        await rig.relay.bulk_close.ask(rig.account, SessionsMeant(), await rig.seed())
    await finished(rig, asked_id)
    assert await open_ones(rig) == {talk.id}


async def test_it_is_forgotten_after_thirty_days_when_it_is_done(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=40 * 86400)
    await rig.relay.bulk_close.ask(rig.account, SessionsMeant(name_prefix="trip"), await rig.seed())
    rig.later(days=31)
    kept = await rig.relay.bulk_close.forget(talk.bucket)
    await rig.relay.bulk_close.work(talk.bucket)
    buckets = {talk.bucket, rig.account.bucket}
    gone = sum([await rig.relay.bulk_close.forget(bucket) for bucket in buckets])

    assert (kept <= 1, kept + gone) == (True, 2)


_MANY = """
with s as (
    insert into session (bucket, id, account_id, pool_id, status, created_at, expires_at, cool_down)
    select $1::smallint, i.id, $3::uuid, $4::uuid, 'open', $5::timestamptz, $5::timestamptz + interval '1 day', 3600
      from unnest($2::uuid[]) as i(id)
    returning id
), p as (
    insert into participant (bucket, id, session_id, slot, status, party_index, number_id, sealed_phone, epoch_id)
    select $1::smallint, gen_random_uuid(), s.id, n, 'live', decode(md5(s.id::text || n), 'hex'), $6::uuid, 'x', 1
      from s cross join generate_series(1, 2) as n
    returning id, session_id, number_id, party_index
), b as (
    insert into binding (bucket, number_id, party_index, session_id, participant_id, pair_index, held_until)
    select $1::smallint, p.number_id, p.party_index, p.session_id, p.id, p.party_index, 'infinity' from p
)
insert into event (bucket, id, account_id, type, session_id, at)
select $1::smallint, gen_random_uuid(), $3::uuid, 'session.opened', s.id, $5::timestamptz from s
"""


async def found_by(rig: Rig, pool: Pool, session_ids: list[UUID]) -> dict[str, str]:
    """By which column closing finds the rows of each table in their bucket, where there is nothing but open sessions."""
    statement = queries.load("endings")["close"]
    empty: list[list[object]] = [[] for _ in range(5)]
    async with rig.relay.database.transaction() as tx:
        events = tx.new_ids(pool.bucket, len(session_ids))
        for way in ("seqscan", "bitmapscan"):  # whatever the tables are believed to hold at this moment
            await tx.execute(f"set local enable_{way} = off")
        rows = await tx.fetch(f"explain {statement}", pool.bucket, tx.now, session_ids, "api", events, *empty)
    plan = "\n".join(row[0] for row in rows)
    found = re.findall(r"Scan using \w+ on (session|participant|binding) .*\n +Index Cond: (.*)", plan)
    return {table: column for table, how in found for column in ("session_id", "id") if f"({column} = " in how}


@pytest.mark.long
async def test_thousands_are_closed_while_people_go_on_texting(rig: Rig) -> None:
    """Prints how many a second. Texts of sessions that are not meant are never refused, and none waits long for it."""
    pool, count = await rig.pool("default", numbers(20)), 5_000
    mine = await open_talks(rig, pool, 10)
    async with rig.relay.database.transaction() as tx:
        made = tx.new_ids(pool.bucket, count)
        number_id = mine[0].view.participants[0].number_id
        await tx.execute(_MANY, pool.bucket, made, rig.account.id, pool.id, tx.now, number_id)
        await tx.execute("update session set unique_name = 'many ' || id where id = any($1)", made)
    assert await found_by(rig, pool, made[:100]) == {
        "session": "id",
        "participant": "session_id",
        "binding": "session_id",
    }
    asked_id = await rig.relay.bulk_close.ask(rig.account, SessionsMeant(name_prefix="many "), await rig.seed())
    waits: list[float] = []

    async def text() -> None:
        while not closing.done():
            began = time.monotonic()
            await mine[len(waits) % 10].say("hello")
            waits.append(time.monotonic() - began)

    began = time.monotonic()
    closing = asyncio.create_task(finished(rig, asked_id))
    await text()
    progress, lasted = await closing, time.monotonic() - began
    print(
        f"\n{count / lasted:.0f} sessions closed a second; {len(waits)} texts meanwhile, the slowest {max(waits):.3f} s"
    )

    assert progress == Progress(count, count, 0, is_done=True)
    assert len(await open_ones(rig)) == 10
    assert {state for state, _ in await rig.states()} == {"queued"}
    assert await rig.value("select count(*) from event where type = 'session.closed'") == count
    assert max(waits) < 5
