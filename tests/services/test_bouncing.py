"""A phone that notices do not reach gets no more of them, and everything that people say."""

from __future__ import annotations

import httpx
import pytest

from relay.core.model import Reason
from relay.core.rules import Rule
from relay.providers.base import ReceiptWord
from relay.services.texts import TextWanted
from tests.services.carrier import SentText, refusal
from tests.services.people import ALICE, BOB, STRANGER, numbers
from tests.services.rig import Rig, Talk, start_talk

_WEEKS = 20 * 86400
_HELD_BACK = ("refused", "unreachable")


async def many_numbers(rig: Rig) -> Talk:
    """A session in a pool in which the same two may have many."""
    return await start_talk(rig, pool=await rig.pool("default", numbers(9)), expires_in=_WEEKS)


async def greet(talk: Talk, word: ReceiptWord, reason: Reason | None = None) -> None:
    """Another session of the two, with a greeting; and what the carrier says of the one to Bob, if it was sent."""
    await talk.rig.session(talk.pool, ALICE, BOB, greeting=True, expires_in=_WEEKS)
    sent = len(talk.rig.carrier.sent)
    await talk.rig.send_all(talk.bucket)
    for text in talk.rig.carrier.sent[sent:]:
        if text.to == BOB:
            await talk.rig.receipt(text, word, reason)
        else:
            await talk.rig.receipt(text, ReceiptWord.DELIVERED)


async def greeted(talk: Talk, word: ReceiptWord = ReceiptWord.DELIVERED, reason: Reason | None = None) -> bool:
    """Does a greeting leave to Bob now?"""
    before = len(talk.rig.carrier.sent)
    await greet(talk, word, reason)
    texts = [sent.to for sent in talk.rig.carrier.sent[before:]]
    assert ALICE in texts
    return BOB in texts


async def dead_phone(rig: Rig) -> Talk:
    talk = await many_numbers(rig)
    for reason in (Reason.LANDLINE, Reason.UNREACHABLE, Reason.INVALID_DESTINATION):
        await greet(talk, ReceiptWord.UNDELIVERED, reason)
    return talk


async def test_the_next_notice_is_refused_and_told_when_three_did_not_arrive(rig: Rig) -> None:
    talk = await dead_phone(rig)

    assert not await greeted(talk)
    assert (await rig.states("notice")).count(_HELD_BACK) == 1
    told = await rig.rows(
        "select e.type, p.slot from event e join participant p on p.id = e.participant_id"
        " where e.reason = 'unreachable' and e.type = 'message.refused'"
    )
    assert [tuple(row.values()) for row in told] == [("message.refused", 2)]


async def test_what_people_and_the_platform_say_goes_there_all_the_same(rig: Rig) -> None:
    talk = await dead_phone(rig)
    await talk.say("hello")
    wanted = TextWanted(talk.id, talk.view.participants[1].id, "It is near")
    await rig.relay.texts.send(rig.account, wanted, await rig.seed())
    await rig.send_all(talk.bucket)

    assert [sent.text for sent in rig.carrier.sent[-2:]] == ["hello", "It is near"]
    assert rig.carrier.sent[-1].to == BOB


async def test_one_that_arrives_clears_the_others_and_they_are_counted_anew(rig: Rig) -> None:
    talk = await many_numbers(rig)
    for word in (ReceiptWord.UNDELIVERED, ReceiptWord.UNDELIVERED, ReceiptWord.DELIVERED, ReceiptWord.UNDELIVERED):
        assert await greeted(talk, word, Reason.UNREACHABLE if word is ReceiptWord.UNDELIVERED else None)

    assert await greeted(talk)


@pytest.mark.parametrize("reason", [Reason.CARRIER_FILTERED, None])
async def test_nothing_is_counted_when_it_was_not_the_phone(rig: Rig, reason: Reason | None) -> None:
    talk = await many_numbers(rig)
    for _ in range(3):
        await greet(talk, ReceiptWord.UNDELIVERED, reason)

    assert await greeted(talk)


async def test_one_is_tried_again_when_a_week_is_over_and_the_silence_begins_anew(rig: Rig) -> None:
    talk = await dead_phone(rig)
    for hours, leaves in ((7 * 24 - 1, False), (2, True), (1, False)):
        rig.later(hours=hours)
        assert await greeted(talk, ReceiptWord.UNDELIVERED, Reason.UNREACHABLE) is leaves


async def test_a_receipt_counts_once_when_it_comes_again(rig: Rig) -> None:
    talk = await many_numbers(rig)
    await greet(talk, ReceiptWord.ACCEPTED)
    text = next(sent for sent in rig.carrier.sent if sent.to == BOB)
    for _ in range(3):
        await rig.receipt(text, ReceiptWord.UNDELIVERED, Reason.LANDLINE)

    assert await rig.value("select max(bounces) from person") == 1


async def test_refusals_count_when_the_carrier_refuses_at_once_in_a_session_or_not(rig: Rig) -> None:
    talk = await many_numbers(rig)
    await rig.relay.pools.change(rig.account, "default", rules=[Rule("JOIN", "Welcome.")])

    def no_mobile(text: SentText) -> httpx.Response | None:
        return refusal(21614) if text.to == STRANGER else None

    rig.carrier.answer = no_mobile
    for _ in range(4):
        await rig.text(STRANGER, talk.proxy(1), "JOIN")
        await rig.send_all(talk.bucket)
        rig.later(minutes=2)

    assert await rig.states("notice") == [("refused", "landline")] * 3 + [_HELD_BACK]
    assert len(rig.carrier.asked) == 3


async def test_people_who_text_count_for_nothing_when_their_texts_bounce(rig: Rig) -> None:
    talk = await many_numbers(rig)
    for n in range(4):
        await talk.say(f"text {n}")
        await rig.send_all(talk.bucket)
        await rig.receipt(rig.carrier.sent[-1], ReceiptWord.UNDELIVERED, Reason.LANDLINE)

    assert await rig.value("select max(bounces) from person") == 0
    assert await greeted(talk)
