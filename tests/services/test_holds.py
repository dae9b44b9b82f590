"""Holds: what is known of a session stays for as long as one stands, however much is forgotten around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from relay.core.errors import Conflict, InvalidInput, NotFound
from relay.core.ids import Seed
from relay.core.model import HoldReason
from relay.storage import retention
from relay.storage.database import Database
from tests.services.keeping import GONE, left, over, upkeep
from tests.services.people import ALICE, CAROL, numbers
from tests.services.rig import Rig, Talk, make_rig, start_talk
from tests.services.waiting import until

HOUR = 3600


@pytest.fixture
async def rig(db: Database) -> Rig:
    """Without the observer of moves, who misses what is forgotten."""
    return await make_rig(db)


async def place(talk: Talk, *, seed: Seed | None = None) -> retention.Hold:
    rig = talk.rig
    return await rig.relay.holds.place(
        rig.account, talk.id, HoldReason.LEGAL_CLAIM, key_id=rig.account.id, seed=seed or await rig.seed()
    )


async def test_everything_goes_when_more_is_old_than_one_batch_holds(rig: Rig) -> None:
    talk = await over(rig)
    await rig.rows(
        "insert into event (bucket, id, account_id, type, at) select bucket, gen_random_uuid(), account_id, type, at"
        " from event, generate_series(1, 700) limit 1200 returning 1"
    )
    await rig.rows("update event set id = ('00000000' || substr(id::text, 9))::uuid returning 1")
    rig.later(days=30)

    batches = [await rig.relay.retention.forget_events(talk.bucket) for _ in range(4)]
    assert batches[:2] == [500, 500]
    assert 0 < batches[2] < 500
    assert batches[3] == 0


async def test_nothing_of_a_held_session_goes_until_its_hold_is_lifted(rig: Rig) -> None:
    talk = await over(rig)
    await place(talk)
    before = await left(rig)
    rig.later(days=400)
    await upkeep(rig)
    while_held = await left(rig)
    await rig.relay.holds.lift(rig.account, talk.id)
    just_lifted = (await rig.relay.retention.report()).overdue
    await upkeep(rig)

    assert while_held == before
    assert just_lifted == 0
    assert {**await left(rig), "event": 0} == GONE
    assert await rig.value("select count(*) from hold") == 0


async def test_other_sessions_go_when_one_is_held(rig: Rig) -> None:
    talk = await over(rig)
    other = await start_talk(rig, pool=talk.pool, one=ALICE, other=CAROL, cool_down=HOUR)
    await rig.relay.sessions.close(rig.account, other.id)
    await place(talk)
    rig.later(days=91)
    await upkeep(rig)

    assert await rig.rows("select id from session") == [{"id": talk.id}]
    assert (await left(rig))["participant"] == 2


async def test_others_are_forgotten_when_more_is_held_than_one_batch_holds(rig: Rig) -> None:
    talk = await over(rig)
    other = await start_talk(rig, pool=talk.pool, one=ALICE, other=CAROL, cool_down=HOUR)
    await other.say("hello")
    await rig.relay.sessions.close(rig.account, other.id)
    await place(talk)
    for table, columns in _COPIED.items():
        await rig.rows(
            f"insert into {table} (bucket, id, {columns}) select bucket, ('00000000' || substr(md5(n::text), 9))::uuid,"
            f" {columns} from (select * from {table} where session_id = $1 limit 1) as t, generate_series(1, 600) as n"
            " returning 1",
            talk.id,
        )
    rig.later(days=91)
    await upkeep(rig)

    assert await rig.rows("select distinct session_id as id from message") == [{"id": talk.id}]
    assert await rig.rows("select distinct session_id as id from event") == [{"id": talk.id}]
    assert await rig.rows("select id from session") == [{"id": talk.id}]


_COPIED = {
    "message": "account_id, session_id, kind, from_participant, to_participant, leg_no, state, reason, segments, attempts,"
    " received_at, changed_at, accepted_at, delivered_at",
    "event": "account_id, session_id, type, reason, at",
}


async def test_a_hold_keeps_no_phone_and_no_text_when_its_session_closes(rig: Rig) -> None:
    talk = await start_talk(rig, cool_down=HOUR)
    await talk.say("hello")
    await place(talk)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(seconds=HOUR)
    await upkeep(rig)

    assert (
        await rig.value("select count(*) from participant where sealed_phone is not null or party_index is not null")
        == 0
    )
    assert await rig.value("select count(*) from outbox") == 0
    assert await rig.states() == [("refused", "session_closed")]


async def test_placing_and_lifting_are_told_with_their_reason(rig: Rig) -> None:
    talk = await start_talk(rig)
    seed = await rig.seed()
    first, again = [await place(talk, seed=seed) for _ in range(2)]
    await rig.relay.holds.lift(rig.account, talk.id)
    await place(talk)

    assert first == again
    assert (first.session_id, first.reason, first.placed_by) == (talk.id, "legal_claim", rig.account.id)
    told = await rig.rows("select session_id, reason from event where type = 'privacy.hold' order by id")
    assert told == [{"session_id": talk.id, "reason": r} for r in ("legal_claim", "lifted", "legal_claim")]


async def test_a_hold_is_refused_when_one_stands_or_the_session_is_not_the_accounts(rig: Rig) -> None:
    talk = await start_talk(rig)
    await place(talk)
    stranger = replace(rig.account, id=uuid4())
    with pytest.raises(Conflict) as caught:
        await place(talk)
    for account, session_id in ((stranger, talk.id), (rig.account, rig.account.id)):
        with pytest.raises(InvalidInput):
            await rig.relay.holds.place(
                account, session_id, HoldReason.LEGAL_CLAIM, key_id=account.id, seed=await rig.seed()
            )
        with pytest.raises(NotFound):
            await rig.relay.holds.lift(account, session_id)

    assert caught.value.code == "already_held"
    assert await rig.value("select count(*) from event where type = 'privacy.hold'") == 1


async def test_a_hold_waits_when_something_is_being_forgotten_in_its_bucket(rig: Rig) -> None:
    talk = await over(rig)
    rig.later(days=90)
    async with rig.relay.database.transaction() as tx:
        assert await retention.forget_messages(tx, talk.bucket, limit=10) == 2
        placing = asyncio.create_task(place(talk))
        await until(lambda: rig.rows("select 1 from pg_locks where not granted"))
        assert not placing.done()
    await placing
    await upkeep(rig)

    assert (await left(rig))["session"] == 1


@pytest.mark.parametrize("what", ["messages", "events", "sessions"])
async def test_nothing_is_forgotten_when_a_hold_is_placed_between_the_look_and_the_lock(rig: Rig, what: str) -> None:
    talk = await over(rig)
    rig.later(days=90)
    steps: dict[str, Callable[[int], Coroutine[Any, Any, int]]] = {
        "messages": rig.relay.retention.forget_messages,
        "events": rig.relay.retention.forget_events,
        "sessions": rig.relay.retention.forget_sessions,
    }
    if what == "sessions":
        await steps["messages"](talk.bucket)
    new = retention.NewHold(uuid4(), rig.account.id, talk.id, HoldReason.LEGAL_CLAIM, uuid4())
    async with rig.relay.database.transaction() as tx:
        assert await retention.place_hold(tx, new)
        forgetting = asyncio.create_task(steps[what](talk.bucket))
        await until(lambda: rig.rows("select 1 from pg_locks where not granted"))

    rest = await forgetting
    assert rest == (0 if what != "events" else await unrelated(talk))
    assert (await left(rig))["session"] == 1


async def unrelated(talk: Talk) -> int:
    """How many old events of the bucket name no session: they went."""
    gone = await talk.rig.value("select count(*) from event where bucket = $1 and session_id is null", talk.bucket)
    assert gone == 0
    assert (await left(talk.rig))["event"] == 7  # six of the session, and the hold
    return len(numbers(3)) + 1  # a number.added each, and pool.ready
