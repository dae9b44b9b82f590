"""One look into a bucket names exactly the steps that have work there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest

from relay.services.texts import TextWanted
from relay.storage import upkeep
from tests.services.carrier import lost_answer
from tests.services.dying import dies_after_arrival
from tests.services.people import BOB
from tests.services.rig import Rig, Talk, start_talk

PATIENCE = upkeep.Patience(silent_send=timedelta(seconds=60), fan_out=timedelta(seconds=5))
Situation = Callable[[Talk], Awaitable[object]]


async def glance(talk: Talk, *, newer_epochs: int = 0) -> list[str]:
    rig = talk.rig
    epoch = await rig.epoch(talk.bucket) + newer_epochs
    async with rig.relay.database.transaction() as tx:
        return await upkeep.glance(tx, talk.bucket, epoch, PATIENCE)


async def session_expired(talk: Talk) -> None:
    talk.rig.later(hours=100)


async def session_idle(talk: Talk) -> None:
    await talk.rig.rows("update session set idle_timeout = 60, idle_at = now() + interval '1 min' returning 1 as x")
    talk.rig.later(minutes=1, seconds=1)


async def ended(talk: Talk) -> None:
    await talk.rig.relay.sessions.close(talk.rig.account, talk.id)


async def cooled(talk: Talk) -> None:
    await ended(talk)
    await talk.rig.relay.restoring.write(talk.bucket)
    talk.rig.later(hours=72)


async def text_overdue(talk: Talk) -> None:
    await talk.say("hello")
    talk.rig.later(hours=4)


async def parked_for_long(talk: Talk) -> None:
    talk.rig.carrier.answer = lost_answer
    await talk.say("lost")
    await talk.rig.send_all(talk.bucket)
    await ended(talk)
    await talk.rig.relay.restoring.write(talk.bucket)
    talk.rig.later(seconds=121)
    await talk.rig.relay.ambiguity.look(talk.bucket)
    talk.rig.later(hours=72)
    await talk.rig.relay.expiry.free_numbers(talk.bucket)


async def send_silent(talk: Talk) -> None:
    await talk.say("hello")
    await talk.rig.begin(talk.bucket)
    talk.rig.later(seconds=61)


async def stop_half_known(talk: Talk) -> None:
    await dies_after_arrival(talk.rig, talk.rig.text(BOB, talk.proxy(2), "STOP"))
    talk.rig.later(seconds=6)


async def text_for_later(talk: Talk) -> None:
    in_a_minute = await talk.rig.relay.database.now() + timedelta(minutes=1)
    wanted = TextWanted(talk.id, talk.view.participants[0].id, "later", send_at=in_a_minute)
    await talk.rig.relay.texts.send(talk.rig.account, wanted, await talk.rig.seed())
    assert await glance(talk) == []
    talk.rig.later(seconds=60)


async def about_to_end(talk: Talk) -> None:
    talk.rig.later(hours=98, minutes=51)


SITUATIONS: Mapping[str, Situation] = {
    "end_sessions": session_expired,
    "free_numbers": cooled,
    "expire_texts": text_overdue,
    "expire_parked": parked_for_long,
    "declare_ambiguous": send_silent,
    "finish_opt_outs": stop_half_known,
    "tell_journal": ended,
    "release_texts": text_for_later,
    "tell_expiring": about_to_end,
}


async def test_there_is_nothing_to_do_when_people_are_just_talking(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.send_all(talk.bucket)
    await talk.say("waiting")

    assert await glance(talk) == []


@pytest.mark.parametrize("step", SITUATIONS)
async def test_only_the_step_with_work_is_named_when_there_is_one(rig: Rig, step: str) -> None:
    talk = await start_talk(rig, expires_in=99 * 3600)
    await SITUATIONS[step](talk)

    assert await glance(talk) == [step]


async def test_sessions_have_to_be_ended_when_they_fell_silent(rig: Rig) -> None:
    talk = await start_talk(rig)
    await session_idle(talk)

    assert await glance(talk) == ["end_sessions"]


async def test_sends_of_an_earlier_owner_have_to_be_declared_when_they_have_just_begun(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    await rig.begin(talk.bucket)

    assert await glance(talk) == []
    assert await glance(talk, newer_epochs=1) == ["declare_ambiguous"]


async def test_parked_texts_end_when_nobody_has_decided_for_three_days(rig: Rig) -> None:
    """Also where only the metadata is left, because the session has closed."""
    talk = await start_talk(rig)
    await parked_for_long(talk)

    assert await rig.relay.expiry.expire_parked(talk.bucket) == 1
    assert await rig.states() == [("expired", "deadline")]
    assert await glance(talk) == []
