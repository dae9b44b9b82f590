"""Forgetting what nobody needs any more, by the periods of ``core.retention``; and the report of what is held.

What has an end of its own goes elsewhere: texts when they have left, phones when their session closes (``sessions``,
``expiry``), automatic answers and answers to requests (``expiry``, ``idempotency``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.data_class import DataClass
from relay.core.periods import TURNS_FOR, keys_forgotten_before
from relay.providers.base import Adapter
from relay.storage import endings, holdings, people, retention
from relay.storage.configuration import Account, Configuration, Connection, Directory, Endpoint, Number, Pool
from relay.storage.database import Database, Transaction
from relay.storage.holdings import Holding

_BATCH = 500
_SMALL_BATCH = 100


@dataclass(frozen=True, slots=True)
class Report:
    """What was held at a time."""

    at: datetime
    holdings: Sequence[Holding]

    @property
    def overdue(self) -> int:
        return sum(holding.overdue for holding in self.holdings)


@dataclass(frozen=True, slots=True)
class Retention:
    """Every step is one transaction in one bucket: whoever is killed in the middle has forgotten a little less.

    ``seal`` enters events of a bucket into their accounts' logs, where they are not in them."""

    database: Database
    configuration: Configuration
    adapters: Mapping[str, Adapter]
    seal: Callable[[int, Sequence[UUID]], Awaitable[object]]

    async def forget(self, bucket: int) -> int:
        """Forget a small batch of everything that is due; says how much. Messages go before the session that they name."""
        done = await self.forget_messages(bucket) + await self.forget_events(bucket)
        done += await self.forget_sessions(bucket) + await self.forget_keys(bucket) + await self.forget_people(bucket)
        if not done:
            await self.database.run(lambda tx: retention.passed(tx, bucket), single=True)
        return done

    async def forget_messages(self, bucket: int) -> int:
        """Forget messages and their attempts."""
        return await self.database.run(lambda tx: retention.forget_messages(tx, bucket, limit=_BATCH))

    async def forget_events(self, bucket: int) -> int:
        """Forget events, none before it is sealed."""
        found = await self.database.run(lambda tx: retention.old_events(tx, bucket, limit=_BATCH), single=True)
        if not found:
            return 0
        await self.seal(bucket, found)
        return await self.database.run(lambda tx: retention.forget_events(tx, bucket, found))

    async def forget_sessions(self, bucket: int) -> int:
        """Forget closed sessions and their participants."""
        return await self.database.run(lambda tx: retention.forget_sessions(tx, bucket, limit=_SMALL_BATCH))

    async def forget_keys(self, bucket: int) -> int:
        """Forget what carriers delivered, where nothing of it can be delivered again."""
        async with self.database.single() as tx:
            found, now = await retention.connections_with_keys(tx, bucket), tx.now
        if not found:
            return 0
        # Read after the keys were: a connection is there before its first key, so one that is not there now is gone for good.
        directory = await self.configuration.refreshed()
        timed = self._timed(directory)
        done = 0
        for connection_id in found:
            known, is_timed = connection_id in directory.connections, connection_id in timed
            before = keys_forgotten_before(now, has_connection=known, signature_is_timed=is_timed)
            if before is not None:
                done += await self._forget_keys_of(connection_id, bucket, before)
        return done

    async def _forget_keys_of(self, connection_id: UUID, bucket: int, before: datetime) -> int:
        return await self.database.run(
            lambda tx: retention.forget_keys(tx, bucket, connection_id, before=before, limit=_BATCH), single=True
        )

    async def forget_people(self, bucket: int) -> int:
        """Forget the keyed hashes of people whom no binding, no waiting text and no opt-out needs any more; and who took
        turns."""

        async def work(tx: Transaction) -> int:
            gone = await endings.forget_people(tx, bucket, limit=_SMALL_BATCH)
            return gone + await people.forget_turns(tx, bucket, before=tx.now - TURNS_FOR, limit=_BATCH)

        return await self.database.run(work)

    async def report(self, account: Account | None = None) -> Report:
        """What is held of every data class that lies in buckets, of one account or of all."""
        directory = await self.configuration.refreshed()
        account_id = account.id if account else None
        buckets = directory.buckets_of(account.id) if account else directory.buckets
        sums = {data_class: Holding(data_class) for data_class in DataClass}
        for holding in _configured(directory, account):
            sums[holding.data_class] = holding
        timed = sorted(self._timed(directory))
        for bucket in sorted(buckets):
            async with self.database.transaction() as tx:
                for found in await holdings.held_in(tx, bucket, account_id, timed_connections=timed):
                    sums[found.data_class] = sums[found.data_class].plus(found)
        return Report(await self.database.now(), tuple(h for c, h in sums.items() if c is not DataClass.OPERATION))

    def _timed(self, directory: Directory) -> frozenset[UUID]:
        """The connections whose provider signs when it said something."""
        signed = {name for name, adapter in self.adapters.items() if adapter.capabilities.signs_time}
        return frozenset(c.id for c in directory.connections.values() if c.provider in signed)


def _configured(directory: Directory, account: Account | None) -> list[Holding]:
    """What lies in the tables that every process knows by heart."""

    def mine(rows: Iterable[Pool | Number | Connection | Endpoint]) -> list[datetime]:
        return [row.created_at for row in rows if account is None or row.account_id == account.id]

    accounts = [a.created_at for a in directory.accounts.values() if account is None or a.id == account.id]
    configured = accounts + mine(directory.pools.values()) + mine(directory.numbers.values())
    connections = mine(directory.connections.values()) + mine(directory.endpoints.values())
    return [
        Holding(DataClass.CONFIGURATION, len(configured), min(configured, default=None)),
        Holding(DataClass.CREDENTIALS, len(connections), min(connections, default=None)),
    ]
