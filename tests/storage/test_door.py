"""The guarded door: what it lets through, what it ends, and what it waits for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from relay.core.closing import closing
from relay.core.lifetime import Lifetime
from relay.core.model import CloseReason, MessageKind
from relay.providers import twilio
from relay.services.sending import Intent
from relay.storage import endings, leases, sessions, suppressions
from relay.storage.suppressions import OptChange
from tests.services.carrier import unreachable
from tests.services.people import STRANGER
from tests.services.rig import Rig, Talk, start_talk

#: The second person is gone, as a replacement writes it.
_REPLACED = """
with p as (
    update participant set status = 'replaced', sealed_phone = null, epoch_id = null where slot = 2
    returning bucket, id, session_id
)
insert into event (bucket, id, account_id, type, session_id, participant_id, at)
select p.bucket, gen_random_uuid(), s.account_id, 'participant.replaced', s.id, p.id, now()
  from p join session s on s.bucket = p.bucket and s.id = p.session_id
returning participant_id
"""


async def handing_over(talk: Talk) -> Intent:
    """A text to the second person that is under way."""
    await talk.say("hello")
    (intent,) = await talk.rig.begin(talk.bucket)
    return intent


async def fails(talk: Talk, intent: Intent) -> None:
    """That text comes back without having left."""
    talk.rig.carrier.answer = unreachable
    await talk.rig.hand_over(talk.bucket, intent)
    talk.rig.carrier.answer = None
    talk.rig.later(seconds=2)


async def test_door_refuses_when_the_session_was_closed_during_an_attempt_in_vain(rig: Rig) -> None:
    talk = await start_talk(rig)
    intent = await handing_over(talk)
    await rig.relay.sessions.close(rig.account, talk.id)
    await fails(talk, intent)

    assert await rig.begin(talk.bucket) == []
    assert await rig.states() == [("refused", "session_closed")]
    assert await rig.rows("select 1 from outbox") == []


async def test_door_refuses_when_the_session_has_expired_and_nobody_has_noticed(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=3600)
    await talk.say("hello")
    rig.later(hours=1)

    assert await rig.begin(talk.bucket) == []
    assert await rig.states() == [("refused", "session_expired")]


async def test_door_refuses_when_the_recipient_was_replaced(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.rows(_REPLACED)

    assert await rig.begin(talk.bucket) == []
    assert await rig.states() == [("refused", "participant_replaced")]


async def test_door_refuses_when_the_recipient_said_stop_during_an_attempt_in_vain(rig: Rig) -> None:
    talk = await start_talk(rig)
    intent = await handing_over(talk)
    await talk.say("STOP", slot=2)
    await fails(talk, intent)

    assert await rig.begin(talk.bucket) == []
    assert (await rig.states())[0] == ("refused", "opted_out")


async def test_door_refuses_when_the_person_has_no_row(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.rows("delete from person returning 1 as gone")

    assert await rig.begin(talk.bucket) == []
    assert await rig.states() == [("refused", "opted_out")]


async def test_door_expires_a_text_when_its_deadline_has_passed(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.later(hours=4)

    assert await rig.begin(talk.bucket) == []
    assert await rig.states() == [("expired", "deadline")]
    assert await rig.rows("select 1 from outbox") == []


async def test_door_still_opens_when_the_deadline_is_a_second_away(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.later(hours=4, seconds=-1)

    assert len(await rig.begin(talk.bucket)) == 1


@pytest.mark.parametrize("off", [-1, 1])
async def test_door_stays_shut_when_the_epoch_is_another(rig: Rig, off: int) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    epoch = await rig.epoch(talk.bucket)

    assert await rig.relay.sending.begin(talk.bucket, epoch + off, await rig.due(talk.bucket)) == []
    assert await rig.states() == [("queued", None)]


async def test_door_stays_shut_when_the_lease_has_run_out(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    async with rig.relay.database.transaction() as tx:
        epoch = await leases.take(tx, talk.bucket, uuid4(), timedelta(seconds=5))
    rig.later(seconds=6)

    assert epoch is not None
    assert await rig.relay.sending.begin(talk.bucket, epoch, await rig.due(talk.bucket)) == []
    assert await rig.states() == [("queued", None)]


async def test_door_lets_one_of_two_through_when_both_want_the_same_text(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    epoch, due = await rig.epoch(talk.bucket), await rig.due(talk.bucket)

    begun = await asyncio.gather(*(rig.relay.sending.begin(talk.bucket, epoch, due) for _ in range(8)))

    assert sorted(len(intents) for intents in begun) == [0] * 7 + [1]
    assert await rig.value("select count(*) from attempt") == 1


async def test_the_confirmation_of_stop_passes_and_a_notice_does_not_when_the_person_has_opted_out(rig: Rig) -> None:
    quiet = replace(twilio.ADAPTER.capabilities, answers_stop=False)
    rig.relay.adapters["twilio"] = replace(twilio.ADAPTER, capabilities=quiet)
    talk = await start_talk(rig)
    await talk.say("look", media=1)
    notice = next(intent for intent in await rig.begin(talk.bucket) if intent.passed.kind is MessageKind.NOTICE)

    await talk.say("STOP")
    await fails(talk, notice)
    begun = await rig.begin(talk.bucket)

    assert [(intent.passed.kind, intent.letter.phone) for intent in begun] == [("stop_reply", talk.one)]
    assert await rig.states("notice") == [("refused", "opted_out")]


async def test_a_confirmation_of_stop_stays_when_start_has_come_since_its_first_try(rig: Rig) -> None:
    """It was on its way when START came, which therefore did not end it."""
    quiet = replace(twilio.ADAPTER.capabilities, answers_stop=False)
    rig.relay.adapters["twilio"] = replace(twilio.ADAPTER, capabilities=quiet)
    talk = await start_talk(rig)
    await talk.say("STOP")
    (confirmation,) = await rig.begin(talk.bucket)
    await talk.say("START")
    await fails(talk, confirmation)

    assert await rig.begin(talk.bucket) == []
    assert await rig.states("stop_reply") == [("refused", "blocked_by_rule")]


async def begin_waits(rig: Rig, talk: Talk) -> asyncio.Task[list[Intent]]:
    """Somebody at the door who has to wait for a transaction that is open."""
    knocking = asyncio.create_task(
        rig.relay.sending.begin(talk.bucket, rig.epochs[talk.bucket], await rig.due(talk.bucket))
    )
    await asyncio.sleep(0.15)
    assert not knocking.done()
    return knocking


async def test_door_waits_and_refuses_when_a_stop_is_being_committed(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.epoch(talk.bucket)
    party = rig.relay.vault.indexes.of(rig.account.id, talk.other)
    async with rig.relay.database.transaction() as tx:
        change = OptChange(tx.new_id(talk.bucket), rig.account.id, party.index, party.key_id, True, tx.now)
        await suppressions.change_person(tx, talk.bucket, change, with_event=True)
        knocking = await begin_waits(rig, talk)

    assert await knocking == []
    assert await rig.states() == [("refused", "opted_out")]


async def test_door_waits_and_finds_nothing_when_a_close_is_being_committed(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.epoch(talk.bucket)
    async with rig.relay.database.transaction() as tx:
        await sessions.lock(tx, talk.bucket, rig.account.id, talk.id)
        decided = closing(CloseReason.API, await endings.unsent(tx, talk.bucket, talk.id))
        await endings.close(tx, talk.bucket, talk.id, decided)
        knocking = await begin_waits(rig, talk)

    assert await knocking == []
    assert await rig.states() == [("refused", "session_closed")]
    assert await rig.rows("select 1 from attempt") == []


async def test_door_waits_and_refuses_when_the_session_is_being_shortened(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.epoch(talk.bucket)
    async with rig.relay.database.transaction() as tx:
        await sessions.lock(tx, talk.bucket, rig.account.id, talk.id)
        over = Lifetime(tx.now)
        await sessions.change(tx, talk.bucket, talk.id, lifetime=over, idle_timeout=None, metadata={}, notice=(0, None))
        knocking = await begin_waits(rig, talk)

    assert await knocking == []
    assert await rig.states() == [("refused", "session_expired")]


async def test_door_waits_and_refuses_when_the_recipient_is_being_replaced(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.epoch(talk.bucket)
    async with rig.relay.database.transaction() as tx:
        await tx.execute(_REPLACED)
        knocking = await begin_waits(rig, talk)

    assert await knocking == []
    assert await rig.states() == [("refused", "participant_replaced")]


async def test_door_refuses_the_answer_to_a_stranger_when_the_stranger_has_no_row(rig: Rig) -> None:
    talk = await start_talk(rig)

    await rig.text(STRANGER, talk.proxy(1), "HELP")
    await rig.rows("delete from person where party_index = (select party_index from outbox) returning 1 as gone")
    begun = await rig.begin(talk.bucket)

    assert begun == []
    assert await rig.states("notice") == [("refused", "opted_out")]
