"""Each rule of forgetting by itself: what it waits for, what it goes with, and what a hold does to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from relay.core.errors import Conflict, InvalidInput, NotFound
from relay.core.ids import Seed
from relay.core.retention import DataClass, HoldReason
from relay.providers import twilio
from relay.providers.base import ReceiptWord
from relay.services.inbound import Taken
from relay.services.retention import Retention
from relay.storage import retention
from relay.storage.database import Database
from tests.services.keeping import upkeep
from tests.services.people import ALICE, CAROL, number, numbers
from tests.services.rig import CREDENTIALS, Rig, Talk, make_rig, start_talk
from tests.services.waiting import until

HOUR = 3600


@pytest.fixture
async def rig(db: Database) -> Rig:
    """Without the observer of moves, who misses what is forgotten."""
    return await make_rig(db)


async def left(rig: Rig) -> dict[str, object]:
    """How many rows there are of what a session leaves behind."""
    tables = ("session", "participant", "message", "attempt")
    found = {table: await rig.value(f"select count(*) from {table}") for table in tables}
    return found | {"event": await rig.value("select count(*) from event where session_id is not null")}


GONE = dict.fromkeys(("session", "participant", "message", "attempt", "event"), 0)


async def over(rig: Rig) -> Talk:
    """A session in which two texts were sent, closed, with its numbers free again."""
    talk = await start_talk(rig, cool_down=HOUR)
    await talk.say("hello")
    await talk.say("hello yourself", slot=2)
    await rig.send_all(talk.bucket)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(seconds=HOUR)
    await upkeep(rig)
    return talk


async def place(talk: Talk, *, seed: Seed | None = None) -> retention.Hold:
    rig = talk.rig
    return await rig.relay.holds.place(
        rig.account, talk.id, HoldReason.LEGAL_CLAIM, key_id=rig.account.id, seed=seed or await rig.seed()
    )


async def test_all_that_a_session_left_goes_when_its_periods_are_over(rig: Rig) -> None:
    await over(rig)
    before = await left(rig)
    rig.later(days=30)
    await upkeep(rig)
    after_a_month = await left(rig)
    rig.later(days=60)
    await upkeep(rig)

    assert before == {"session": 1, "participant": 2, "message": 2, "attempt": 2, "event": 6}
    assert after_a_month == {**before, "event": 0}
    assert await left(rig) == GONE


async def test_a_text_that_still_waits_is_not_forgotten_when_upkeep_has_not_come_by_for_90_days(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.later(days=91)

    assert await rig.relay.retention.forget_messages(talk.bucket) == 0
    assert await rig.states() == [("queued", None)]
    await upkeep(rig)
    assert await rig.states() == []


async def test_a_session_stays_when_a_late_text_names_it_that_is_younger(rig: Rig) -> None:
    talk = await start_talk(rig, cool_down=89 * 86400)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(days=80)
    await talk.say("too late")
    rig.later(days=20)
    await upkeep(rig)
    before = await left(rig)
    rig.later(days=70)
    await upkeep(rig)

    assert (before["session"], before["participant"], before["message"]) == (1, 2, 2)  # and its answer
    assert await left(rig) == GONE


async def test_a_session_stays_when_a_binding_still_names_it(rig: Rig) -> None:
    """Whoever texts that number is told that the conversation has ended, and the session says so."""
    talk = await start_talk(rig, cool_down=90 * 86400)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(days=90)

    assert await rig.relay.retention.forget_sessions(talk.bucket) == 0
    await rig.relay.expiry.free_numbers(talk.bucket)
    assert await rig.relay.retention.forget_sessions(talk.bucket) == 1


async def test_a_late_receipt_changes_nothing_when_its_message_is_forgotten(rig: Rig) -> None:
    await over(rig)
    rig.later(days=90)
    await upkeep(rig)

    assert await rig.receipt(rig.carrier.sent[0], ReceiptWord.DELIVERED) is None
    assert await left(rig) == GONE


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


async def test_nothing_is_half_forgotten_when_the_process_dies_at_it(rig: Rig) -> None:
    """Cut off while it waits for a session that somebody else has locked; what it had done in other transactions stays done."""
    talk = await over(rig)
    rig.later(days=90)
    await rig.relay.retention.forget_messages(talk.bucket)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("select 1 from session for update")
        dying = asyncio.create_task(rig.relay.retention.forget_sessions(talk.bucket))
        await until(lambda: tx.fetch("select 1 from pg_locks where not granted"))
        dying.cancel()
        await asyncio.wait([dying])
    before = await left(rig)
    await upkeep(rig)

    assert (before["session"], before["participant"], before["message"]) == (1, 2, 0)
    assert await left(rig) == GONE


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


async def test_inbox_keys_stay_when_a_signature_carries_no_time(rig: Rig) -> None:
    talk = await over(rig)
    rig.later(days=400)
    await upkeep(rig)

    assert await rig.value("select count(*) from inbox_key where bucket = $1", talk.bucket) == 2


async def test_inbox_keys_go_after_90_days_when_the_signature_carries_its_time(rig: Rig) -> None:
    talk = await over(rig)
    timed = replace(twilio.ADAPTER, capabilities=replace(twilio.ADAPTER.capabilities, signs_time=True))
    forgets = Retention(rig.relay.database, rig.relay.configuration, {"twilio": timed})
    rig.later(days=90, seconds=-HOUR - 60)
    before = await forgets.forget_keys(talk.bucket)
    overdue = []
    for seconds in (120, HOUR):
        rig.later(seconds=seconds)
        overdue += [h.overdue for h in (await forgets.report()).holdings if h.data_class is DataClass.INBOX_KEY]

    assert (before, overdue) == (0, [0, 2])
    assert await forgets.forget_keys(talk.bucket) == 2
    assert await rig.value("select count(*) from inbox_key") == 0


async def test_inbox_keys_go_with_their_connection_and_no_others_do(rig: Rig) -> None:
    talk = await over(rig)
    other = await rig.relay.connections.add(rig.account, "twilio", CREDENTIALS, await rig.seed())
    await rig.rows(
        "insert into inbox_key (bucket, connection_id, kind, key, fingerprint, at)"
        " select bucket, $1, kind, key, fingerprint, at from inbox_key returning 1",
        other.id,
    )
    before = await rig.relay.retention.forget_keys(talk.bucket)
    await rig.relay.connections.remove(rig.account, other.id)

    assert (before, await rig.relay.retention.forget_keys(talk.bucket)) == (0, 2)
    assert await rig.rows("select distinct connection_id as id from inbox_key") == [{"id": rig.connection.id}]


async def test_a_text_played_again_is_known_when_its_number_came_later_and_its_message_is_forgotten(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    assert await rig.text(ALICE, number(9), "hello", sid="SM1") is Taken.REFUSED
    rig.later(days=91)
    await upkeep(rig)
    assert await rig.value("select count(*) from message") == 0
    await rig.rent(pool, number(9))

    assert await rig.text(ALICE, number(9), "hello", sid="SM1") is Taken.DUPLICATE


async def test_what_happened_in_a_pool_is_forgotten_when_the_pool_is_gone(rig: Rig) -> None:
    talk = await over(rig)
    for rented in (await rig.relay.configuration.refreshed()).numbers_by_pool[talk.pool.id]:
        await rig.relay.numbers.remove(rig.account, rented.id)
    await rig.relay.pools.remove(rig.account, "default")
    held = {h.data_class: h.held for h in (await rig.relay.retention.report(rig.account)).holdings}
    rig.later(days=91)
    await upkeep(rig)

    assert (held[DataClass.SESSION], held[DataClass.MESSAGE]) == (1, 2)
    assert await left(rig) == GONE
    assert await rig.value("select count(*) from event where bucket = $1", talk.bucket) == 0
