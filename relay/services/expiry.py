"""What happens because time has passed: sessions end, bindings cool down, texts expire. Small batches, one bucket each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay import metrics
from relay.core.closing import closing
from relay.storage import endings, inbox, outbox, suppressions
from relay.storage.database import Database, Transaction

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Expiry:
    """Every step does a small batch and says how much it did; whoever calls comes back while there is more."""

    database: Database

    async def end_sessions(self, bucket: int) -> int:
        """Close sessions that have expired or fallen silent."""
        async with self.database.transaction() as tx:
            due = await endings.ended(tx, bucket, limit=_BATCH)
        closed = 0
        for session_id in due:
            closed += await self.database.run(partial(_end, bucket, session_id))
        return closed

    async def tell_expiring(self, bucket: int) -> int:
        """Tell of sessions that are about to end."""

        async def work(tx: Transaction) -> int:
            soon = await endings.expiring(tx, bucket, limit=_BATCH)
            return await endings.tell_expiring(tx, bucket, soon) if soon else 0

        return await self.database.run(work)

    async def free_numbers(self, bucket: int) -> int:
        """Give bindings back whose cool-down is over."""
        return await self.database.run(lambda tx: endings.free_cooled(tx, bucket, limit=_BATCH))

    async def expire_texts(self, bucket: int) -> int:
        """Give up queued and parked texts that are worth nothing to anybody any more."""

        async def work(tx: Transaction) -> int:
            overdue = await outbox.overdue(tx, bucket, limit=_BATCH)
            return await outbox.expire(tx, bucket, overdue) if overdue else 0

        return await self.database.run(work)

    async def expire_parked(self, bucket: int) -> int:
        """Give up what has stood parked for three days, also where only the metadata is left."""

        async def work(tx: Transaction) -> int:
            parked = await outbox.parked_too_long(tx, bucket, limit=_BATCH)
            return await outbox.expire(tx, bucket, parked) if parked else 0

        return await self.database.run(work)

    async def forget_answers(self, bucket: int) -> int:
        """Forget automatic answers that forbid nothing any more."""

        async def work(tx: Transaction) -> int:
            before = inbox.answered_before(tx.now)
            return await suppressions.forget_answers(tx, bucket, before=before, limit=_BATCH)

        return await self.database.run(work)


async def _end(bucket: int, session_id: UUID, tx: Transaction) -> bool:
    """Close one session, if it is still over now that it is locked."""
    alive = await endings.lock_ended(tx, bucket, session_id)
    reason = alive.ended(tx.now) if alive else None
    if reason is None:
        return False
    await endings.close(tx, bucket, session_id, closing(reason, await endings.unsent(tx, bucket, session_id)))
    metrics.sessions.labels(reason).inc()
    return True
