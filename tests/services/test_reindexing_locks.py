"""People who come to be known under a new index while the door looks at texts for them: each waits for the other in one order.

A deadlock would be repeated and cost a second, so nothing here repeats: every transaction is begun by hand.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from relay.core.arrival import Party
from relay.core.keys import Purpose
from relay.core.model import State
from relay.storage import outbox, people, sessions
from relay.storage.database import Database
from relay.vault import keyring, keyring_file
from relay.wiring import open_keyring
from tests.services.rig import Rig, Talk, make_rig, start_talk
from tests.services.waiting import until

_WAITING = """select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
              having count(*) = $1"""
_A_PERSON = "select 1 from person where bucket = $1 and party_index = $2 for update"
_A_SEAT = "select 1 from participant where bucket = $1 and id = $2 for update"


@pytest.fixture
async def talk(db: Database, tmp_path: Path) -> Talk:
    """A text waits for each of the two."""
    path = tmp_path / "keyring.json"
    keyring_file.save_new(keyring.make(), path)
    await open_keyring(db, path, may_make=False)
    talk = await start_talk(await make_rig(db, keyring=path), expires_in=9 * 86400)
    for slot in (1, 2):
        await talk.say("hello", slot=slot)
    await talk.rig.epoch(talk.bucket)
    return talk


async def turned(rig: Rig) -> None:
    """A new key for people's indexes is in use."""
    await rig.relay.rotation.rotate([Purpose.INDEX])
    rig.later(hours=1)
    for _ in range(2):
        await rig.relay.rotation.learn()


async def through_the_door(talk: Talk) -> list[State]:
    rig, bucket = talk.rig, talk.bucket
    epoch = await rig.epoch(bucket)
    async with rig.relay.database.transaction() as tx:
        waiting = [row["message_id"] for row in await tx.fetch("select message_id from outbox")]
        attempts = dict(zip(waiting, tx.new_ids(bucket, len(waiting)), strict=True))
        return [passed.state for passed in await outbox.pass_door(tx, bucket, epoch, attempts)]


async def known_anew(talk: Talk, party: Party) -> UUID | None:
    """What everybody does who deals with a person: know them, then lock their session."""
    async with talk.rig.relay.database.transaction() as tx:
        await people.recognise(tx, talk.bucket, [party])
        locked = await sessions.lock(tx, talk.bucket, talk.rig.account.id, talk.id)
    return locked.id if locked else None


async def beside_each_other(talk: Talk, party: Party) -> tuple[asyncio.Task[list[State]], asyncio.Task[UUID | None]]:
    """The door has come to what is held; then somebody wants to know this person."""
    door = asyncio.create_task(through_the_door(talk))
    await until(lambda: talk.rig.rows(_WAITING, 1))
    known = asyncio.create_task(known_anew(talk, party))
    await until(lambda: talk.rig.rows(_WAITING, 2))
    return door, known


async def both_are_done(talk: Talk, door: asyncio.Task[list[State]], known: asyncio.Task[UUID | None]) -> None:
    passed, locked = await asyncio.gather(door, known)

    assert (passed, locked) == ([State.SENDING] * 2, talk.id)
    assert await talk.rig.value("select count(*) from person where superseded") == 1


async def test_both_are_done_when_the_door_holds_a_seat_and_waits_for_people(talk: Talk) -> None:
    """It waits for the first of the two, and will want the second, whom somebody is about to know anew."""
    indexes, account_id = talk.rig.relay.vault.indexes, talk.rig.account.id
    (first, _), (_, second) = sorted((indexes.of(account_id, who).index, who) for who in (talk.one, talk.other))
    await turned(talk.rig)
    async with talk.rig.relay.database.transaction() as holding:
        await holding.execute(_A_PERSON, talk.bucket, first)
        door, known = await beside_each_other(talk, indexes.of(account_id, second))

    await both_are_done(talk, door, known)


async def test_both_are_done_when_the_door_holds_a_session_and_waits_for_seats(talk: Talk) -> None:
    """Whoever knows the second of the two anew will want their session next."""
    indexes, account_id = talk.rig.relay.vault.indexes, talk.rig.account.id
    first, second = sorted(talk.view.participants, key=lambda seat: seat.id)
    await turned(talk.rig)
    async with talk.rig.relay.database.transaction() as holding:
        await holding.execute(_A_SEAT, talk.bucket, first.id)
        whose = talk.one if second.slot == 1 else talk.other
        door, known = await beside_each_other(talk, indexes.of(account_id, whose))

    await both_are_done(talk, door, known)
