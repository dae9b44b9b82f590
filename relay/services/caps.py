"""Lets the pools of an account with a daily cap know what has left the others. Each step is in one bucket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from uuid import UUID

from relay.core.caps import day_of
from relay.storage import caps
from relay.storage.configuration import Configuration, Directory
from relay.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Caps:
    """Done by whoever has the account's own bucket. What was missed is told the next time."""

    database: Database
    configuration: Configuration

    async def spread(self, bucket: int) -> int:
        """Tell every pool. Always says 0: nothing is left to do at once."""
        directory = await self.configuration.current()
        for account in directory.accounts_by_bucket.get(bucket, ()):
            if account.daily_cap is not None:
                await self._tell_pools(account.id, directory)
        return 0

    async def _tell_pools(self, account_id: UUID, directory: Directory) -> None:
        pools = {pool.bucket for pool in directory.pools_of(account_id)}
        counting = pools | directory.former_pools.get(account_id, frozenset())
        if len(counting) < 2:
            return
        day, counted = day_of(await self.database.now()), dict[int, int]()
        for bucket in sorted(counting):
            async with self.database.single() as tx:
                counted[bucket] = await caps.counted_here(tx, bucket, account_id, day)
        for bucket in sorted(pools) if any(counted.values()) else ():
            elsewhere = sum(counted.values()) - counted[bucket]
            await self.database.run(partial(_tell, bucket, account_id, day, elsewhere), single=True)


async def _tell(bucket: int, account_id: UUID, day: date, elsewhere: int, tx: Transaction) -> None:
    await caps.tell(tx, bucket, account_id, day, elsewhere)
