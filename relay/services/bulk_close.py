"""Closing many sessions at once: asked for once, told to every bucket of the account's pools, done there a batch at a time.

Each step can be done again: what was asked for is a row with an id made beforehand, every bucket's part another, and a part notes
how far it has come in the transaction that closes the sessions. Whoever is killed leaves the rest to upkeep.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay import metrics
from relay.core.bulk_closing import Part, Progress, SessionsMeant, progress
from relay.core.closing import closing
from relay.core.errors import NotFound
from relay.core.ids import Seed
from relay.core.model import CloseReason
from relay.storage import bulk_close, endings
from relay.storage.bulk_close import Asked
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database, Transaction

_BATCH = 100  # sessions closed in one transaction; whoever writes in one of them waits so long
_OLD = 500


@dataclass(frozen=True, slots=True)
class BulkClose:
    database: Database
    configuration: Configuration

    async def ask(self, account: Account, meant: SessionsMeant, seed: Seed) -> UUID:
        """Have sessions closed that are open now; the same seed again asks for nothing more. Returns the id of what was asked.

        Raises InvalidInput when nothing is said of which.
        """
        meant.refuse_if_all()
        asked_id, buckets = seed.id_in(account.bucket), await self._buckets(account, meant)
        await self.database.run(lambda tx: bulk_close.ask(tx, asked_id, account.id, meant, buckets), single=True)
        await self._spread(await self._asked(account, asked_id))
        return asked_id

    async def count(self, account: Account, meant: SessionsMeant) -> int:
        """How many sessions would be closed now; writes nothing. Raises InvalidInput when nothing is said of which."""
        meant.refuse_if_all()
        found = 0
        for bucket in await self._buckets(account, meant):
            async with self.database.single() as tx:
                found += await bulk_close.count(tx, bucket, account.id, meant, until=tx.now)
        return found

    async def read(self, account: Account, asked_id: UUID) -> tuple[Asked, Progress]:
        """What was asked for, and how far it has come. Raises NotFound for unknown and for foreign ids alike."""
        asked = await self._asked(account, asked_id)
        parts: list[Part | None] = []
        for bucket in asked.buckets:
            async with self.database.single() as tx:
                parts.append(await bulk_close.part(tx, bucket, asked_id))
        return asked, progress(parts)

    async def work(self, bucket: int) -> int:
        """Close a batch of what is asked for in a bucket; says how many sessions were looked at, or parts finished."""
        async with self.database.single() as tx:
            asked_id = await bulk_close.unfinished(tx, bucket)
        return 0 if asked_id is None else await self.database.run(partial(_close_batch, bucket, asked_id))

    async def spread_left(self, bucket: int) -> int:
        """Tell buckets of what a crash kept from them; says of how much."""
        async with self.database.single() as tx:
            left = await bulk_close.unspread(tx, bucket, limit=_BATCH)
        for asked in left:
            await self._spread(asked)
        return len(left)

    async def forget(self, bucket: int) -> int:
        """Forget what is done and old; says how much."""
        return await self.database.run(lambda tx: bulk_close.forget(tx, bucket, limit=_OLD))

    async def _spread(self, asked: Asked) -> None:
        if asked.is_spread:
            return
        for bucket in asked.buckets:
            await self.database.run(partial(_take_up, bucket, asked))
        await self.database.run(lambda tx: bulk_close.set_spread(tx, asked.id), single=True)

    async def _asked(self, account: Account, asked_id: UUID) -> Asked:
        async with self.database.single() as tx:
            found = await bulk_close.asked(tx, account.id, asked_id)
        if found is None:
            raise NotFound
        return found

    async def _buckets(self, account: Account, meant: SessionsMeant) -> list[int]:
        pools = (await self.configuration.refreshed()).pools_of(account.id)
        return sorted({pool.bucket for pool in pools if meant.pool_id in (None, pool.id)})


async def _take_up(bucket: int, asked: Asked, tx: Transaction) -> None:
    await bulk_close.take_up(tx, bucket, asked)


async def _close_batch(bucket: int, asked_id: UUID, tx: Transaction) -> int:
    """One transaction: the next sessions that are meant, closed as if one by one, and how far that has come."""
    part = await bulk_close.lock_part(tx, bucket, asked_id)
    if part is None:
        return 0
    found = await bulk_close.candidates(tx, bucket, part, limit=_BATCH)
    if not found:
        await bulk_close.finish(tx, bucket, asked_id)
        return 1
    held = await bulk_close.lock_sessions(tx, bucket, part, found)
    if held:
        decided = closing(CloseReason.API, await endings.unsent_of(tx, bucket, held))
        await endings.close_all(tx, bucket, held, decided)
        metrics.sessions.labels("closed").inc(len(held))
    await bulk_close.advance(tx, bucket, asked_id, after=found[-1], closed=len(held))
    return len(found)
