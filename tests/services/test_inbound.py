"""Texts as they arrive: recognised when they come again, refused when nobody may have them, whole or not at all."""

from __future__ import annotations

import asyncio

import pytest

from relay import metrics
from relay.core.errors import Conflict, KeyMissing
from relay.core.phone import parse_number
from relay.providers.base import InboundText
from relay.services.inbound import Taken
from relay.services.numbers import Numbers, NumberWanted
from relay.services.texts import TextWanted
from relay.storage.configuration import Configuration
from tests.services.people import ALICE, BOB, STRANGER, numbers, phone
from tests.services.rig import Rig, make_neighbour, new_sid, start_talk


def alarms() -> float:
    return metrics.REGISTRY.get_sample_value("relay_alarms_total", {"kind": "altered_duplicate"}) or 0.0


async def test_one_text_comes_of_fifty_copies_when_they_arrive_at_once(rig: Rig) -> None:
    talk = await start_talk(rig)

    taken = await asyncio.gather(*(talk.say("hello", sid="SM1") for _ in range(50)))
    await rig.send_all(talk.bucket)

    assert sorted(taken) == [Taken.DUPLICATE] * 49 + [Taken.FORWARDED]
    assert await rig.states() == [("accepted", None)]
    assert len(rig.carrier.sent) == 1


async def test_a_copy_is_recognised_when_it_comes_after_everything_has_ended(rig: Rig) -> None:
    talk = await start_talk(rig, cool_down=3600)
    await talk.say("hello", sid="SM1")
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(days=30)
    await rig.relay.expiry.free_numbers(talk.bucket)

    assert await talk.say("hello", sid="SM1") is Taken.DUPLICATE
    assert await rig.value("select count(*) from message") == 1


async def test_an_alarm_is_raised_and_nothing_crosses_when_a_known_id_comes_with_other_words(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello", sid="SM1")
    before = alarms()

    taken = [await talk.say("hello", sid="SM1"), await talk.say("good bye", sid="SM1")]

    assert taken == [Taken.DUPLICATE] * 2
    assert alarms() == before + 1
    assert await rig.value("select count(*) from message") == 1


async def test_the_first_of_a_batch_counts_when_an_id_is_repeated_in_it(rig: Rig) -> None:
    talk = await start_talk(rig)
    batch = [talk.arrived("one", sid="a"), talk.arrived("two", sid="b"), talk.arrived("one", sid="a")]
    before = alarms()

    taken = await rig.relay.inbound.take(talk.bucket, batch)
    await rig.send_all(talk.bucket)

    assert taken == [Taken.FORWARDED, Taken.FORWARDED, Taken.DUPLICATE]
    assert [t.text for t in rig.carrier.sent] == ["one", "two"]
    assert alarms() == before


async def test_an_alarm_is_raised_when_an_id_is_repeated_in_a_batch_with_other_words(rig: Rig) -> None:
    talk = await start_talk(rig)
    before = alarms()

    taken = await rig.relay.inbound.take(talk.bucket, [talk.arrived("one", sid="a"), talk.arrived("two", sid="a")])

    assert taken == [Taken.FORWARDED, Taken.DUPLICATE]
    assert alarms() == before + 1


async def test_a_batch_keeps_the_order_of_each_leg_when_two_people_talk_at_once(rig: Rig) -> None:
    talk = await start_talk(rig)
    batch = [talk.arrived(f"{slot}.{n}", slot=slot) for n in range(5) for slot in (1, 2)]

    await rig.relay.inbound.take(talk.bucket, batch)
    await rig.send_all(talk.bucket)

    for to, slot in ((BOB, 1), (ALICE, 2)):
        assert [t.text for t in rig.carrier.sent if t.to == to] == [f"{slot}.{n}" for n in range(5)]


async def test_nothing_of_a_batch_has_happened_when_one_of_its_texts_cannot_be_taken(rig: Rig) -> None:
    """One whose phone is sealed with a key that this process lacks is taken by another, or later."""
    pool = await rig.pool("default", numbers(3))
    healthy = await start_talk(rig, pool=pool)
    sealed_elsewhere = await start_talk(rig, pool=pool, one=phone(1), other=phone(2))
    await rig.rows("update participant set epoch_id = 7 where session_id = $1 returning 1 as x", sealed_elsewhere.id)
    batch = [healthy.arrived("hello", sid="a"), sealed_elsewhere.arrived("hello", sid="b")]

    with pytest.raises(KeyMissing):
        await rig.relay.inbound.take(pool.bucket, batch)

    assert await rig.rows("select 1 from message") == []
    assert await rig.relay.inbound.take(pool.bucket, batch[:1]) == [Taken.FORWARDED]
    with pytest.raises(KeyMissing):
        await rig.relay.inbound.take(pool.bucket, batch[1:])


@pytest.mark.parametrize(
    "harm",
    [
        "set sealed_phone = x.sealed_phone from participant x where x.session_id = p.session_id and x.id <> p.id and",
        "set sealed_phone = overlay(p.sealed_phone placing '\\x00' from 20) where",
        "set sealed_phone = substr(p.sealed_phone, 1, 5) where",
    ],
    ids=["swapped", "altered", "cut short"],
)
async def test_a_text_is_refused_and_nobody_is_guessed_at_when_a_phone_was_tampered_with(rig: Rig, harm: str) -> None:
    pool = await rig.pool("default", numbers(3))
    healthy = await start_talk(rig, pool=pool)
    harmed = await start_talk(rig, pool=pool, one=phone(1), other=phone(2))
    await rig.rows(f"update participant p {harm} p.session_id = $1 returning 1 as x", harmed.id)
    before = metrics.alarms.labels("unreadable_phone")._value.get()
    batch = [healthy.arrived("hello"), harmed.arrived("to one"), harmed.arrived("to the other", slot=2)]

    assert await rig.relay.inbound.take(pool.bucket, batch) == [Taken.FORWARDED, Taken.REFUSED, Taken.REFUSED]
    await rig.send_all(pool.bucket)
    wanted, seed = TextWanted(harmed.id, harmed.view.participants[0].id, "from us"), await rig.seed()
    with pytest.raises(Conflict) as refusal:
        await rig.relay.texts.send(rig.account, wanted, seed)

    assert refusal.value.code == "phone_unreadable"
    assert metrics.alarms.labels("unreadable_phone")._value.get() == before + 3
    assert {(t.to, t.text) for t in rig.carrier.sent} == {
        (BOB, "hello"),
        (phone(1), "Your message could not be delivered."),
        (phone(2), "Your message could not be delivered."),
    }
    events = "select count(*) from event where type = 'message.refused' and session_id = $1"
    assert await rig.value(events, harmed.id) == 2


async def test_a_text_from_one_of_our_own_numbers_goes_nowhere(rig: Rig) -> None:
    talk = await start_talk(rig)

    assert await rig.text(talk.proxy(2), talk.proxy(1), "hello") is Taken.REFUSED
    assert await rig.states() == [("refused", "own_number")]


async def test_a_persons_words_and_stop_count_when_another_account_calls_their_phone_its_number(rig: Rig) -> None:
    """Nobody has proved that a number which they add is theirs."""
    talk = await start_talk(rig)
    other = await make_neighbour(rig)
    await other.pool("default", [ALICE])

    assert await talk.say("hello") is Taken.FORWARDED
    assert await talk.say("STOP") is Taken.COMMAND


@pytest.mark.parametrize(("text", "media", "reason"), [("", 2, "media_dropped"), ("  ", 0, "unknown")])
async def test_nothing_crosses_when_there_are_no_words(rig: Rig, text: str, media: int, reason: str) -> None:
    talk = await start_talk(rig)

    assert await talk.say(text, media=media) is Taken.REFUSED
    assert await rig.states() == [("refused", reason)]


async def test_the_words_cross_and_the_sender_is_told_when_a_photo_came_with_them(rig: Rig) -> None:
    talk = await start_talk(rig)

    assert await talk.say("look at this", media=1) is Taken.FORWARDED
    assert await talk.say("and this", media=1) is Taken.FORWARDED
    await rig.send_all(talk.bucket)

    told = "Photos and other attachments are not passed on here. Please send text only."
    assert sorted((t.to, t.text) for t in rig.carrier.sent) == [
        (ALICE, told),
        (BOB, "and this"),
        (BOB, "look at this"),
    ]


async def test_a_text_to_a_number_that_is_not_ours_is_refused_in_the_accounts_bucket(rig: Rig) -> None:
    await start_talk(rig)

    assert await rig.text(ALICE, "+13055550199", "hello") is Taken.REFUSED
    (row,) = await rig.rows("select bucket, reason, session_id from message")
    assert row == {"bucket": rig.account.bucket, "reason": "unknown_number", "session_id": None}


async def test_a_text_from_a_word_or_short_code_is_refused(rig: Rig) -> None:
    talk = await start_talk(rig)
    inbound = InboundText(new_sid(), None, talk.proxy(1), "Your code is 1234")

    assert await rig.relay.inbound.receive(rig.connection, inbound) is Taken.REFUSED
    assert await rig.states() == [("refused", "no_session")]


async def test_a_number_is_known_at_once_when_another_process_has_just_imported_it(rig: Rig) -> None:
    talk = await start_talk(rig)
    other = Numbers(rig.relay.database, Configuration(rig.relay.database))
    await rig.relay.configuration.refreshed()
    wanted = NumberWanted(parse_number(numbers(1, start=70)[0]), talk.pool, rig.connection.id)
    await other.add(rig.account, wanted, await rig.seed())

    await rig.text(STRANGER, numbers(1, start=70)[0], "hello")

    assert await rig.states() == [("refused", "no_session")]


async def test_a_binding_of_another_pool_is_not_found_when_a_person_texts_the_wrong_number(rig: Rig) -> None:
    talk = await start_talk(rig)
    other = await rig.pool("other", numbers(1, start=50))

    assert await rig.text(ALICE, numbers(1, start=50)[0], "hello") is Taken.REFUSED
    assert await rig.rows("select bucket from message") == [{"bucket": other.bucket}]
    assert talk.bucket != other.bucket


async def test_texts_of_many_sessions_cross_when_they_arrive_in_one_batch(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(6))
    talks = [await start_talk(rig, pool=pool, one=phone(n), other=phone(n + 1)) for n in range(5)]
    batch = [talk.arrived(f"from {n}") for n, talk in enumerate(talks)]

    await rig.relay.inbound.take(pool.bucket, batch)
    await rig.send_all(pool.bucket)

    assert sorted((t.to, t.sender, t.text) for t in rig.carrier.sent) == sorted(
        (talk.other, talk.proxy(2), f"from {n}") for n, talk in enumerate(talks)
    )


async def test_nothing_is_stored_when_a_live_persons_phone_is_missing(rig: Rig) -> None:
    """The table forbids it; should it happen all the same, the carrier has to try again and nobody else gets the text."""
    talk = await start_talk(rig)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("alter table participant drop constraint phone_only_while_live")
        await tx.execute("update participant set sealed_phone = null, epoch_id = null where slot = 2")

    with pytest.raises(ValueError, match="only a live participant has a phone"):
        await talk.say("hello")
    assert await rig.states() == []
    assert await rig.rows("select 1 from inbox_key") == []
