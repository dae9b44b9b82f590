"""Sealing: every event is in its account's log once, whatever happens meanwhile, and the log stays whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from relay.core.entries import Thing, decoded, reference
from relay.core.errors import NotFound
from relay.core.ids import bucket_of
from relay.core.keys import Purpose
from relay.services.audit_log import _mark, _read
from relay.services.texts import TextWanted
from relay.storage import retention
from relay.storage.audit_reading import Wanted
from relay.storage.database import Database, Transaction
from relay.wiring import build
from tests.services.logs import Log, check_growth, the_log
from tests.services.people import ALICE, STRANGER
from tests.services.rig import Rig, Talk, make_rig, start_talk
from tests.services.stories import both_ways, parked_and_retried, stop_then_start
from tests.services.waiting import until

LOG = Purpose.LOG


@pytest.fixture
async def rig(db: Database) -> Rig:
    """Unwatched: erasing leaves events of messages that are gone."""
    return await make_rig(db)


async def seal(rig: Rig) -> int:
    """Seal until there is nothing new; says how many were."""
    done = 0
    while found := await rig.relay.audit_log.seal(rig.account.bucket):
        done += found
    return done


async def sweep(rig: Rig) -> int:
    """Look through all events once."""
    done = 0
    for _ in range(3):
        done += await rig.relay.audit_log.sweep(rig.account.bucket)
    return done


async def happened(rig: Rig) -> list[UUID]:
    """Every event, in whatever bucket."""
    return [row["id"] for row in await rig.rows("select id from event")]  # type: ignore[misc]  # a column


async def check_sealed_once(rig: Rig) -> Log:
    """Every event is in the log once, and marked; the log is whole."""
    log = await the_log(rig)
    assert sorted(log.events) == sorted(await happened(rig))
    assert await rig.value("select count(*) from sealed_event") == len(log.events)
    return log


async def note(tx: Transaction, rig: Rig, bucket: int) -> UUID:
    """Something that happens, in a transaction that somebody has begun."""
    event_id = tx.new_id(bucket)
    await tx.execute(
        "insert into event (bucket, id, account_id, type, at) values ($1, $2, $3, 'pool.ready', $4)",
        bucket, event_id, rig.account.id, tx.now,
    )  # fmt: skip
    return event_id


async def something(rig: Rig, bucket: int) -> UUID:
    async with rig.relay.database.transaction() as tx:
        return await note(tx, rig, bucket)


async def test_every_event_is_sealed_once_and_says_what_happened(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=7 * 86400)
    for story in (parked_and_retried, both_ways, stop_then_start):
        await story(talk)
    sealed = await seal(rig)
    log = await check_sealed_once(rig)
    told = [decoded(record)["event"] for _, record in log.records.values()]
    rows = await rig.rows("select type from event")

    assert sealed == len(log.events) > 20
    assert sorted(map(str, told)) == sorted(str(row["type"]) for row in rows)


async def test_a_text_is_told_with_the_carrier_and_the_country_of_the_number_that_it_goes_by(rig: Rig) -> None:
    """And never with the number."""
    rig.account = await rig.relay.accounts.change(rig.account.id, {"allowed_countries": ["US", "SE"]})
    pool = await rig.pool("default", ["+12025550101", "+46701740699"])
    talk = await start_talk(rig, pool=pool, one=ALICE, other="+46701740605")
    await talk.say("hello")
    wanted = TextWanted(talk.id, talk.view.participants[0].id, "Your order is ready.")
    await rig.relay.texts.send(rig.account, wanted, await rig.seed())
    await rig.send_all(talk.bucket)
    await seal(rig)
    told = [dict(decoded(record)) for _, record in (await the_log(rig)).records.values()]
    texts = [one for one in told if str(one["event"]).startswith("message.")]

    assert sorted((one["event"], one["direction"], one["provider"], one["country"]) for one in texts) == [
        ("message.accepted", "out", "twilio", "SE"),
        ("message.accepted", "out", "twilio", "US"),
        ("message.received", "in", "twilio", "US"),
        ("message.received", "out", "twilio", "US"),
    ]
    assert all("number" not in one for one in texts)
    assert "country" not in next(one for one in told if one["event"] == "session.opened")


async def test_a_text_is_told_without_a_country_when_no_number_of_ours_is_known(rig: Rig) -> None:
    talk = await start_talk(rig)
    await rig.text(STRANGER, talk.proxy(1), "hello")
    await talk.say("hello")
    await rig.rows("update participant set number_id = gen_random_uuid() returning id")  # as if it were given back
    await seal(rig)
    told = [decoded(record) for _, record in (await the_log(rig)).records.values()]
    texts = [one for one in told if str(one["event"]).startswith("message.")]

    assert len(texts) == 2
    assert all("provider" not in one for one in texts)


async def test_events_of_all_buckets_of_an_account_are_in_its_one_log(rig: Rig) -> None:
    await rig.relay.keys.add(rig.account, name="app", scopes=frozenset({"audit"}))  # type: ignore[arg-type]  # a word
    for name in ("east", "west", "south"):
        await rig.pool(name, [])
    await seal(rig)
    await check_sealed_once(rig)

    assert len(await rig.rows("select distinct bucket from event")) >= 3
    assert [row["bucket"] for row in await rig.rows("select bucket from audit_tree")] == [rig.account.bucket]


async def test_two_accounts_in_one_bucket_have_a_log_each_and_see_their_own(rig: Rig) -> None:
    relay = rig.relay
    added = await relay.accounts.add("neighbour")
    await rig.rows("update account set bucket = $1 where id = $2 returning id", rig.account.bucket, added.id)
    await rig.rows("update configuration set version = version + 1 returning id")
    neighbour = (await relay.configuration.refreshed()).accounts[added.id]
    for account in (rig.account, neighbour):
        await relay.keys.add(account, name="app", scopes=frozenset({"audit"}))  # type: ignore[arg-type]  # a word
    await seal(rig)
    log = await the_log(rig)
    (theirs,) = await relay.audit_reading.entries(neighbour, Wanted(), session_id=None, limit=9)
    (ours,) = await relay.audit_reading.entries(rig.account, Wanted(), session_id=None, limit=9)

    assert (log.head.size, ours.n, theirs.n) == (1, 0, 0)
    assert ours.entry_ref != theirs.entry_ref
    assert await relay.audit_reading.proof(neighbour, theirs.entry_ref)
    with pytest.raises(NotFound):
        await relay.audit_reading.proof(rig.account, theirs.entry_ref)


async def test_nothing_grows_when_nothing_has_happened(rig: Rig) -> None:
    await rig.pool("default", [])
    await seal(rig)
    before = await rig.rows("select size, checkpoint from audit_tree")

    assert (await seal(rig), await sweep(rig)) == (0, 0)
    assert await rig.rows("select size, checkpoint from audit_tree") == before


async def test_a_log_only_grows(rig: Rig) -> None:
    talk, logs = await start_talk(rig), list[Log]()
    for _ in range(6):
        await talk.say("hello")
        await seal(rig)
        logs.append(await the_log(rig))

    assert [log.head.size for log in logs] == sorted({log.head.size for log in logs})
    for older in logs:
        check_growth(older, logs[-1])


async def test_more_events_than_one_look_takes_are_all_sealed(rig: Rig) -> None:
    pool = await rig.pool("default", [])
    async with rig.relay.database.transaction() as tx:
        await tx.execute(
            "insert into event (bucket, id, account_id, type, at)"
            " select $1, id, $2, 'pool.ready', $3 from unnest($4::uuid[]) as t(id)",
            pool.bucket, rig.account.id, tx.now, tx.new_ids(pool.bucket, 2500),
        )  # fmt: skip

    assert await seal(rig) == 2501
    await check_sealed_once(rig)


async def test_an_event_that_commits_late_is_sealed_by_the_next_look(rig: Rig) -> None:
    """Its id is lower than those of events that were sealed before it was there to be seen."""
    pool = await rig.pool("default", [])
    async with rig.relay.database.transaction() as tx:
        late = await note(tx, rig, pool.bucket)
        rig.later(seconds=5)
        early = await something(rig, pool.bucket)
        await seal(rig)
        assert late not in (await the_log(rig)).events
    sealed = await seal(rig)

    assert (sealed, late < early) == (1, True)
    await check_sealed_once(rig)


async def test_an_event_that_commits_very_late_is_found_by_the_sweep(rig: Rig) -> None:
    pool = await rig.pool("default", [])
    async with rig.relay.database.transaction() as tx:
        await note(tx, rig, pool.bucket)
        rig.later(hours=1)
        await something(rig, pool.bucket)
        await seal(rig)
    by_look, by_sweep = await seal(rig), await sweep(rig)

    assert (by_look, by_sweep) == (0, 1)
    await check_sealed_once(rig)


async def test_events_are_sealed_when_a_clock_is_set_back_and_on_again(rig: Rig) -> None:
    pool = await rig.pool("default", [])
    await seal(rig)
    for jump in (timedelta(days=-1), timedelta(hours=-3), timedelta(days=2), timedelta(days=-2)):
        rig.relay.database.clock_offset += jump
        await something(rig, pool.bucket)
        assert await seal(rig) == 1
    await check_sealed_once(rig)


async def test_what_happened_while_a_clock_was_wrong_is_found_by_the_sweep(rig: Rig) -> None:
    pool = await rig.pool("default", [])
    await seal(rig)
    rig.relay.database.clock_offset -= timedelta(days=1)
    await something(rig, pool.bucket)
    rig.relay.database.clock_offset += timedelta(days=1)

    assert (await seal(rig), await sweep(rig)) == (0, 1)
    await check_sealed_once(rig)


async def test_two_sealers_at_once_seal_every_event_once(rig: Rig) -> None:
    talk = await start_talk(rig)
    relay = rig.relay
    others = [build(relay.settings, relay.database, relay.vault, relay.transport).audit_log for _ in range(3)]
    for _ in range(5):
        await asyncio.gather(talk.say("hello"), *(log.seal(rig.account.bucket) for log in others))
    await asyncio.gather(*(log.seal(rig.account.bucket) for log in others))
    await seal(rig)

    await check_sealed_once(rig)


#: Where a sealer is held up, and then dies. In share mode a table is read but not written.
_DEATHS = {
    "before it reads": "lock table message",
    "before it enters": "lock table audit_entry in share mode",
    "before it keeps tiles": "lock table audit_tile in share mode",
    "before it notes keys": "lock table audit_key in share mode",
    "before the tree has its head": "lock table audit_tree in share mode",
    "before it marks": "lock table sealed_event in share mode",
    "before it notes how far it came": "lock table sealing in share mode",
}


@pytest.mark.parametrize("point", _DEATHS)
async def test_every_event_is_sealed_once_when_a_sealer_dies(rig: Rig, point: str) -> None:
    talk = await start_talk(rig)
    await seal(rig)
    before = await the_log(rig)
    await both_ways(talk)
    await dies_at(rig, _DEATHS[point], rig.relay.audit_log.seal(rig.account.bucket))
    check_growth(before, await the_log(rig))
    await seal(rig)

    check_growth(before, await check_sealed_once(rig))


async def dies_at(rig: Rig, hold: str, work: Awaitable[object]) -> None:
    """Work that comes to where ``hold`` stops it, and no further."""
    async with rig.relay.database.transaction() as tx:
        await tx.execute(hold)
        dying = asyncio.ensure_future(work)
        await until(lambda: tx.fetch("select 1 from pg_locks where not granted"))
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying


async def told_of(rig: Rig, talk: Talk) -> list[str]:
    """The events that the log still tells of a session."""
    key = await rig.value("select reference_key from audit_tree")
    ref = reference(key, Thing.SESSION, talk.id)
    log = await the_log(rig)
    told = [decoded(record) for _, record in log.records.values()]
    return [str(record["event"]) for record in told if record.get("session") == ref]


async def test_an_erased_session_leaves_its_leaves_and_that_it_was_erased(rig: Rig) -> None:
    talk = await start_talk(rig)
    await both_ways(talk)
    await seal(rig)
    before = await the_log(rig)
    await rig.relay.erasure.erase(rig.account, talk.id)
    await seal(rig)
    after = await check_sealed_once(rig)

    assert await told_of(rig, talk) == ["session.erased"]
    assert len(after.records) == len(before.records) - 6 + 1
    assert after.head.size == before.head.size + 2  # closed, and erased
    check_growth(before, after)


async def test_nothing_is_told_of_a_session_that_was_erased_before_it_was_sealed(rig: Rig) -> None:
    talk = await start_talk(rig)
    await both_ways(talk)
    await rig.relay.erasure.erase(rig.account, talk.id)
    await seal(rig)
    await check_sealed_once(rig)

    assert await told_of(rig, talk) == ["session.erased"]


async def test_nothing_is_told_of_a_session_that_is_erased_while_it_is_sealed(rig: Rig) -> None:
    """The sealer has read and entered what it knew, and is about to mark it."""
    talk = await start_talk(rig)
    await both_ways(talk)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("lock table sealed_event in share mode")
        sealing = asyncio.create_task(rig.relay.audit_log.seal(rig.account.bucket))
        await until(lambda: tx.fetch("select 1 from pg_locks where not granted"))
        await rig.relay.erasure.erase(rig.account, talk.id)
    await sealing
    await seal(rig)
    await check_sealed_once(rig)

    assert await told_of(rig, talk) == ["session.erased"]


async def test_nothing_is_told_of_a_session_that_is_erased_between_reading_and_entering(rig: Rig) -> None:
    """The sealer's steps one by one: entering and the erasure both hold the tree, so nothing from outside gets between them."""
    talk, log = await start_talk(rig), rig.relay.audit_log
    await both_ways(talk)
    ids = [event for event in await happened(rig) if bucket_of(event) == talk.bucket]
    read = await rig.relay.database.run(partial(_read, talk.bucket, ids))
    await rig.relay.erasure.erase(rig.account, talk.id)
    await rig.relay.database.run(partial(log._enter, rig.account, read))
    await rig.relay.database.run(partial(_mark, talk.bucket, read))
    before = await told_of(rig, talk)
    await seal(rig)
    await check_sealed_once(rig)

    assert "message.received" in before
    assert await told_of(rig, talk) == ["session.erased"]


async def test_an_erasure_reaches_the_log_when_its_process_died_before(rig: Rig) -> None:
    talk = await start_talk(rig)
    await both_ways(talk)
    await seal(rig)
    await dies_at(rig, "lock table audit_entry in share mode", rig.relay.erasure.erase(rig.account, talk.id))
    before = await told_of(rig, talk)
    await rig.relay.erasure.finish(talk.bucket)
    await seal(rig)

    assert "message.received" in before
    assert await told_of(rig, talk) == ["session.erased"]


async def test_the_log_of_others_says_nothing_less_when_a_session_is_erased(rig: Rig) -> None:
    talk = await start_talk(rig)
    other = await start_talk(rig, pool=await rig.pool("other", [f"+1202555019{n}" for n in range(2)]))
    await both_ways(talk)
    await both_ways(other)
    await seal(rig)
    before = await told_of(rig, other)
    await rig.relay.erasure.erase(rig.account, talk.id)

    assert await told_of(rig, other) == before
    assert "message.accepted" in before
    assert await told_of(rig, talk) == []


async def forget(rig: Rig, work: Callable[[int], Awaitable[int]]) -> None:
    for bucket in (await rig.relay.configuration.refreshed()).buckets:
        while await work(bucket):
            pass


async def test_records_are_forgotten_after_13_months_and_their_leaves_are_not(rig: Rig) -> None:
    talk = await start_talk(rig)
    await seal(rig)
    before = await the_log(rig)
    rig.later(days=200)
    await talk.say("hello")
    await seal(rig)
    rig.later(days=196, seconds=-60)
    await forget(rig, rig.relay.audit_log.forget)
    kept = len((await the_log(rig)).records)
    rig.later(seconds=120)
    await forget(rig, rig.relay.audit_log.forget)
    after = await the_log(rig)

    assert kept == after.head.size
    assert sorted(after.records) == list(range(before.head.size, after.head.size))
    check_growth(before, after)


async def test_an_event_without_its_mark_is_not_forgotten_whoever_asks(rig: Rig) -> None:
    pool = await rig.pool("default", [])
    ids = [await something(rig, pool.bucket) for _ in range(2)]
    await rig.relay.audit_log.seal_these(pool.bucket, ids[:1])

    assert await rig.relay.database.run(lambda tx: retention.forget_events(tx, pool.bucket, ids)) == 1
    assert ids[1] in await happened(rig)


async def test_no_event_is_forgotten_before_it_is_sealed(rig: Rig) -> None:
    pool = await rig.pool("default", [])
    old = await something(rig, pool.bucket)
    rig.later(days=31)
    await something(rig, pool.bucket)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("lock table audit_tile in share mode")
        dying = asyncio.create_task(rig.relay.retention.forget_events(pool.bucket))
        await until(lambda: tx.fetch("select 1 from pg_locks where not granted"))
        dying.cancel()
        await asyncio.wait([dying])
    kept = await happened(rig)
    await forget(rig, rig.relay.retention.forget_events)
    log = await the_log(rig)

    assert old in kept
    assert old not in await happened(rig)
    assert old in log.events
    assert await rig.value("select count(*) from sealed_event") == 0


async def test_a_head_is_signed_by_the_old_key_too_when_a_new_one_has_come(rig: Rig) -> None:
    await rig.pool("default", [])
    await seal(rig)
    before = await the_log(rig)
    ring = rig.relay.vault.keyring
    now = await rig.relay.database.now()
    ring.take(ring.with_next({LOG: now}, now).all())
    ring.seal_with({LOG: 2})
    await rig.pool("more", [])
    await seal(rig)
    check_growth(before, await the_log(rig))
    keys = await rig.rows("select key_id, first_size from audit_key order by key_id")

    assert [(key["key_id"], key["first_size"]) for key in keys] == [(1, before.head.size), (2, before.head.size + 1)]
    assert str(await rig.value("select checkpoint from audit_tree")).count("— ") == 2
