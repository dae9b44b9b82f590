"""People who are being replaced, and bindings that pass on, while a text arrives or leaves: it follows what was committed, never
what that replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from relay.core.closing import closing
from relay.core.errors import Conflict
from relay.core.model import CloseReason
from relay.services.inbound import Taken
from relay.services.sessions import Replaced, SessionView
from relay.storage import endings, sessions
from relay.storage.database import Transaction
from relay.storage.sessions import NewParticipant, NewSession
from tests.services.people import BOB, CAROL, STRANGER, numbers, phone
from tests.services.rig import Rig, Talk, proxy_of, start_talk
from tests.services.waiting import until


@asynccontextmanager
async def being_replaced(talk: Talk, phone: str) -> AsyncIterator[asyncio.Task[tuple[SessionView, Replaced]]]:
    """Somebody is being put in Bob's place: inside, the session is held by whoever does it and nothing of it can be seen yet."""
    async with talk.rig.relay.database.transaction() as tx:
        await tx.fetch(
            "select 1 from number_state for update"
        )  # the last thing that a replacement waits for before it writes
        replacing = asyncio.create_task(talk.rig.replace(talk.view, 2, phone))
        await until(lambda: talk.rig.rows("select 1 from pg_locks where not granted"))
        yield replacing


async def arriving_meanwhile(talk: Talk, *, slot: int = 1) -> asyncio.Task[Taken]:
    """A text that has to wait for the transaction that holds its session."""
    arriving = asyncio.create_task(talk.say("I am here", slot=slot))
    await asyncio.sleep(0.15)
    assert not arriving.done()
    return arriving


async def test_a_text_goes_to_the_new_person_when_the_old_one_is_being_replaced(rig: Rig) -> None:
    talk = await start_talk(rig)
    async with being_replaced(talk, CAROL) as replacing:
        arriving = await arriving_meanwhile(talk)

    view, _ = await replacing
    assert await arriving is Taken.FORWARDED
    await rig.send_all(talk.bucket)
    assert [(t.sender, t.to) for t in rig.carrier.sent] == [(proxy_of(view, 2), CAROL)]


async def test_the_old_persons_text_goes_to_nobody_when_they_are_being_replaced(rig: Rig) -> None:
    talk = await start_talk(rig)
    async with being_replaced(talk, CAROL) as replacing:
        arriving = await arriving_meanwhile(talk, slot=2)

    await replacing
    assert await arriving is Taken.REFUSED
    await rig.send_all(talk.bucket)
    assert await rig.states() == [("refused", "late")]
    assert [t.to for t in rig.carrier.sent] == [BOB]  # who is told that it has ended


async def test_the_old_person_is_sent_nothing_when_the_door_waits_for_their_replacement(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("hello")
    async with being_replaced(talk, CAROL) as replacing:
        at_the_door = asyncio.create_task(rig.begin(talk.bucket))
        await asyncio.sleep(0.15)
        assert not at_the_door.done()

    await replacing
    assert await at_the_door == []
    assert await rig.states() == [("refused", "participant_replaced")]


async def test_the_first_is_replaced_by_one_only_when_two_come_at_once(rig: Rig) -> None:
    """And when both sides are replaced at once, both are, and the two new ones are a pair."""
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(4)))
    tries = (rig.replace(talk.view, 2, comes) for comes in (CAROL, STRANGER))
    results = await asyncio.gather(*tries, return_exceptions=True)
    won = next(result[0] for result in results if isinstance(result, tuple))
    both = await asyncio.gather(rig.replace(won, 1, phone(0)), rig.replace(won, 2, phone(1)))
    pairs = await rig.rows("select distinct pair_index from binding where held_until = 'infinity'")
    live = {phone(0), phone(1)}

    assert [r.code for r in results if isinstance(r, Conflict)] == ["participant_replaced"]
    assert len(both) == 2
    parties = [rig.relay.vault.indexes.of(rig.account.id, e164) for e164 in sorted(live)]
    assert pairs == [{"pair_index": rig.relay.vault.indexes.pair(rig.account.id, parties[0], parties[1])}]


async def open_again(talk: Talk, tx: Transaction) -> UUID:
    """A new session of the same two people on the same two numbers, in this very transaction."""
    rig, bucket, made = talk.rig, talk.bucket, []
    indexes = rig.relay.vault.indexes
    parties = [indexes.of(rig.account.id, e164) for e164 in (talk.one, talk.other)]
    for participant, party, e164 in zip(talk.view.participants, parties, (talk.one, talk.other), strict=True):
        new_id = tx.new_id(bucket)
        sealed = rig.relay.vault.envelopes.seal_phone(rig.account.id, new_id, e164)
        seat = NewParticipant(
            new_id, participant.slot, "", party.index, participant.number_id, sealed.data, epoch_id=sealed.key_id
        )
        made.append(seat)
    new = NewSession(
        id=tx.new_id(bucket),
        account_id=rig.account.id,
        pool_id=talk.pool.id,
        unique_name=None,
        metadata={},
        expires_at=tx.now + timedelta(days=1),
        idle_timeout=None,
        cool_down=3600,
        pair_index=indexes.pair(rig.account.id, *parties),
        participants=(made[0], made[1]),
    )
    won = await sessions.open_session(tx, bucket, new)
    assert won is not None
    assert len(won) == 2
    return new.id


async def test_a_text_crosses_in_the_new_session_when_its_binding_passed_to_it_meanwhile(rig: Rig) -> None:
    talk = await start_talk(rig)
    async with rig.relay.database.transaction() as tx:
        await sessions.lock(tx, talk.bucket, rig.account.id, talk.id)
        await endings.close(tx, talk.bucket, talk.id, closing(CloseReason.API, []))
        successor = await open_again(talk, tx)
        arriving = await arriving_meanwhile(talk)

    assert await arriving is Taken.FORWARDED
    await rig.send_all(talk.bucket)
    assert await rig.rows("select session_id from message") == [{"session_id": successor}]
    assert [(t.sender, t.to) for t in rig.carrier.sent] == [(talk.proxy(2), BOB)]
