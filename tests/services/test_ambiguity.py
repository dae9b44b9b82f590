"""Sends that may or may not have been accepted: looked for, never guessed at, and never sent twice unasked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from relay.core.delivery import Outcome
from relay.core.model import OnAmbiguous, State
from relay.providers.base import ReceiptWord
from relay.services.sending import Intent
from relay.storage.outbox import Mark
from tests.services.carrier import listing, lost_answer, refusal
from tests.services.people import BOB, numbers, phone
from tests.services.rig import Rig, Talk, start_talk

FOUND = ("accepted", None)
PARKED = ("parked", "ambiguous")
SENDING = ("sending", None)


async def lose(talk: Talk, *texts: str, slot: int = 1) -> None:
    """Send texts of which no answer is ever seen."""
    for text in texts:
        await talk.say(text, slot=slot)
    talk.rig.carrier.answer = lost_answer
    await talk.rig.send_all(talk.bucket)
    talk.rig.carrier.answer = None


async def look(talk: Talk, *, after: float) -> int:
    """Let some seconds pass and take every step that is due."""
    talk.rig.later(seconds=after)
    return await talk.rig.relay.ambiguity.look(talk.bucket)


async def test_a_text_is_accepted_when_the_carrier_has_it(rig: Rig) -> None:
    talk = await start_talk(rig)
    await lose(talk, "hello")
    rig.carrier.listed = [listing("hello")]

    assert await look(talk, after=6) == 1
    assert await rig.states() == [FOUND]
    assert await rig.rows("select 1 from outbox") == []


@pytest.mark.parametrize(
    "listed",
    [
        {"body": "something else"},
        {"status": "failed", "error_code": 30003, "body": "hello", "date_created": "not a date"},
        {"date_created": "Fri, 20 Nov 2020 12:00:00 +0000"},
        {"status": "brand-new-word"},
    ],
)
async def test_a_text_is_not_found_when_the_carrier_lists_something_else(rig: Rig, listed: dict[str, object]) -> None:
    talk = await start_talk(rig)
    await lose(talk, "hello")
    rig.carrier.listed = [{**listing("hello"), **listed}]

    await look(talk, after=6)

    assert await rig.states() == [SENDING]


async def test_the_carrier_is_asked_three_times_and_the_text_parked_when_it_is_never_found(rig: Rig) -> None:
    talk = await start_talk(rig)
    await lose(talk, "hello")

    due = [await look(talk, after=seconds) for seconds in (4, 2, 20, 6, 50, 12, 25, 10)]

    assert due == [0, 1, 0, 1, 0, 1, 0, 1]
    assert rig.carrier.searches == 4  # the last one just before it is given up
    assert await rig.states() == [PARKED]
    assert await rig.value("select phase from outbox") == "parked"
    assert rig.carrier.sent == []


async def test_looking_goes_on_when_the_carrier_cannot_be_asked(rig: Rig) -> None:
    talk = await start_talk(rig)
    await lose(talk, "hello")
    rig.carrier.listed = None

    assert [await look(talk, after=6), await look(talk, after=115)] == [1, 1]
    assert await rig.states() == [PARKED]


async def test_a_second_send_is_made_when_the_account_prefers_duplicates(rig: Rig) -> None:
    rig.account = await rig.relay.accounts.change(rig.account.id, {"on_ambiguous": OnAmbiguous.RESEND})
    talk = await start_talk(rig)
    await lose(talk, "hello")

    await look(talk, after=121)
    await rig.send_all(talk.bucket)

    assert [t.text for t in rig.carrier.sent] == ["hello"]
    assert await rig.rows("select state, attempts from message") == [{"state": "accepted", "attempts": 2}]


async def test_no_second_send_is_made_when_the_session_has_closed_meanwhile(rig: Rig) -> None:
    rig.account = await rig.relay.accounts.change(rig.account.id, {"on_ambiguous": OnAmbiguous.RESEND})
    talk = await start_talk(rig)
    await lose(talk, "hello")
    await rig.relay.sessions.close(rig.account, talk.id)

    await look(talk, after=121)
    await rig.send_all(talk.bucket)

    assert rig.carrier.sent == []
    assert await rig.states() == [PARKED]


async def test_a_notice_is_parked_without_its_words_when_its_fate_stays_unknown(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("HELP")
    rig.carrier.answer = lost_answer
    await rig.send_all(talk.bucket)

    await look(talk, after=121)

    assert await rig.states("notice") == [PARKED]
    assert await rig.rows("select 1 from outbox") == []


async def test_a_receipt_settles_it_when_the_answer_was_lost(rig: Rig) -> None:
    talk = await start_talk(rig)
    await lose(talk, "hello")

    assert await rig.receipt(rig.carrier.asked[0], ReceiptWord.ACCEPTED) is State.ACCEPTED
    assert await look(talk, after=121) == 0
    assert await rig.states() == [FOUND]


async def test_a_found_text_proves_nothing_when_another_one_with_the_same_words_was_accepted(rig: Rig) -> None:
    talk = await start_talk(rig)
    await lose(talk, "OK")
    await talk.say("OK")
    await rig.send_all(talk.bucket)
    rig.carrier.listed = [listing("OK")]

    await look(talk, after=121)

    assert await rig.states() == [PARKED, FOUND]


async def test_both_are_accepted_when_the_same_words_are_found_twice(rig: Rig) -> None:
    talk = await start_talk(rig)
    await lose(talk, "OK")
    await talk.say("OK")
    await rig.send_all(talk.bucket)
    rig.carrier.listed = [listing("OK"), listing("OK")]

    await look(talk, after=6)

    assert await rig.states() == [FOUND, FOUND]


@pytest.mark.parametrize("found", [1, 2])
async def test_two_lost_texts_of_the_same_words_need_two_finds_when_they_left_together(rig: Rig, found: int) -> None:
    talk = await start_talk(rig)
    await lose(talk, "OK", "OK")
    rig.carrier.listed = [listing("OK")] * found

    for _ in range(3):
        await look(talk, after=41)

    assert await rig.states() == ([PARKED, PARKED] if found == 1 else [FOUND, FOUND])


async def test_a_find_is_not_taken_for_the_rivals_when_that_was_settled_long_after_it_was_sent(rig: Rig) -> None:
    """Its receipt comes when the text that left with it is looked for the last time."""
    talk = await start_talk(rig)
    await lose(talk, "OK", "OK")
    rig.later(seconds=60)
    await rig.receipt(rig.carrier.asked[0], ReceiptWord.ACCEPTED)
    rig.carrier.listed = [listing("OK")]

    await look(talk, after=61)

    assert await rig.states() == [FOUND, PARKED]


async def test_a_rival_in_the_other_direction_or_another_session_does_not_count(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))
    talk = await start_talk(rig, pool=pool)
    other = await start_talk(rig, pool=pool, one=phone(1), other=phone(2))
    await lose(talk, "OK")
    await talk.say("OK", slot=2)
    await other.say("OK")
    await rig.send_all(pool.bucket)
    rig.carrier.listed = [listing("OK")]

    await look(talk, after=6)

    assert await rig.states() == [FOUND] * 3


async def test_the_leg_goes_on_when_its_first_text_has_an_unknown_fate(rig: Rig) -> None:
    talk = await start_talk(rig)
    await lose(talk, "first")
    await talk.say("second")
    await rig.send_all(talk.bucket)

    assert [(t.to, t.text) for t in rig.carrier.sent] == [(BOB, "second")]


@pytest.mark.parametrize("policy", list(OnAmbiguous))
async def test_nothing_is_given_up_when_the_text_left_anew_while_the_carrier_was_being_asked(
    rig: Rig, policy: OnAmbiguous
) -> None:
    """The first attempt turns out not to have left, and the second is under way when the search for the first ends."""
    rig.account = await rig.relay.accounts.change(rig.account.id, {"on_ambiguous": policy})
    talk = await start_talk(rig)
    await lose(talk, "hello")
    (attempt,) = await rig.rows("select id as attempt_id, message_id from attempt")
    begun: list[Intent] = []

    async def leave_anew() -> None:
        mark = Mark(outcome=Outcome.NOT_SENT, **attempt)  # type: ignore[arg-type]  # the two ids of the row
        await rig.relay.sending.mark(talk.bucket, [mark])
        begun.extend(await rig.begin(talk.bucket))

    rig.carrier.before_search = leave_anew
    await look(talk, after=121)

    assert await rig.states() == [SENDING]
    await rig.hand_over(talk.bucket, begun[0])
    assert await rig.states() == [FOUND]


async def test_others_are_looked_for_when_one_lost_text_cannot_be_opened(rig: Rig) -> None:
    talk = await start_talk(rig)
    await lose(talk, "first", "second")
    await rig.rows("update outbox set sealed_text = 'x' where leg_no = 1 returning 1 as x")

    await look(talk, after=121)

    assert await rig.states() == [PARKED, PARKED]


async def _close(talk: Talk) -> None:
    await talk.rig.relay.sessions.close(talk.rig.account, talk.id)


async def _expire(talk: Talk) -> None:
    """Seen by the door before upkeep has come round."""
    await talk.rig.rows("update session set expires_at = now() - interval '1 hour' returning id")
    await talk.rig.begin(talk.bucket)


async def _stop(talk: Talk) -> None:
    await talk.say("STOP", slot=2)


async def _refused_by_the_carrier(talk: Talk) -> None:
    talk.rig.carrier.answer = lambda _: refusal(21610)
    await talk.rig.send_all(talk.bucket)


@pytest.mark.parametrize("stopping", [_close, _expire, _stop, _refused_by_the_carrier])
async def test_a_text_is_not_said_to_be_refused_when_an_earlier_attempt_may_have_arrived(
    rig: Rig, stopping: Callable[[Talk], Awaitable[None]]
) -> None:
    talk = await _queued_again(rig)

    await stopping(talk)

    assert PARKED in await rig.states()
    assert await rig.rows("select 1 from outbox where kind = 'relay'") == []
    assert await rig.receipt(rig.carrier.asked[0], ReceiptWord.DELIVERED) is State.DELIVERED


async def _queued_again(rig: Rig) -> Talk:
    rig.account = await rig.relay.accounts.change(rig.account.id, {"on_ambiguous": OnAmbiguous.RESEND})
    talk = await start_talk(rig)
    await lose(talk, "hello")
    await look(talk, after=130)
    assert await rig.states() == [("queued", None)]
    return talk
