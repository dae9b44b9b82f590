"""Receipts that come too often, or to the wrong address: each change is told once, and a stray one leaves no trace at all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.core.errors import Tampered
from relay.core.ids import bucket_of
from relay.core.model import State
from relay.providers.base import Receipt, ReceiptWord
from relay.storage.database import Database
from relay.vault import keyring
from relay.vault.tokens import AttemptToken
from relay.vault.vault import open_vault
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, make_rig, start_talk
from tests.services.test_receipts import MARK, WORDS, after, tell
from tests.storage.message_states import Text, text_in

pytestmark = pytest.mark.long

_TABLES = ("message", "outbox", "attempt", "event", "session", "person", "inbox_key", "answer", "fanout")


@pytest.fixture
async def talk(rig: Rig) -> Talk:
    return await start_talk(rig)


async def everything(rig: Rig) -> dict[str, list[dict[str, object]]]:
    """All rows that a receipt could possibly touch or make."""
    return {table: await rig.rows(f"select * from {table} t order by t::text") for table in _TABLES}


async def told(text: Text) -> list[object]:
    rows = await text.talk.rig.rows("select type from event where message_id = $1 order by at, id", text.id)
    return [row["type"] for row in rows]


def changes(words: Sequence[str]) -> list[str]:
    """The events of a text under way that hears these words: one for each new state, and none for hearing it again."""
    states = [State.SENDING, *(after(list(words[:count])) for count in range(1, len(words) + 1))]
    return [f"message.{now}" for before, now in pairwise(states) if now is not before]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.permutations([*WORDS, MARK]), again=st.lists(st.sampled_from(WORDS), max_size=4))
async def test_each_change_is_told_once_when_every_word_comes_in_any_order_and_again(
    talk: Talk, words: list[str], again: list[str]
) -> None:
    text, heard = await text_in(talk, "leaving"), [*words, *again]

    for word in heard:
        await tell(text, word)

    assert await told(text) == ["message.received", *changes(heard)]
    assert await text.state() is after(heard)
    assert await talk.rig.rows("select n, outcome from attempt where message_id = $1", text.id) == [
        {"n": 1, "outcome": "accepted"}
    ]
    assert await talk.rig.rows("select 1 from outbox where message_id = $1", text.id) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.permutations(WORDS))
async def test_a_settled_text_stays_as_it_is_when_all_its_words_come_once_more(talk: Talk, words: list[str]) -> None:
    text = await text_in(talk, "leaving")
    for word in words:
        await tell(text, word)
    before = await everything(talk.rig)

    for word in reversed(words):
        await tell(text, word)

    assert await everything(talk.rig) == before


def elsewhere(known: UUID, bucket: int) -> UUID:
    """The same moment and chance in another bucket."""
    return UUID(int=known.int - bucket_of(known) + bucket)


@pytest.mark.parametrize("word", [ReceiptWord.ACCEPTED, ReceiptWord.DELIVERED, ReceiptWord.UNDELIVERED])
async def test_nothing_changes_when_a_token_mixes_two_texts_or_two_buckets(rig: Rig, word: ReceiptWord) -> None:
    here = await start_talk(rig)
    far = await rig.pool("far", numbers(3, start=10))
    there = await start_talk(rig, pool=far, one=phone(1), other=phone(2))
    text, near, distant = [await text_in(talk, "leaving") for talk in (here, here, there)]
    tokens = [
        AttemptToken(text.id, near.attempt_id),
        AttemptToken(text.id, distant.attempt_id),
        AttemptToken(distant.id, text.attempt_id),
        AttemptToken(text.attempt_id, text.id),
        AttemptToken(elsewhere(text.id, far.bucket), text.attempt_id),
        AttemptToken(elsewhere(text.id, far.bucket), elsewhere(text.attempt_id, far.bucket)),
        AttemptToken(text.id, text.id),
    ]
    before = await everything(rig)

    assert [await rig.relay.receipts.take(rig.connection, token, Receipt("SM1", word)) for token in tokens] == [
        None
    ] * len(tokens)
    assert await everything(rig) == before


async def test_a_token_is_not_read_when_another_installation_made_it(talk: Talk) -> None:
    text = await text_in(talk, "leaving")
    token = AttemptToken(text.id, text.attempt_id)
    ours = talk.rig.relay.vault.tokens
    foreign = open_vault(keyring.make()).tokens.write(token)

    assert ours.read(ours.write(token)) == token
    for forged in (foreign, ours.write(token)[:-4] + foreign[-4:], ours.write(token)[:32] + foreign[32:]):
        with pytest.raises(Tampered):
            ours.read(forged)


@pytest.mark.parametrize("word", list(ReceiptWord))
@pytest.mark.parametrize("gone", [("message",), ("message", "outbox"), ("message", "outbox", "attempt")])
async def test_a_receipt_is_taken_and_makes_nothing_when_its_message_is_gone(
    db: Database, gone: tuple[str, ...], word: ReceiptWord
) -> None:
    """Not watched: an attempt that is deleted by hand would look like a change without its record."""
    talk = await start_talk(await make_rig(db))
    text = await text_in(talk, "leaving")
    for table in gone:
        await talk.rig.rows(f"delete from {table} returning 1 as x")
    before = await everything(talk.rig)

    assert await tell(text, word) is None
    assert await everything(talk.rig) == before
    assert before["message"] == []
