"""Texts that leave as soon as they are written: what the transaction that takes them in decides and commits."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pytest

from relay.core.delivery import Outcome
from relay.core.model import State
from relay.services.inbound import Taken
from relay.services.inbound.batch import Batch
from relay.services.sending import Intent
from relay.storage.outbox import Mark
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, start_talk
from tests.services.sockets import sockets_of

ROUNDS = 100


async def test_a_text_is_written_with_its_attempt_when_it_may_leave_at_once(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)

    assert await talk.say("hello") is Taken.FORWARDED

    (intent,) = sockets.started
    assert (intent.letter.phone, intent.letter.text, intent.number.e164) == (talk.other, "hello", talk.proxy(2))
    assert await rig.rows("select state, attempts from message") == [{"state": "sending", "attempts": 1}]
    (attempt,) = await rig.rows("select id, message_id, n, epoch, outcome from attempt")
    assert attempt["id"] == intent.passed.attempt_id
    assert (attempt["message_id"], attempt["n"], attempt["epoch"]) == (intent.passed.message_id, 1, sockets.epoch)
    assert await rig.rows("select phase from outbox") == [{"phase": "sending"}]
    await rig.hand_over(talk.bucket, intent)
    assert await rig.states() == [("accepted", None)]
    assert [text.text for text in rig.carrier.sent] == ["hello"]


async def test_later_texts_of_a_leg_wait_when_one_is_on_its_way(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)

    await talk.say("first")
    await talk.say("second")
    await talk.say("in the other direction", slot=2)

    assert [intent.letter.text for intent in sockets.started] == ["first", "in the other direction"]
    assert await rig.rows("select state from message order by id") == [
        {"state": "sending"},
        {"state": "queued"},
        {"state": "sending"},
    ]


async def test_one_text_of_a_leg_leaves_when_several_come_in_one_batch(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)

    await rig.relay.inbound.take(talk.bucket, [talk.arrived("first"), talk.arrived("second")])

    assert [intent.letter.text for intent in sockets.started] == ["first"]
    assert sockets.taken == 1


async def test_a_text_waits_when_one_of_its_leg_waits_to_be_tried_again(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("earlier")
    await rig.rows("update outbox set due_at = now() + interval '1 minute' returning message_id")
    sockets = await sockets_of(talk)

    await talk.say("later")

    assert sockets.started == []
    assert await rig.rows("select distinct state from message") == [{"state": "queued"}]


async def test_a_text_waits_when_its_number_may_not_send_now(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)
    sockets.busy = {talk.view.participants[1].number_id}

    await talk.say("hello")

    assert sockets.started == []
    assert await rig.rows("select state, attempts from message") == [{"state": "queued", "attempts": 0}]


@pytest.mark.parametrize("taken", ["epoch = epoch + 1", "until = now() - interval '1 s'"])
async def test_a_text_waits_and_its_socket_is_free_again_when_the_lease_is_not_held_any_more(
    rig: Rig, taken: str
) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)
    await rig.rows(f"update lease set {taken} returning bucket")

    await talk.say("hello")

    assert (sockets.started, sockets.taken) == ([], 0)
    assert await rig.rows("select state, attempts from message") == [{"state": "queued", "attempts": 0}]
    assert await rig.rows("select 1 from attempt") == []
    assert await rig.rows("select phase from outbox") == [{"phase": "queued"}]


async def test_nothing_is_begun_when_the_other_person_cannot_be_written_to(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)
    await talk.say("STOP", slot=2)

    assert await talk.say("hello") is Taken.REFUSED
    await rig.relay.sessions.close(rig.account, talk.id)
    assert await talk.say("still there?") is Taken.REFUSED

    assert (sockets.started, sockets.taken) == ([], 0)


async def test_the_socket_is_given_back_and_attempts_are_taken_back_when_nothing_could_be_written(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)
    await rig.rows("alter table event add constraint full_disk check (type <> 'message.received')")

    with pytest.raises(Exception, match="full_disk"):
        await talk.say("hello")

    assert (sockets.started, sockets.taken) == ([], 0)
    assert [mark.outcome for mark in sockets.taken_back] == [Outcome.NOT_BEGUN]
    assert await rig.rows("select 1 from message") == []


async def test_no_text_is_born_sending_after_a_stop_when_both_come_together(rig: Rig) -> None:
    chance = random.Random(3)
    pool = await rig.pool("default", numbers(4))
    begun = late = 0
    for n in range(ROUNDS):
        talk = await start_talk(rig, pool=pool, one=phone(2 * n), other=phone(2 * n + 1))
        sockets = await sockets_of(talk)

        async def stop(talk: Talk = talk) -> None:
            await asyncio.sleep(chance.uniform(0, 0.01))
            await talk.say("STOP", slot=2)

        await asyncio.gather(stop(), *(talk.say(f"{i}") for i in range(3)))
        for intent in sockets.started:
            begun += 1
            late += await _began_after_the_stop(talk, intent)

    assert 0 < begun < 2 * ROUNDS
    assert late == 0


async def _began_after_the_stop(talk: Talk, intent: Intent) -> bool:
    """By the server's own commit timestamps."""
    began = await talk.rig.value(
        "select pg_xact_commit_timestamp(xmin) from attempt where id = $1", intent.passed.attempt_id
    )
    party = intent.passed.party_index
    stopped = await talk.rig.value("select pg_xact_commit_timestamp(xmin) from person where party_index = $1", party)
    assert isinstance(began, datetime)
    assert isinstance(stopped, datetime)
    return began > stopped


async def test_a_close_names_every_text_that_was_born_sending_when_both_come_together(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(4))
    chance = random.Random(4)
    seen = set()
    for n in range(30):
        talk = await start_talk(rig, pool=pool, one=phone(2 * n), other=phone(2 * n + 1))
        sockets = await sockets_of(talk)

        delay = chance.uniform(0, 0.01) if n % 2 else 0.0  # without any, the close comes first

        async def close(talk: Talk = talk, delay: float = delay) -> Sequence[UUID]:
            await asyncio.sleep(delay)
            return (await rig.relay.sessions.close(rig.account, talk.id))[1]

        taken, in_flight = await asyncio.gather(talk.say("hello"), close())

        assert [intent.passed.message_id for intent in sockets.started] == list(in_flight)
        seen.add((taken, len(in_flight)))
    assert seen == {(Taken.FORWARDED, 1), (Taken.REFUSED, 0)}, "one of them always came first, or one was not named"


async def test_taking_back_waits_for_the_commit_when_that_is_still_under_way(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)
    directory = await rig.relay.configuration.current()
    departures = rig.relay.inbound.gate(talk.bucket, directory)
    async with rig.relay.database.transaction() as tx:
        await Batch(tx, talk.bucket, directory, rig.relay.vault, rig.relay.inbound.copies, departures).take(
            [talk.arrived("hello")]
        )
        departures.fail()  # this is what the process believes, while the server is about to commit
        taking_back = asyncio.create_task(rig.relay.sending.take_back(talk.bucket, sockets.taken_back))
        await asyncio.sleep(0.15)
        assert not taking_back.done()

    await taking_back
    assert await rig.states() == [("queued", None)]


async def test_a_text_born_sending_is_queued_again_when_it_is_taken_back(rig: Rig) -> None:
    talk = await start_talk(rig)
    sockets = await sockets_of(talk)
    await talk.say("hello")
    (intent,) = sockets.started
    passed = intent.passed

    await rig.relay.sending.take_back(talk.bucket, [Mark(passed.attempt_id, passed.message_id, Outcome.NOT_BEGUN)])

    assert await rig.states() == [(State.QUEUED, None)]
    assert await rig.send_all(talk.bucket) == 1
