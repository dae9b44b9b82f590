"""Whom a leak concerns: what a notification under article 33 of the GDPR asks, and the sessions whose people must be told.

Relay knows nobody by name and says no phone: the marketplace knows by its own records who was in a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.affected import Leak, Reading, Source, Window
from relay.storage import affected
from relay.storage.affected import Count, Page
from relay.storage.configuration import Account, Configuration, Directory
from relay.storage.database import Database


@dataclass(frozen=True, slots=True)
class Concerned:
    """What one class of one table tells of. None: rows that are no account's are not counted."""

    reading: Reading
    count: Count | None


@dataclass(frozen=True, slots=True)
class Answer:
    """``session_ids``: a page of the sessions concerned, newest first; ``sessions``: how many there are in all."""

    at: datetime
    leak: Leak
    concerned: Sequence[Concerned]
    sessions: int
    session_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Affected:
    """Reads only."""

    database: Database
    configuration: Configuration

    async def by(self, account: Account, leak: Leak, page: Page) -> Answer:
        """What of an account may have been copied."""
        directory = await self.configuration.refreshed()
        sources = {reading.told.by for reading in leak.readings} & affected.COUNTED
        sums: dict[Source, Count] = {}
        for bucket in sorted(directory.buckets_of(account.id)) if sources else ():
            for source in sorted(sources):
                found = await self._count(account, bucket, source, leak.window, page)
                sums[source] = sums.get(source, Count()).plus(found)
        concerned = [
            Concerned(reading, _told(reading, sums, directory, account, leak.window)) for reading in leak.readings
        ]
        ids = {session_id for found in sums.values() for session_id in found.session_ids}
        # Whatever tells of a session, its own row stays longest: the most that one tells of is all of them.
        sessions = max((found.sessions for found in sums.values()), default=0)
        newest = sorted(ids, reverse=True)[: page.limit]
        return Answer(await self.database.now(), leak, concerned, sessions, newest)

    async def _count(self, account: Account, bucket: int, source: Source, window: Window, page: Page) -> Count:
        async with self.database.single() as tx:  # once: whoever waited in vain shall not make the database work again
            return await affected.count(tx, bucket, account.id, source, window=window, page=page)


def _told(
    reading: Reading, sums: Mapping[Source, Count], directory: Directory, account: Account, window: Window
) -> Count | None:
    if reading.told.by is Source.CONFIGURED:
        return Count(_configured(directory, account, reading.table, window.until))
    return sums.get(reading.told.by)


def _configured(directory: Directory, account: Account, table: str, until: datetime) -> int:
    """Rows of the account in a table that every process knows by heart."""
    if table == "former_pool":
        return len(directory.former_pools.get(account.id, ()))
    if table == "former_number":
        return sum(len(where) for (owner, _), where in directory.former_buckets.items() if owner == account.id)
    made = {
        "account": [account.created_at],
        "connection": [c.created_at for c in directory.connections_of(account.id)],
        "endpoint": [e.created_at for e in directory.endpoints_of(account.id)],
        "pool": [p.created_at for p in directory.pools_of(account.id)],
        "pool_hook": [hook.created_at for p in directory.pools_of(account.id) for hook in p.hooks],
        "number": [n.created_at for n in directory.numbers.values() if n.account_id == account.id],
    }
    return sum(at <= until for at in made[table])
