"""Each rule of forgetting by itself: what it waits for, and what goes with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from relay.core.data_class import DataClass
from relay.providers import twilio
from relay.providers.base import ReceiptWord
from relay.services.inbound import Taken
from relay.services.retention import Retention
from relay.storage.database import Database
from tests.services.keeping import GONE, left, over, upkeep
from tests.services.people import ALICE, number, numbers
from tests.services.rig import CREDENTIALS, Rig, make_rig, start_talk
from tests.services.waiting import until

HOUR = 3600


@pytest.fixture
async def rig(db: Database) -> Rig:
    """Without the observer of moves, who misses what is forgotten."""
    return await make_rig(db)


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


async def test_inbox_keys_stay_when_a_signature_carries_no_time(rig: Rig) -> None:
    talk = await over(rig)
    rig.later(days=400)
    await upkeep(rig)

    assert await rig.value("select count(*) from inbox_key where bucket = $1", talk.bucket) == 2


async def test_inbox_keys_go_after_90_days_when_the_signature_carries_its_time(rig: Rig) -> None:
    talk = await over(rig)
    timed = replace(twilio.ADAPTER, capabilities=replace(twilio.ADAPTER.capabilities, signs_time=True))
    forgets = Retention(rig.relay.database, rig.relay.configuration, {"twilio": timed}, rig.relay.audit_log.seal_these)
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
        "insert into inbox_key (bucket, connection_id, kind, key, fingerprint, key_id, at)"
        " select bucket, $1, kind, key, fingerprint, key_id, at from inbox_key returning 1",
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
