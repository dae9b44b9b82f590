"""STOP against whatever happens at the same moment. After the carrier was told 2xx, nothing begins to leave to that person.

"Begins" is the commit of the door's transaction, so commits are compared, by the server's own commit timestamps.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import pytest

from relay.core.delivery import Outcome
from relay.core.errors import Conflict
from relay.core.model import State
from relay.providers import twilio
from relay.storage import outbox
from relay.storage.configuration import Pool
from relay.storage.outbox import Mark
from tests.services.people import numbers, phone
from tests.services.rig import Rig, proxy_of

pytestmark = pytest.mark.long

_THE_PERSON = "select xmin::text from person where bucket = $1 and party_index = $2"
ROUNDS = 100
TEXTS = 50


@dataclass(slots=True)
class Doors:
    """Sends everything that is due in some pools, and notes each door transaction in which a text began to leave."""

    rig: Rig
    begun: list[tuple[int, str]] = field(default_factory=list)  #: (bucket, transaction id)

    async def empty(self, pool: Pool) -> None:
        while due := await self.rig.due(pool.bucket):
            await self._through(pool.bucket, due)

    async def _through(self, bucket: int, due: Sequence[UUID]) -> None:
        database, epoch = self.rig.relay.database, await self.rig.epoch(bucket)
        async with database.transaction() as tx:
            attempts = dict(zip(due, tx.new_ids(bucket, len(due)), strict=True))
            passed = await outbox.pass_door(tx, bucket, epoch, attempts)
            xid = str(await tx.fetchval("select pg_current_xact_id()::text"))
        sending = [p for p in passed if p.state is State.SENDING]
        self.begun += [(bucket, xid)] * len(sending)
        marks = [Mark(p.attempt_id, p.message_id, Outcome.ACCEPTED) for p in sending]
        if marks:
            async with database.transaction() as tx:
                await outbox.mark(tx, bucket, marks)

    async def after(self, party_index: bytes) -> int:
        """How many texts began to leave after the person's opt-out was committed in the same pool."""
        late = 0
        for bucket, xid in self.begun:
            stopped = await self._committed(
                "select xmin::text from person where bucket = $1 and party_index = $2", bucket, party_index
            )
            began = await self.rig.value("select pg_xact_commit_timestamp($1::text::xid)", xid)
            late += isinstance(began, datetime) and began > stopped
        return late

    async def _committed(self, statement: str, *args: object) -> datetime:
        at = await self.rig.value(f"select pg_xact_commit_timestamp(({statement})::xid)", *args)
        assert isinstance(at, datetime)
        return at


async def test_no_text_begins_after_stop_when_fifty_are_queued_in_three_pools(rig: Rig) -> None:
    chance = random.Random(1)
    pools = [await rig.pool(f"pool {i}", numbers(4, start=4 * i)) for i in range(3)]
    begun = 0
    for n in range(ROUNDS):
        victim, doors = phone(4 * n), Doors(rig)
        views = [await rig.session(pool, victim, phone(4 * n + 1 + i)) for i, pool in enumerate(pools)]
        share = TEXTS // 3 + 1
        for i, view in enumerate(views):
            await asyncio.gather(
                *(rig.text(phone(4 * n + 1 + i), proxy_of(view, 2), f"text {t}") for t in range(share))
            )

        async def stop(number: str, victim: str = victim) -> None:
            await asyncio.sleep(chance.uniform(0, 0.04))
            await rig.text(victim, number, "STOP")

        await asyncio.gather(stop(proxy_of(views[0], 1)), *(doors.empty(pool) for pool in pools))
        party = rig.relay.vault.indexes.of(rig.account.id, victim)

        assert await doors.after(party.index) == 0
        begun += len(doors.begun)
    assert 0 < begun < ROUNDS * TEXTS, "the race never was one"
    left = await rig.value("select count(*) from message where state in ('queued', 'sending')")
    assert left == 0


async def test_no_confirmation_of_stop_begins_after_start_when_it_is_at_the_door(rig: Rig) -> None:
    quiet = replace(twilio.ADAPTER.capabilities, answers_stop=False)
    rig.relay.adapters["twilio"] = replace(twilio.ADAPTER, capabilities=quiet)
    chance, pools = random.Random(4), [await rig.pool(name, numbers(2, start=2 * n)) for n, name in enumerate("ab")]
    victim, begun = phone(0), 0
    first, second = [proxy_of(await rig.session(pool, victim, phone(1)), 1) for pool in pools]
    party = rig.relay.vault.indexes.of(rig.account.id, victim)
    for n in range(ROUNDS // 2):
        doors = Doors(rig)
        await rig.text(victim, first, "STOP")

        async def pass_late(doors: Doors = doors) -> None:
            await asyncio.sleep(chance.uniform(0, 0.01))
            await doors.empty(pools[0])

        await asyncio.gather(rig.text(victim, first if n % 2 else second, "START"), pass_late())

        assert await doors.after(party.index) == 0
        begun += len(doors.begun)
    assert 0 < begun < ROUNDS // 2, "the race never was one"
    assert set(await rig.states("stop_reply")) == {("accepted", None), ("refused", "blocked_by_rule")}


async def test_no_text_begins_after_stop_when_a_session_opens_at_the_same_time(rig: Rig) -> None:
    chance = random.Random(2)
    first, second = await rig.pool("first", numbers(4)), await rig.pool("second", numbers(4, start=4))
    opened = refused = 0
    for n in range(ROUNDS):
        victim, partner, other = phone(3 * n), phone(3 * n + 1), phone(3 * n + 2)
        known = await rig.session(first, victim, partner)

        async def open_late(victim: str = victim, other: str = other) -> object:
            await asyncio.sleep(chance.uniform(0, 0.02))
            return await rig.session(second, victim, other)

        _, view = await asyncio.gather(
            rig.text(victim, proxy_of(known, 1), "STOP"), open_late(), return_exceptions=True
        )
        if isinstance(view, Conflict):
            assert view.code == "participant_opted_out"
            refused += 1
            continue
        opened += 1
        await rig.text(other, proxy_of(view, 2), "hello?")  # type: ignore[arg-type]  # a SessionView

        assert victim not in [intent.letter.phone for intent in await rig.begin(second.bucket)]
    assert opened > 0, "no session came first: the race never was one"
    assert refused > 0, "no STOP came first: the race never was one"


async def test_a_pool_made_during_stop_knows_of_it(rig: Rig) -> None:
    chance = random.Random(3)
    first = await rig.pool("first", numbers(4))
    for n in range(ROUNDS):
        victim, partner = phone(2 * n), phone(2 * n + 1)
        known = await rig.session(first, victim, partner)

        async def make(n: int = n) -> Pool:
            await asyncio.sleep(chance.uniform(0, 0.01))
            return await rig.relay.pools.add(rig.account, f"pool {n}", await rig.seed())

        _, pool = await asyncio.gather(rig.text(victim, proxy_of(known, 1), "STOP"), make())
        party = rig.relay.vault.indexes.of(rig.account.id, victim)
        knows = await rig.value(
            "select opted_out from person where bucket = $1 and party_index = $2", pool.bucket, party.index
        )

        assert pool.ready
        assert knows is True
