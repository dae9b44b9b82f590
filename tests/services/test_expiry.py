"""What happens because time has passed: sessions end, texts expire, answers are forgotten. Time is given, nobody sleeps."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from relay.core.errors import Conflict, InvalidInput
from relay.services.inbound import Taken
from relay.services.sessions import SessionChange
from relay.services.texts import TextWanted
from tests.services.carrier import lost_answer
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, start_talk
from tests.services.waiting import until

HOUR = 3600


async def end(talk: Talk) -> tuple[object, object]:
    """Let upkeep end what is over; returns the session's status and why."""
    await talk.rig.relay.expiry.end_sessions(talk.bucket)
    view = await talk.rig.relay.sessions.read(talk.rig.account, talk.id)
    return view.session.status, view.session.close_reason


async def change(talk: Talk, **wanted: object) -> None:
    wish = SessionChange(**wanted)  # type: ignore[arg-type]  # a test's own words
    await talk.rig.relay.sessions.change(talk.rig.account, talk.id, wish)


async def test_a_session_ends_when_its_time_is_over_and_not_a_second_before(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=HOUR)
    rig.later(seconds=HOUR - 1)
    before = await end(talk)
    rig.later(seconds=1)

    assert before == ("open", None)
    assert await end(talk) == ("closed", "expired")


async def test_waiting_texts_are_refused_when_their_session_expires(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=HOUR)
    await talk.say("hello")
    rig.later(seconds=HOUR)
    await end(talk)

    assert await rig.states() == [("refused", "session_expired")]
    assert await rig.rows("select 1 from outbox") == []


async def test_a_session_ends_when_nobody_said_anything_for_its_idle_timeout(rig: Rig) -> None:
    talk = await start_talk(rig, idle_timeout=600)
    rig.later(seconds=599)
    await talk.say("still there?")
    rig.later(seconds=599)
    before = await end(talk)
    rig.later(seconds=1)

    assert before == ("open", None)
    assert await end(talk) == ("closed", "idle")


async def test_a_text_from_the_platform_does_not_keep_a_session_alive_when_its_people_are_silent(rig: Rig) -> None:
    talk = await start_talk(rig, idle_timeout=600)
    rig.later(seconds=300)
    wanted = TextWanted(talk.id, talk.view.participants[0].id, "your ride is near")
    await rig.relay.texts.send(rig.account, wanted, await rig.seed())
    rig.later(seconds=300)

    assert await end(talk) == ("closed", "idle")


async def test_the_accounts_idle_timeout_counts_when_the_session_names_none(rig: Rig) -> None:
    account = await rig.relay.accounts.change(rig.account.id, {"default_idle_timeout": 60})
    rig.account = account
    talk = await start_talk(rig)
    rig.later(seconds=60)

    assert await end(talk) == ("closed", "idle")


async def test_a_late_text_is_refused_when_the_session_is_over_and_upkeep_has_not_come_by(rig: Rig) -> None:
    talk = await start_talk(rig, idle_timeout=600)
    rig.later(seconds=600)

    assert await talk.say("hello?") is Taken.REFUSED
    assert await rig.states() == [("refused", "late")]


async def test_a_session_lives_on_when_it_was_extended(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=HOUR)
    rig.later(seconds=HOUR - 1)
    await change(talk, expires_in=HOUR)
    rig.later(seconds=HOUR - 1)
    before = await end(talk)
    rig.later(seconds=1)

    assert before == ("open", None)
    assert await end(talk) == ("closed", "expired")


async def test_a_session_ends_at_the_time_named_when_it_was_shortened(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=HOUR)
    await change(talk, expires_at=await rig.relay.database.now() + timedelta(minutes=5))
    rig.later(minutes=5, seconds=1)

    assert await end(talk) == ("closed", "expired")


async def test_silence_counts_from_the_change_when_the_idle_timeout_is_set_anew(rig: Rig) -> None:
    talk = await start_talk(rig, idle_timeout=600)
    rig.later(seconds=500)
    await change(talk, idle_timeout=600)
    rig.later(seconds=599)
    before = await end(talk)
    rig.later(seconds=2)

    assert before == ("open", None)
    assert await end(talk) == ("closed", "idle")


async def test_silence_counts_as_before_when_something_else_is_changed(rig: Rig) -> None:
    talk = await start_talk(rig, idle_timeout=600)
    rig.later(seconds=500)
    await change(talk, idle_timeout=600)
    rig.later(seconds=200)
    await change(talk, metadata={"ride": "7"}, expires_in=2 * HOUR)

    assert await end(talk) == ("open", None)
    view = await rig.relay.sessions.read(rig.account, talk.id)
    assert (view.session.metadata, view.session.idle_timeout) == ({"ride": "7"}, 600)


@pytest.mark.parametrize(("expires_in", "idle_timeout"), [(600, None), (3600, 600)])
async def test_a_session_cannot_be_extended_when_it_is_over(
    rig: Rig, expires_in: int, idle_timeout: int | None
) -> None:
    talk = await start_talk(rig, expires_in=expires_in, idle_timeout=idle_timeout)
    rig.later(seconds=600)

    with pytest.raises(Conflict) as caught:
        await change(talk, expires_in=HOUR)

    assert caught.value.code == "session_closed"


async def test_a_session_lives_at_most_180_days_when_it_is_extended(rig: Rig) -> None:
    talk = await start_talk(rig)

    with pytest.raises(InvalidInput):
        await change(talk, expires_in=181 * 24 * HOUR)


async def test_a_session_stays_open_when_it_is_extended_between_the_look_and_the_lock(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=600)
    rig.later(seconds=600)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("update session set expires_at = expires_at + interval '1 hour'")
        ending = asyncio.create_task(end(talk))
        await until(lambda: rig.rows("select 1 from pg_locks where not granted"))

    assert await ending == ("open", None)


async def test_a_waiting_text_expires_when_four_hours_have_passed(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    rig.later(hours=4, seconds=-1)
    before = await rig.relay.expiry.expire_texts(talk.bucket)
    rig.later(seconds=1)

    assert (before, await rig.relay.expiry.expire_texts(talk.bucket)) == (0, 1)
    assert await rig.states() == [("expired", "deadline")]
    assert await rig.rows("select 1 from outbox") == []


async def test_a_parked_text_expires_when_72_hours_have_passed(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=100 * HOUR)
    rig.carrier.answer = lost_answer
    await talk.say("lost")
    await rig.send_all(talk.bucket)
    rig.later(seconds=121)
    await rig.relay.ambiguity.look(talk.bucket)
    rig.later(hours=72, seconds=-1)
    before = await rig.relay.expiry.expire_texts(talk.bucket)
    rig.later(seconds=1)

    assert (before, await rig.relay.expiry.expire_texts(talk.bucket)) == (0, 1)
    assert await rig.states() == [("expired", "deadline")]


async def test_answers_are_forgotten_when_a_day_has_passed(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("HELP")
    rig.later(hours=24, seconds=-1)
    before = await rig.relay.expiry.forget_answers(talk.bucket)
    rig.later(seconds=1)

    assert (before, await rig.relay.expiry.forget_answers(talk.bucket)) == (0, 1)
    assert await rig.rows("select 1 from answer") == []


async def test_every_session_ends_when_more_are_over_than_one_batch_holds(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    for n in range(102):
        await rig.session(pool, phone(2 * n), phone(2 * n + 1), expires_in=60)
    rig.later(seconds=60)

    batches = [await rig.relay.expiry.end_sessions(pool.bucket) for _ in range(3)]

    assert batches == [100, 2, 0]
