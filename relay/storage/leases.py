"""Who owns which bucket. A lease is a row with an epoch; the guarded door checks it, nothing else needs to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("leases")


async def take(tx: Transaction, bucket: int, owner: UUID, lasting: timedelta) -> int | None:
    """Take a bucket that nobody holds. Returns the new epoch, or None when somebody does."""
    epoch: int | None = await tx.fetchval(_SQL["take"], bucket, owner, tx.now, tx.now + lasting)
    return epoch


async def renew(tx: Transaction, owner: UUID, lasting: timedelta) -> dict[int, int]:
    """Renew everything that is still this owner's: bucket -> epoch."""
    return {row["bucket"]: row["epoch"] for row in await tx.fetch(_SQL["renew"], owner, tx.now + lasting)}


async def release(tx: Transaction, owner: UUID) -> None:
    """Let others take over at once."""
    await tx.execute(_SQL["release"], owner, tx.now)


async def free(tx: Transaction, buckets: Iterable[int]) -> list[int]:
    """Which of these nobody holds."""
    return [row["bucket"] for row in await tx.fetch(_SQL["free"], tx.now, sorted(buckets))]
