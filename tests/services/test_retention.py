"""More than a year of a marketplace: at each step nothing is kept too long, and nothing is gone early. Nobody sleeps.

``keeping.Watcher`` judges, with periods of its own and without Relay's SQL.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import pytest

from relay.core.model import HoldReason
from relay.storage import database
from relay.storage.database import Database
from tests.services.carrier import lost_answer
from tests.services.keeping import Watcher, upkeep, waiting_too_long
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, make_rig, start_talk

pytestmark = pytest.mark.long

DAY = 86400
#: Hours between two looks, over and over.
_STEPS = (5, 30, 72, 20, 48, 67)


@pytest.fixture
async def hasty(dsn: str) -> AsyncIterator[Database]:
    """A database that need not survive a power cut: much is written here."""
    connection = await asyncpg.connect(dsn)
    name = await connection.fetchval("select current_database()")
    await connection.execute(f"alter database {name} set synchronous_commit = off")
    await connection.close()
    opened = await database.connect(dsn, connections=4)
    yield opened
    await opened.close()


@dataclass(slots=True)
class Market:
    """A marketplace in which something happens every few days."""

    rig: Rig
    talks: list[Talk]

    async def live(self, n: int) -> None:
        """The n-th piece of its life: a new conversation, late words in earlier ones, a request."""
        days, cool_down = (1, 2, 30, 7, 120)[n % 5], (3600, 3 * DAY, 90 * DAY, 20 * DAY)[n % 4]
        talk = await start_talk(
            self.rig,
            pool=self.talks[0].pool,
            one=phone(2 * n),
            other=phone(2 * n + 1),
            expires_in=days * DAY,
            cool_down=cool_down,
        )
        self.talks.append(talk)
        self.rig.carrier.answer = lost_answer if n % 7 == 3 else None
        await talk.say("hello")
        await talk.say("hello yourself", slot=2)
        if n % 3 != 1:
            await self.rig.send_all(talk.bucket)
        self.rig.carrier.answer = None
        if n % 6 == 2:
            await talk.say("STOP")
        if n % 4 == 2:
            await self.rig.relay.sessions.close(self.rig.account, talk.id)
        for earlier in self.talks[-12:-1:3]:
            await earlier.say("are you still there?")
        if n % 5 == 4:
            await self._meet_again(self.talks[-5])
        await self.rig.relay.idempotency.begin(self.rig.account, f"key {n}", b"asked")

    async def _meet_again(self, before: Talk) -> None:
        """Two who have met before, perhaps on numbers that still cool down for them."""
        await before.say("START")
        again = await start_talk(self.rig, pool=before.pool, one=before.one, other=before.other, expires_in=DAY)
        self.talks.append(again)

    async def hold(self, session_id: UUID) -> None:
        by, seed = self.rig.account.id, await self.rig.seed()
        await self.rig.relay.holds.place(self.rig.account, session_id, HoldReason.LEGAL_CLAIM, key_id=by, seed=seed)


async def open_market(db: Database) -> Market:
    rig = await make_rig(db)
    return Market(rig, [await start_talk(rig, pool=await rig.pool("default", numbers(4)), expires_in=DAY)])


async def test_nothing_is_overdue_and_nothing_is_gone_early_when_400_days_pass(hasty: Database) -> None:
    market = await open_market(hasty)
    rig, watcher = market.rig, Watcher(market.rig)
    began, day, held = await rig.relay.database.now(), 0, market.talks[0].id
    for n, hours in enumerate(itertools.cycle(_STEPS)):
        if day < 150:
            await market.live(n)
        if n == 9:
            held = market.talks[4].id
            await market.hold(held)
            watcher.held.add(held)
        if day > 280 and held in watcher.held:
            await rig.relay.holds.lift(rig.account, held)
            watcher.held.remove(held)
        wrong = await watcher.look()
        rig.later(hours=hours)
        upkeep_began = await rig.relay.database.now()
        await upkeep(rig)
        wrong += await watcher.look(upkeep_began)
        wrong += waiting_too_long(await rig.rows("select id, state, changed_at from message"), upkeep_began)
        report = await rig.relay.retention.report()

        day = (upkeep_began - began).days
        assert (day, wrong, report.overdue) == (day, [], 0), report
        if day >= 400:
            break

    assert {kind for kind, _ in watcher.known} == {"inbox_key", "suppression", "person", "number_state"}
    for kind in ("session", "message", "attempt", "event", "participant", "party_index", "binding", "person"):
        assert watcher.seen[kind] > 80, watcher.seen
    assert min(watcher.seen[kind] for kind in ("answer", "idempotency")) > 20, watcher.seen
