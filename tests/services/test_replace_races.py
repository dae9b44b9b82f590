"""Replacing and reopening against whatever happens at the same moment: texts that come and go, STOP, a close.

What happened before what is told by the server's own commit timestamps: of the events, which are written once and never changed,
and of each door transaction in which a text began to leave.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from relay.core.delivery import Outcome
from relay.core.errors import Conflict
from relay.core.model import State
from relay.storage import outbox
from relay.storage.configuration import Pool
from relay.storage.outbox import Mark
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, start_talk

pytestmark = pytest.mark.long

ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Begun:
    """A text that began to leave, in which transaction, and to which phone."""

    message_id: UUID
    xid: str
    phone: str


@dataclass(slots=True)
class Door:
    """Sends everything that is due in a pool, for as long as it is asked to."""

    rig: Rig
    pool: Pool
    begun: list[Begun] = field(default_factory=list)

    async def empty(self, *, times: int = 1) -> None:
        for _ in range(times):
            while due := await self.rig.due(self.pool.bucket):
                await self._through(due)
            await asyncio.sleep(0.003)

    async def _through(self, due: list[UUID]) -> None:
        database, bucket, open_ = self.rig.relay.database, self.pool.bucket, self.rig.relay.vault.envelopes.open
        epoch = await self.rig.epoch(bucket)
        async with database.transaction() as tx:
            attempts = dict(zip(due, tx.new_ids(bucket, len(due)), strict=True))
            passed = await outbox.pass_door(tx, bucket, epoch, attempts)
            xid = str(await tx.fetchval("select pg_current_xact_id()::text"))
        sending = [p for p in passed if p.state is State.SENDING]
        self.begun += [
            Begun(p.message_id, xid, open_(p.account_id, p.message_id, p.envelope).phone)
            for p in sending
            if p.kind == "relay"
        ]
        if sending:
            async with database.transaction() as tx:
                marks = [Mark(p.attempt_id, p.message_id, Outcome.ACCEPTED) for p in sending]
                await outbox.mark(tx, bucket, marks)


_BEGUN = """select m.id, pg_xact_commit_timestamp(u.xid::xid) as at
      from unnest($2::uuid[], $3::text[]) as u(id, xid) join message m on m.id = u.id and m.session_id = $1"""
_OUTSIDE = f"""
with w as (
    select type, pg_xact_commit_timestamp(xmin) as at from event where session_id = $1 and type like 'session.%'
), happened as (
    select m.id, pg_xact_commit_timestamp(e.xmin) as at from event e join message m on m.id = e.message_id
     where m.session_id = $1 and m.kind = 'relay' and e.type = 'message.received'
    union all {_BEGUN}
)
select count(*) from happened h
 where coalesce((select w.type from w where w.at <= h.at order by w.at desc limit 1), '') in ('', 'session.closed')
"""
_OF_OLD = f"""
with replaced as (
    select participant_id as id, pg_xact_commit_timestamp(xmin) as at from event
     where session_id = $1 and type = 'participant.replaced'
), happened as (
    select m.id, pg_xact_commit_timestamp(e.xmin) as at from event e join message m on m.id = e.message_id
     where m.session_id = $1 and m.kind = 'relay' and e.type = 'message.received'
), begun as ({_BEGUN})
select (select count(*) from happened h join message m on m.id = h.id
          join replaced r on r.id in (m.from_participant, m.to_participant) where h.at > r.at)
     + (select count(*) from begun b join message m on m.id = b.id join replaced r on r.id = m.to_participant where b.at > r.at)
"""
#: What must hold of bindings whenever nobody is in the middle of something.
_HALF_BOUND = """
select count(*) from participant p left join binding b on b.participant_id = p.id and b.held_until = 'infinity'
 where (p.status = 'live') <> (b.participant_id is not null)
    or (p.status = 'live' and (select status from session where id = p.session_id) <> 'open')
"""


async def late(door: Door, statement: str, session_id: UUID) -> object:
    """How much happened that should not have, by a statement about the session and what began to leave."""
    columns = [b.message_id for b in door.begun], [b.xid for b in door.begun]
    return await door.rig.value(statement, session_id, *columns)


async def wrong_phones(door: Door, talk: Talk, comes: str) -> list[Begun]:
    """Texts that left for a phone which is not that of the participant they are for."""
    found = await door.rig.rows("select id, to_participant from message where session_id = $1", talk.id)
    to = {row["id"]: row["to_participant"] for row in found}
    one, old = (participant.id for participant in talk.view.participants)
    right = {one: talk.one, old: talk.other}
    return [b for b in door.begun if b.message_id in to and right.get(to[b.message_id], comes) != b.phone]  # type: ignore[call-overload]  # ids


async def meanwhile(chance: random.Random, *work: Awaitable[object], within: float = 0.03) -> list[object]:
    """Everything at once, each a little later than now."""

    async def one(what: Awaitable[object]) -> object:
        await asyncio.sleep(chance.uniform(0, within))
        return await what

    return list(await asyncio.gather(*(one(what) for what in work), return_exceptions=True))


async def test_nothing_reaches_or_comes_from_the_old_person_when_they_are_replaced_among_other_things(rig: Rig) -> None:
    chance, pool = random.Random(5), await rig.pool("default", numbers(6))
    ends = {"refused": 0, "replaced": 0, "begun": 0}
    for n in range(ROUNDS):
        talk = await start_talk(rig, pool=pool, one=phone(3 * n), other=phone(3 * n + 1))
        comes, door = phone(3 * n + 2), Door(rig, pool)
        for i in range(3):
            await talk.say(f"before {i}")
        others: list[Awaitable[object]] = [talk.say(f"meanwhile {i}", slot=1 + i % 2) for i in range(4)]
        if n % 4 == 1:
            others.append(rig.relay.sessions.close(rig.account, talk.id))
        if n % 4 == 2:
            others.append(talk.say("STOP", slot=2))
        if n % 4 == 3:
            others.append(rig.replace(talk.view, 1 + n % 8 // 4, phone(600 + n)))
        results = await meanwhile(chance, rig.replace(talk.view, 2, comes), door.empty(times=4), *others)
        await door.empty()

        wrong = [r for r in results if isinstance(r, BaseException) and not isinstance(r, Conflict)]
        assert wrong == []
        assert await late(door, _OF_OLD, talk.id) == 0
        assert await late(door, _OUTSIDE, talk.id) == 0
        if n % 4 != 3:  # else there are more phones than this looks for
            assert await wrong_phones(door, talk, comes) == []
        ends["replaced"] += isinstance(results[0], tuple)
        ends["refused"] += isinstance(results[0], Conflict)
        ends["begun"] += len(door.begun)
    assert await rig.value(_HALF_BOUND) == 0
    assert await rig.value("select count(*) from message where state in ('queued', 'sending')") == 0
    old = await rig.value("select count(*) from message where reason = 'participant_replaced'")
    assert isinstance(old, int)
    assert old > 0, "no text was caught waiting: the race never was one"
    assert min(ends.values()) > 0, ends


async def test_no_text_crosses_a_closed_session_when_it_is_reopened_among_other_things(rig: Rig) -> None:
    chance, pool = random.Random(6), await rig.pool("default", numbers(6))
    reopened = forwarded = 0
    for n in range(ROUNDS):
        talk = await start_talk(rig, pool=pool, one=phone(2 * n), other=phone(2 * n + 1), cool_down=3600)
        door = Door(rig, pool)
        await rig.relay.sessions.close(rig.account, talk.id)
        others: list[Awaitable[object]] = [talk.say(f"meanwhile {i}", slot=1 + i % 2) for i in range(4)]
        if n % 4 == 1:
            others.append(rig.relay.sessions.close(rig.account, talk.id))
        if n % 4 == 2:
            others.append(talk.say("STOP", slot=2))
        if n % 4 == 3:
            others.append(rig.session(pool, talk.one, talk.other))
        results = await meanwhile(chance, rig.reopen(talk), door.empty(times=4), *others)
        await door.empty()

        wrong = [r for r in results if isinstance(r, BaseException) and not isinstance(r, Conflict)]
        assert wrong == []
        assert await late(door, _OUTSIDE, talk.id) == 0
        reopened += not isinstance(results[0], Conflict)
        forwarded += len(door.begun)
    refused = await rig.value("select count(*) from message where reason in ('late', 'session_closed')")
    assert await rig.value(_HALF_BOUND) == 0
    assert isinstance(refused, int)
    assert min(reopened, ROUNDS - reopened, forwarded, refused) > 0, "the race never was one"
