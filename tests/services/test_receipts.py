"""Receipts: early, late, doubled or out of order, they move a text forward or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.core.delivery import Outcome
from relay.core.model import Reason, State
from relay.providers.base import Receipt, ReceiptWord
from relay.storage.outbox import Mark
from relay.vault.tokens import AttemptToken
from tests.services.rig import Rig, Talk, start_talk
from tests.storage.message_states import Text, text_in

MARK = "mark"
WORDS = [MARK, *ReceiptWord]
ENDS = {ReceiptWord.DELIVERED: State.DELIVERED, ReceiptWord.UNDELIVERED: State.UNDELIVERED}


async def tell(text: Text, word: str, reason: Reason | None = None) -> State | None:
    """The answer to the send, or a receipt; returns the state that a receipt moved the text to."""
    relay = text.talk.rig.relay
    if word == MARK:
        await relay.sending.mark(text.bucket, [Mark(text.attempt_id, text.id, Outcome.ACCEPTED)])
        return None
    token = AttemptToken(text.id, text.attempt_id)
    return await relay.receipts.take(text.talk.rig.connection, token, Receipt("SM1", ReceiptWord(word), reason))


def after(words: list[str]) -> State:
    """Where a text must stand: the first final word counts, and anything but an unknown one proves acceptance."""
    known = [word for word in words if word != ReceiptWord.UNKNOWN]
    final = [ENDS[ReceiptWord(word)] for word in known if word in ENDS]
    return final[0] if final else State.ACCEPTED if known else State.SENDING


@pytest.fixture
async def talk(rig: Rig) -> Talk:
    return await start_talk(rig)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=7))
async def test_a_text_never_moves_back_when_words_come_in_any_order(talk: Talk, words: list[str]) -> None:
    text = await text_in(talk, "leaving")

    for count, word in enumerate(words, start=1):
        await tell(text, word)
        assert await text.state() is after(words[:count])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
async def test_a_receipt_ends_the_search_when_the_fate_was_unknown(talk: Talk, words: list[str]) -> None:
    text = await text_in(talk, "of unknown fate")

    for word in words:
        await tell(text, word)

    assert await text.state() is after(words)
    left = await talk.rig.value("select count(*) from outbox where message_id = $1", text.id)
    assert left == (1 if after(words) is State.SENDING else 0)


async def test_the_leg_goes_on_when_a_receipt_outran_the_answer(talk: Talk) -> None:
    text = await text_in(talk, "leaving")
    await talk.say("next")

    moved = await tell(text, ReceiptWord.DELIVERED)
    await tell(text, MARK)

    assert moved is State.DELIVERED
    assert await talk.rig.send_all(talk.bucket) == 1


@pytest.mark.parametrize(("given_reason", "kept"), [(Reason.UNREACHABLE, "unreachable"), (None, "unknown")])
async def test_the_reason_is_kept_when_a_text_was_not_delivered(
    talk: Talk, given_reason: Reason | None, kept: str
) -> None:
    text = await text_in(talk, "accepted")

    assert await tell(text, ReceiptWord.UNDELIVERED, given_reason) is State.UNDELIVERED
    assert await talk.rig.states() == [("undelivered", kept)]


async def test_a_receipt_is_no_news_when_it_comes_twice(talk: Talk) -> None:
    text = await text_in(talk, "accepted")
    await tell(text, ReceiptWord.DELIVERED)

    assert await tell(text, ReceiptWord.DELIVERED) is None


@pytest.mark.parametrize("stage", ["leaving", "accepted", "parked"])
async def test_a_receipt_moves_nothing_when_its_attempt_is_another_texts(talk: Talk, stage: str) -> None:
    text, other = await text_in(talk, stage), await text_in(talk, "leaving")
    before = await text.state()

    await tell(replace(text, attempt_id=other.attempt_id), ReceiptWord.DELIVERED)

    assert await text.state() is before
    assert await other.state() is State.SENDING


async def test_a_receipt_moves_nothing_when_nobody_knows_its_message(talk: Talk) -> None:
    text = await text_in(talk, "leaving")
    unknown = (await talk.rig.seed()).id_in(talk.bucket)

    assert await tell(replace(text, id=unknown), ReceiptWord.DELIVERED) is None
    assert await text.state() is State.SENDING


@pytest.mark.parametrize("stage", ["refused", "discarded", "expired while parked"])
async def test_a_receipt_is_too_late_when_the_text_has_ended(talk: Talk, stage: str) -> None:
    text = await text_in(talk, stage)
    before = await text.state()

    assert await tell(text, ReceiptWord.DELIVERED) is None
    assert await text.state() is before


async def test_the_times_of_acceptance_and_delivery_are_kept_when_receipts_come(talk: Talk) -> None:
    text = await text_in(talk, "leaving")
    await tell(text, ReceiptWord.ACCEPTED)
    talk.rig.later(minutes=1)
    await tell(text, ReceiptWord.DELIVERED)

    (row,) = await talk.rig.rows("select extract(epoch from delivered_at - accepted_at)::int as apart from message")
    assert row["apart"] == 60
