"""Whether every change of state has its event, and every event its entry: counted in the database as it is, row by row.

Rows whose last change is older than events are kept for say nothing any more, and are passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import UUID

from relay.core.coverage import EXPECTED, Expected, Fault, Sealed, expected, fault_of
from relay.storage import coverage
from relay.storage.configuration import Account, Configuration
from relay.storage.coverage import Rows
from relay.storage.database import Database, Transaction

_STEP = 1000
_FIRST = UUID(int=0)


@dataclass(slots=True)
class Covered:
    """What was looked at, by table and ``events``; and what was found: (fault, type of the event) -> how often."""

    seen: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[Fault, str]] = field(default_factory=Counter)

    @property
    def without_entry(self) -> int:
        """State changes without an entry."""
        return self.faults.total()


@dataclass(frozen=True, slots=True)
class Coverage:
    database: Database
    configuration: Configuration

    async def of(self, account: Account, found: Covered) -> None:
        """Look through everything of an account, and add it to what was found."""
        directory = await self.configuration.refreshed()
        for place in sorted(directory.buckets_of(account.id)):
            for table in EXPECTED:
                await self._rows(table, place, account, found)
            await self._events(place, account, found)

    async def _rows(self, table: str, place: int, account: Account, found: Covered) -> None:
        behind: UUID | None = _FIRST
        while behind is not None:
            step = await self.database.run(partial(_look, table, place, account.id, behind), single=True)
            untold = await self.database.run(partial(_untold, table, place, account.id, step))
            found.seen[table] += len(step.found)
            found.faults.update((Fault.NO_EVENT, one.types[0]) for one in untold)
            found.faults.update([(Fault.NO_ATTEMPT, "message.received")] * step.unsent)
            behind = step.last

    async def _events(self, place: int, account: Account, found: Covered) -> None:
        """Entries are read after the events that they are of: one that is made meanwhile is there."""
        behind: UUID | None = _FIRST
        while behind is not None:
            step = await self.database.run(partial(_events, place, account.id, behind), single=True)
            entered = await self.database.run(partial(_entered, account, step), single=True)
            now = await self.database.now()
            told = [replace(event, entry=entered.get(event.id)) for event in step]
            found.seen["events"] += len(step)
            found.faults.update((fault, event.type) for event in told if (fault := fault_of(event, now)))
            behind = step[-1].id if step else None


async def _look(table: str, place: int, account_id: UUID, behind: UUID, tx: Transaction) -> Rows:
    return await coverage.rows(tx, table, place, account_id, behind=behind, limit=_STEP)


async def _untold(table: str, place: int, account_id: UUID, step: Rows, tx: Transaction) -> list[Expected]:
    wanted = expected(table, step.found, tx.now)
    return await coverage.missing(tx, place, account_id, wanted) if wanted else []


async def _events(place: int, account_id: UUID, behind: UUID, tx: Transaction) -> list[Sealed]:
    return await coverage.events(tx, place, account_id, behind=behind, limit=_STEP)


async def _entered(account: Account, step: Sequence[Sealed], tx: Transaction) -> dict[UUID, str]:
    return await coverage.entries(tx, account.bucket, account.id, [event.id for event in step])
