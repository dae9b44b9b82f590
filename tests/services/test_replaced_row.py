"""Rows that change in an open transaction while a text arrives: the text follows what was committed, never what it replaced.

Nothing replaces a participant in this version; the rows are changed by hand, under the lock that whoever does it will hold.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

from relay.core.closing import closing
from relay.core.model import CloseReason
from relay.services.inbound import Taken
from relay.storage import sessions
from relay.storage.database import Transaction
from relay.storage.sessions import NewParticipant, NewSession
from tests.services.people import BOB, CAROL
from tests.services.rig import Rig, Talk, start_talk


async def replace_second_person(talk: Talk, tx: Transaction, phone: str) -> str:
    """Put somebody else, with another number, in Bob's place; returns the new number. The session is locked."""
    rig, bucket = talk.rig, talk.bucket
    old = (await tx.fetch("select id, number_id from participant where session_id = $1 and slot = 2", talk.id))[0]
    number = await tx.fetchrow(
        "select id, e164 from number where id <> $1 order by e164 desc limit 1", old["number_id"]
    )
    assert number is not None
    party, new_id = rig.relay.vault.indexes.of(rig.account.id, phone), tx.new_id(bucket)
    sealed = rig.relay.vault.envelopes.seal_phone(rig.account.id, new_id, phone)
    await sessions.meet(tx, bucket, [(party.index, party.key_id)])
    await tx.execute(
        "update participant set status = 'replaced', sealed_phone = null, epoch_id = null where id = $1", old["id"]
    )
    await tx.execute(
        "insert into participant (bucket, id, session_id, slot, status, party_index, number_id, sealed_phone, epoch_id)"
        " values ($1, $2, $3, 2, 'live', $4, $5, $6, $7)",
        bucket, new_id, talk.id, party.index, number["id"], sealed.data, sealed.key_id,
    )  # fmt: skip  # one line for each of statement and arguments reads better than nine
    await tx.execute("update binding set held_until = $1 where participant_id = $2", tx.now, old["id"])
    await tx.execute(
        "insert into binding (bucket, number_id, party_index, session_id, participant_id, pair_index, held_until)"
        " values ($1, $2, $3, $4, $5, $3, 'infinity')",
        bucket, number["id"], party.index, talk.id, new_id,
    )  # fmt: skip  # the same
    return str(number["e164"])


async def arriving_meanwhile(talk: Talk, *, slot: int = 1) -> asyncio.Task[Taken]:
    """A text that has to wait for the transaction that holds its session."""
    arriving = asyncio.create_task(talk.say("I am here", slot=slot))
    await asyncio.sleep(0.15)
    assert not arriving.done()
    return arriving


async def test_a_text_goes_to_the_new_person_when_the_old_one_is_being_replaced(rig: Rig) -> None:
    talk = await start_talk(rig)
    async with rig.relay.database.transaction() as tx:
        await sessions.lock(tx, talk.bucket, rig.account.id, talk.id)
        new_number = await replace_second_person(talk, tx, CAROL)
        arriving = await arriving_meanwhile(talk)

    assert await arriving is Taken.FORWARDED
    await rig.send_all(talk.bucket)
    assert [(t.sender, t.to) for t in rig.carrier.sent] == [(new_number, CAROL)]


async def test_the_old_persons_text_goes_to_nobody_when_they_are_being_replaced(rig: Rig) -> None:
    talk = await start_talk(rig)
    async with rig.relay.database.transaction() as tx:
        await sessions.lock(tx, talk.bucket, rig.account.id, talk.id)
        await replace_second_person(talk, tx, CAROL)
        arriving = await arriving_meanwhile(talk, slot=2)

    assert await arriving is Taken.REFUSED
    await rig.send_all(talk.bucket)
    assert await rig.states() == [("refused", "late")]
    assert [t.to for t in rig.carrier.sent] == [BOB]  # who is told that it has ended


async def open_again(talk: Talk, tx: Transaction) -> UUID:
    """A new session of the same two people on the same two numbers, in this very transaction."""
    rig, bucket, made = talk.rig, talk.bucket, []
    indexes = rig.relay.vault.indexes
    parties = [indexes.of(rig.account.id, phone) for phone in (talk.one, talk.other)]
    for participant, party, phone in zip(talk.view.participants, parties, (talk.one, talk.other), strict=True):
        new_id = tx.new_id(bucket)
        sealed = rig.relay.vault.envelopes.seal_phone(rig.account.id, new_id, phone)
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
        await sessions.close(tx, talk.bucket, talk.id, closing(CloseReason.API, []))
        successor = await open_again(talk, tx)
        arriving = await arriving_meanwhile(talk)

    assert await arriving is Taken.FORWARDED
    await rig.send_all(talk.bucket)
    assert await rig.rows("select session_id from message") == [{"session_id": successor}]
    assert [(t.sender, t.to) for t in rig.carrier.sent] == [(talk.proxy(2), BOB)]
