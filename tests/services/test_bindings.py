"""A binding after its session: cooling for the same two people alone, then free, and then nothing recalls the person."""

from __future__ import annotations

import asyncio

import pytest

from relay.core.errors import Conflict
from relay.services.inbound import Taken
from relay.storage import endings, sessions
from tests.services.people import ALICE, BOB, CAROL, numbers
from tests.services.rig import Rig, Talk, start_talk
from tests.services.waiting import until

HOUR = 3600
_ENDED = "This conversation has ended. Your message was not delivered."


async def ended_talk(rig: Rig, *, rented: int = 1) -> Talk:
    """Alice and Bob have talked; their numbers cool down for an hour."""
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(rented)), cool_down=HOUR)
    await rig.relay.sessions.close(rig.account, talk.id)
    return talk


async def clean_up(talk: Talk) -> None:
    """All that upkeep does about bindings and people."""
    expiry, retention = talk.rig.relay.expiry, talk.rig.relay.retention
    for step in (expiry.free_numbers, expiry.forget_answers, retention.forget_people):
        while await step(talk.bucket):
            pass


async def indexes_left(rig: Rig) -> dict[str, object]:
    """How many rows still hold a keyed hash of somebody's phone."""
    tables = ("binding", "person", "answer", "outbox")
    left = {table: await rig.value(f"select count(*) from {table}") for table in tables}
    left["participant"] = await rig.value("select count(*) from participant where party_index is not null")
    return left


async def test_a_cooling_number_goes_to_nobody_else_when_the_pool_has_no_other(rig: Rig) -> None:
    talk = await ended_talk(rig)

    with pytest.raises(Conflict) as caught:
        await rig.session(talk.pool, ALICE, CAROL)

    assert (caught.value.code, caught.value.reason) == ("no_number_available", "all_held_by_this_person")
    assert caught.value.retry_after is not None
    assert HOUR - 60 < caught.value.retry_after <= HOUR + 1


async def test_the_same_two_people_get_their_cooling_numbers_back_when_they_meet_again(rig: Rig) -> None:
    talk = await ended_talk(rig, rented=20)

    again = await rig.session(talk.pool, BOB, ALICE)

    assert [again.proxy_numbers[p.number_id] for p in again.participants] == [talk.proxy(2), talk.proxy(1)]


async def test_an_open_binding_is_no_cooling_one_when_the_same_two_people_open_a_second_session(rig: Rig) -> None:
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(1)))

    with pytest.raises(Conflict) as caught:
        await rig.session(talk.pool, ALICE, BOB)

    assert (caught.value.code, caught.value.retry_after) == ("no_number_available", None)


async def test_a_late_text_is_answered_once_a_day_and_goes_to_nobody_when_the_session_has_ended(rig: Rig) -> None:
    talk = await start_talk(rig, cool_down=48 * HOUR)
    await rig.relay.sessions.close(rig.account, talk.id)

    taken = [await talk.say("one more thing") for _ in range(3)]
    await rig.send_all(talk.bucket)
    rig.later(hours=24)
    taken.append(await talk.say("one more thing"))
    await rig.send_all(talk.bucket)

    assert taken == [Taken.REFUSED] * 4
    assert [(t.sender, t.to, t.text) for t in rig.carrier.sent] == [(talk.proxy(1), ALICE, _ENDED)] * 2
    assert await rig.states() == [("refused", "late")] * 4


async def test_each_of_the_two_is_answered_when_both_text_late(rig: Rig) -> None:
    talk = await ended_talk(rig)

    await talk.say("one more thing", slot=1)
    await talk.say("me too", slot=2)
    await rig.send_all(talk.bucket)

    assert sorted(t.to for t in rig.carrier.sent) == sorted([ALICE, BOB])


async def test_a_text_finds_no_session_when_its_cool_down_is_over(rig: Rig) -> None:
    talk = await ended_talk(rig)
    rig.later(hours=1)
    await clean_up(talk)

    assert await talk.say("hello?") is Taken.REFUSED
    assert await rig.states() == [("refused", "no_session")]
    assert await rig.send_all(talk.bucket) == 0


async def test_a_number_is_given_again_and_nothing_recalls_the_people_when_the_cool_down_is_over(rig: Rig) -> None:
    talk = await ended_talk(rig)
    rig.later(hours=1)
    await clean_up(talk)

    assert await indexes_left(rig) == {"binding": 0, "person": 0, "answer": 0, "outbox": 0, "participant": 0}
    assert (await rig.session(talk.pool, ALICE, CAROL)).session.status == "open"


async def test_nothing_is_freed_when_the_cool_down_lacks_a_second(rig: Rig) -> None:
    talk = await ended_talk(rig)
    rig.later(hours=1, seconds=-1)
    await clean_up(talk)

    left = await indexes_left(rig)
    assert (left["binding"], left["person"], left["participant"]) == (2, 2, 2)


async def test_nothing_recalls_the_people_when_they_have_met_on_the_same_numbers_before(rig: Rig) -> None:
    talk = await ended_talk(rig)
    for _ in range(2):
        again = await start_talk(rig, pool=talk.pool, cool_down=HOUR)
        await rig.relay.sessions.close(rig.account, again.id)
    rig.later(hours=1)
    await clean_up(talk)

    assert await indexes_left(rig) == {"binding": 0, "person": 0, "answer": 0, "outbox": 0, "participant": 0}


async def test_the_number_of_an_open_session_stays_bound_when_an_earlier_one_has_cooled(rig: Rig) -> None:
    talk = await ended_talk(rig)
    again = await start_talk(rig, pool=talk.pool)
    rig.later(hours=2)
    await clean_up(talk)

    assert await again.say("still here") is Taken.FORWARDED


async def test_a_person_stays_known_when_they_have_opted_out(rig: Rig) -> None:
    talk = await ended_talk(rig)
    await talk.say("STOP", slot=2)
    rig.later(days=3)
    await clean_up(talk)

    assert await rig.rows("select opted_out from person") == [{"opted_out": True}]
    with pytest.raises(Conflict):
        await rig.session(talk.pool, ALICE, BOB)


async def test_a_start_is_remembered_for_a_day_when_nothing_else_needs_the_person(rig: Rig) -> None:
    """Until then an older STOP may still be on its way, and must lose against it."""
    talk = await start_talk(rig, cool_down=HOUR)
    await talk.say("STOP", slot=2)
    await talk.say("START", slot=2)
    await rig.relay.sessions.close(rig.account, talk.id)

    rig.later(hours=23)
    await clean_up(talk)
    after_hours = await rig.value("select count(*) from person")
    rig.later(hours=2)
    await clean_up(talk)

    assert (after_hours, await rig.value("select count(*) from person")) == (1, 0)


async def test_a_person_stays_known_when_an_answer_to_them_waits(rig: Rig) -> None:
    talk = await ended_talk(rig)
    await talk.say("one more thing")
    rig.later(hours=1)
    await clean_up(talk)

    assert await rig.value("select count(*) from person") == 1
    assert await rig.send_all(talk.bucket) == 1


async def test_a_person_is_made_again_when_they_are_forgotten_while_a_session_opens(rig: Rig) -> None:
    talk = await ended_talk(rig)
    rig.later(hours=1)
    await rig.relay.expiry.free_numbers(talk.bucket)
    async with rig.relay.database.transaction() as tx:
        await tx.fetch("select 1 from person for update")
        opening = asyncio.create_task(start_talk(rig, pool=talk.pool))
        await until(lambda: rig.rows("select 1 from pg_locks where not granted"))
        assert await endings.forget_people(tx, talk.bucket, limit=10) == 2

    again = await opening
    assert await again.say("hello") is Taken.FORWARDED
    assert await rig.send_all(talk.bucket) == 1


async def test_nobody_is_forgotten_when_a_session_is_being_opened_for_them(rig: Rig) -> None:
    """The sweep waits for whoever holds the person, and then looks again."""
    talk = await ended_talk(rig)
    rig.later(hours=1)
    await rig.relay.expiry.free_numbers(talk.bucket)
    parties = [rig.relay.vault.indexes.of(rig.account.id, phone) for phone in (ALICE, BOB)]
    async with rig.relay.database.transaction() as tx:
        await sessions.meet(tx, talk.bucket, [(p.index, p.key_id) for p in parties])
        forgetting = asyncio.create_task(rig.relay.retention.forget_people(talk.bucket))
        await until(lambda: rig.rows("select 1 from pg_locks where not granted"))
        await tx.execute(
            "insert into binding (bucket, number_id, party_index, session_id, participant_id, pair_index, held_until)"
            " select $1, $2, u.p, $2, $2, u.p, 'infinity' from unnest($3::bytea[]) as u(p)",
            *(talk.bucket, talk.id, [p.index for p in parties]),
        )

    assert await forgetting == 0
    assert await rig.value("select count(*) from person") == 2
