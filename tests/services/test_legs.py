"""Order within a leg, and nothing that one leg does to another."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from relay.services.sending import Intent
from relay.storage import sessions
from tests.services.carrier import SentText, lost_answer, refusal, unreachable
from tests.services.people import ALICE, BOB, CAROL, numbers, phone
from tests.services.rig import Rig, Talk, start_talk

DAY = timedelta(days=1)


def to(rig: Rig, person: str) -> list[str]:
    """What a person received, in order."""
    return [t.text for t in rig.carrier.sent if t.to == person]


async def say(talk: Talk, *texts: str, slot: int = 1) -> None:
    for text in texts:
        await talk.say(text, slot=slot)


async def test_texts_leave_in_the_order_of_their_arrival_when_all_goes_well(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, *(f"{n}" for n in range(6)))

    await rig.send_all(talk.bucket)

    assert to(rig, BOB) == [f"{n}" for n in range(6)]


async def test_only_the_first_is_due_when_several_wait_on_a_leg(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "1", "2", "3")

    begun = await rig.begin(talk.bucket)

    assert [intent.letter.text for intent in begun] == ["1"]
    assert await rig.begin(talk.bucket) == []


async def test_the_second_waits_when_the_first_is_in_backoff(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "1")
    rig.carrier.answer = unreachable
    await rig.send_all(talk.bucket)
    rig.carrier.answer = None
    await say(talk, "2")

    assert await rig.begin(talk.bucket) == []
    rig.later(seconds=2)
    await rig.send_all(talk.bucket)
    assert to(rig, BOB) == ["1", "2"]


async def test_the_second_leaves_when_the_first_was_refused(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "1", "2")
    rig.carrier.answer = lambda text: refusal(30007) if text.text == "1" else None

    await rig.send_all(talk.bucket)

    assert to(rig, BOB) == ["2"]


async def test_the_second_leaves_when_the_first_has_expired(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "1")
    rig.later(hours=4)
    await say(talk, "2")
    await rig.relay.expiry.expire_texts(talk.bucket)

    await rig.send_all(talk.bucket)

    assert to(rig, BOB) == ["2"]


async def test_the_other_direction_goes_on_when_one_is_in_backoff(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "to Bob")
    await say(talk, "to Alice", slot=2)
    rig.carrier.answer = lambda text: unreachable(text) if text.to == BOB else None

    await rig.send_all(talk.bucket)

    assert to(rig, ALICE) == ["to Alice"]


async def test_the_other_direction_goes_on_when_one_is_under_way(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "to Bob")
    await rig.begin(talk.bucket)
    await say(talk, "to Alice", slot=2)

    await rig.send_all(talk.bucket)

    assert to(rig, ALICE) == ["to Alice"]


async def test_everybody_else_on_the_number_goes_on_when_one_person_cannot_be_reached(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(1))
    talks = [await start_talk(rig, pool=pool, one=phone(2 * n), other=phone(2 * n + 1)) for n in range(5)]
    hopeless = talks[2].other
    rig.carrier.answer = lambda text: unreachable(text) if text.to == hopeless else None
    for talk in talks:
        await say(talk, "1", "2")

    await rig.send_all(pool.bucket)

    assert [to(rig, talk.other) for talk in talks] == [["1", "2"], ["1", "2"], [], ["1", "2"], ["1", "2"]]
    assert {t.sender for t in rig.carrier.sent} == set(numbers(1))


async def test_everybody_goes_on_when_one_text_has_an_unknown_fate(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(1))
    talk = await start_talk(rig, pool=pool)
    other = await start_talk(rig, pool=pool, one=CAROL, other=phone(1))

    def lose_the_first(text: SentText) -> None:
        if text.text == "1":
            lost_answer(text)

    rig.carrier.answer = lose_the_first
    await say(talk, "1", "2")
    await say(other, "hello")

    await rig.send_all(pool.bucket)

    assert (to(rig, BOB), to(rig, phone(1))) == (["2"], ["hello"])


async def test_a_notice_waits_for_nobody_when_the_leg_to_its_reader_is_in_backoff(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "to Alice", slot=2)
    rig.carrier.answer = unreachable
    await rig.send_all(talk.bucket)
    rig.carrier.answer = None
    await talk.say("look", media=1)

    await rig.send_all(talk.bucket)

    assert len(to(rig, ALICE)) == 1
    assert to(rig, BOB) == ["look"]


async def test_a_retried_text_goes_ahead_of_later_ones_when_it_was_parked(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "1")
    rig.carrier.answer = lost_answer
    await rig.send_all(talk.bucket)
    rig.carrier.answer = None
    rig.later(seconds=121)
    await rig.relay.ambiguity.look(talk.bucket)
    await say(talk, "2")
    (_, parked) = await rig.relay.texts.of_session(rig.account, talk.id, limit=2, before=None)

    await rig.relay.texts.retry(rig.account, parked.id, await rig.seed())
    await rig.send_all(talk.bucket)

    assert to(rig, BOB) == ["1", "2"]


async def test_a_text_believed_ambiguous_leaves_after_all_when_it_never_had_and_nothing_came_after_it(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "1")
    (stopped,) = await rig.begin(talk.bucket)
    await _give_up_begun(talk)

    await _resume_too_late(talk, stopped)
    await rig.send_all(talk.bucket)

    assert to(rig, BOB) == ["1"]


async def test_a_text_believed_ambiguous_stays_so_when_its_leg_has_gone_on(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "1")
    (stopped,) = await rig.begin(talk.bucket)
    await _give_up_begun(talk)
    await say(talk, "2")
    await rig.send_all(talk.bucket)

    await _resume_too_late(talk, stopped)
    await rig.send_all(talk.bucket)

    assert to(rig, BOB) == ["2"]
    assert await rig.value("select phase from outbox") == "unresolved"


async def test_a_text_believed_ambiguous_stays_so_when_a_later_one_has_been_chosen_to_leave(rig: Rig) -> None:
    """Whoever looked sees no way back: the later text goes through the door whatever is queued meanwhile."""
    talk = await start_talk(rig)
    await say(talk, "1")
    (stopped,) = await rig.begin(talk.bucket)
    await _give_up_begun(talk)
    await say(talk, "2")
    chosen = await rig.due(talk.bucket)

    await _resume_too_late(talk, stopped)
    for intent in await rig.relay.sending.begin(talk.bucket, await rig.epoch(talk.bucket), chosen):
        await rig.hand_over(talk.bucket, intent)
    await rig.send_all(talk.bucket)

    assert to(rig, BOB) == ["2"]
    assert await rig.value("select phase from outbox") == "unresolved"


async def test_a_text_waits_with_coming_back_when_another_of_its_session_is_being_written(rig: Rig) -> None:
    talk = await start_talk(rig)
    await say(talk, "1")
    (stopped,) = await rig.begin(talk.bucket)
    await _give_up_begun(talk)
    async with rig.relay.database.transaction() as tx:
        await sessions.lock(tx, talk.bucket, rig.account.id, talk.id)
        resuming = asyncio.create_task(_resume_too_late(talk, stopped))
        await asyncio.sleep(0.15)
        assert not resuming.done()

    await resuming
    assert await rig.states() == [("queued", None)]


async def _give_up_begun(talk: Talk) -> None:
    """The process that began a send is stopped; another has the bucket by now, and does not know what became of it."""
    await talk.rig.relay.ambiguity.declare(talk.bucket, epoch=await talk.rig.epoch(talk.bucket) + 1, begun_before=DAY)


async def _resume_too_late(talk: Talk, intent: Intent) -> None:
    handed = await talk.rig.relay.sending.hand_over(intent, lease_until=0.0)
    await talk.rig.relay.sending.settle(talk.bucket, handed)
    talk.rig.later(seconds=1)
