"""What a close does to everything that has not left, and what the marketplace is told about it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from relay.core.closing import closing
from relay.core.errors import Conflict, NotFound
from relay.core.model import CloseReason, State
from relay.providers.base import ReceiptWord
from relay.services.inbound import Taken
from relay.storage import endings, sessions
from tests.services.carrier import lost_answer, unreachable
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, start_talk


async def park(talk: Talk) -> None:
    """A text whose fate nobody could find out."""
    talk.rig.carrier.answer = lost_answer
    await talk.say("lost")
    await talk.rig.send_all(talk.bucket)
    talk.rig.carrier.answer = None
    await give_up(talk)


async def give_up(talk: Talk) -> None:
    talk.rig.later(seconds=130)
    await talk.rig.relay.ambiguity.look(talk.bucket)


async def test_a_waiting_text_is_refused_when_its_session_closes(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")

    view, in_flight = await rig.relay.sessions.close(rig.account, talk.id)
    await rig.send_all(talk.bucket)

    assert (view.session.status, view.session.close_reason, in_flight) == ("closed", "api", ())
    assert await rig.states() == [("refused", "session_closed")]
    assert rig.carrier.asked == []
    assert await rig.rows("select 1 from outbox") == []


async def test_a_text_that_a_rule_parked_is_refused_when_its_session_closes(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.rows(
        "with m as (update message set state = 'parked', reason = 'loop' returning bucket, id, session_id, account_id),"
        " o as (update outbox set phase = 'parked')"
        " insert into event (bucket, id, account_id, type, session_id, message_id, reason, at)"
        " select bucket, gen_random_uuid(), account_id, 'message.parked', session_id, id, 'loop', now() from m"
        " returning id"
    )

    await rig.relay.sessions.close(rig.account, talk.id)

    assert await rig.states() == [("refused", "session_closed")]
    assert await rig.rows("select 1 from outbox") == []


async def test_a_text_under_way_is_named_when_its_session_closes(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    (intent,) = await rig.begin(talk.bucket)

    _, in_flight = await rig.relay.sessions.close(rig.account, talk.id)
    _, still = await rig.relay.sessions.close(rig.account, talk.id)
    await rig.hand_over(talk.bucket, intent)
    _, later = await rig.relay.sessions.close(rig.account, talk.id)

    assert (in_flight, still, later) == ((intent.passed.message_id,), (intent.passed.message_id,), ())
    assert await rig.states() == [("accepted", None)]


async def test_a_parked_text_of_unknown_fate_keeps_its_state_and_loses_its_text_when_its_session_closes(
    rig: Rig,
) -> None:
    talk = await start_talk(rig)
    await park(talk)
    assert await rig.value("select phase from outbox") == "parked"

    await rig.relay.sessions.close(rig.account, talk.id)

    assert await rig.states() == [("parked", "ambiguous")]
    assert await rig.rows("select 1 from outbox") == []


async def test_a_late_receipt_still_tells_when_its_session_has_closed(rig: Rig) -> None:
    talk = await start_talk(rig)
    await park(talk)
    await rig.relay.sessions.close(rig.account, talk.id)

    moved = await rig.receipt(rig.carrier.asked[0], ReceiptWord.DELIVERED)

    assert moved is State.DELIVERED
    assert await rig.states() == [("delivered", None)]


async def test_a_text_is_parked_without_its_text_when_its_fate_stays_unknown_after_the_close(rig: Rig) -> None:
    talk = await start_talk(rig)
    rig.carrier.answer = lost_answer
    await talk.say("lost")
    await rig.send_all(talk.bucket)
    await rig.relay.sessions.close(rig.account, talk.id)
    assert await rig.value("select phase from outbox") == "unresolved"

    await give_up(talk)

    assert await rig.states() == [("parked", "ambiguous")]
    assert await rig.rows("select 1 from outbox") == []


async def test_a_parked_text_cannot_be_retried_when_its_session_has_closed(rig: Rig) -> None:
    talk = await start_talk(rig)
    await park(talk)
    await rig.relay.sessions.close(rig.account, talk.id)
    (message,) = await rig.relay.texts.of_session(rig.account, talk.id, limit=10, before=None)

    with pytest.raises(Conflict) as caught:
        await rig.relay.texts.retry(rig.account, message.id, await rig.seed())

    assert caught.value.code == "session_closed"
    assert (await rig.relay.texts.discard(rig.account, message.id, await rig.seed())).state == "refused"


async def test_phones_go_and_bindings_cool_when_a_session_closes(rig: Rig) -> None:
    talk = await start_talk(rig, cool_down=7200)

    view, _ = await rig.relay.sessions.close(rig.account, talk.id)

    people = await rig.rows("select status, sealed_phone, epoch_id, party_index is null as forgotten from participant")
    gone = {"status": "closed", "sealed_phone": None, "epoch_id": None, "forgotten": False}
    assert people == [gone, gone]
    assert view.session.closed_at is not None
    held = {row["held_until"] for row in await rig.rows("select held_until from binding")}
    assert held == {view.session.closed_at + timedelta(hours=2)}


async def test_a_second_close_changes_nothing_when_the_session_is_closed(rig: Rig) -> None:
    talk = await start_talk(rig)
    first, _ = await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(hours=1)

    second, in_flight = await rig.relay.sessions.close(rig.account, talk.id)

    assert (second.session, in_flight) == (first.session, ())


async def test_somebody_elses_session_looks_unknown_when_it_is_closed(rig: Rig) -> None:
    talk = await start_talk(rig)
    stranger = await rig.relay.accounts.add("another market")
    unknown = (await rig.seed()).id_in(talk.bucket)

    answers = []
    for session_id in (talk.id, unknown):
        with pytest.raises(NotFound) as caught:
            await rig.relay.sessions.close(stranger, session_id)
        answers.append((caught.value.code, caught.value.message))

    assert answers[0] == answers[1]
    assert await rig.value("select status from session") == "open"


async def test_a_text_waits_and_is_late_when_a_close_is_being_committed(rig: Rig) -> None:
    talk = await start_talk(rig)
    async with rig.relay.database.transaction() as tx:
        await sessions.lock(tx, talk.bucket, rig.account.id, talk.id)
        await endings.close(tx, talk.bucket, talk.id, closing(CloseReason.API, []))
        arriving = asyncio.create_task(talk.say("still there?"))
        await asyncio.sleep(0.15)
        assert not arriving.done()

    assert await arriving is Taken.REFUSED
    assert await rig.states() == [("refused", "late")]


async def test_a_close_names_every_text_under_way_when_sends_race_with_it(rig: Rig) -> None:
    """Whoever is told that a session is closed knows of everything that may still arrive."""
    pool = await rig.pool("default", numbers(30))
    for n in range(20):
        talk = await start_talk(rig, pool=pool, one=phone(2 * n), other=phone(2 * n + 1))
        await talk.say("from one", slot=1)
        await talk.say("from the other", slot=2)

        begun, (_, in_flight) = await asyncio.gather(
            rig.begin(talk.bucket), rig.relay.sessions.close(rig.account, talk.id)
        )

        assert sorted(in_flight) == sorted(intent.passed.message_id for intent in begun)
        assert await rig.begin(talk.bucket) == []


async def test_a_notice_waits_longer_and_longer_when_the_carrier_cannot_be_reached(rig: Rig) -> None:
    """Its session has closed, so nothing else would slow it down."""
    talk = await start_talk(rig)
    await rig.relay.sessions.close(rig.account, talk.id)
    await talk.say("one more thing")
    rig.carrier.answer = unreachable
    (intent,) = await rig.begin(talk.bucket)
    await rig.hand_over(talk.bucket, intent)
    at_once = await rig.begin(talk.bucket)
    rig.later(seconds=2)
    rig.carrier.answer = None

    assert at_once == []
    assert await rig.send_all(talk.bucket) == 1
