"""Who owns which bucket, and which processes there are. A lease is a row with an epoch; the guarded door checks it,
nothing else needs to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("leases")
_LONG_GONE = timedelta(hours=1)


async def take(tx: Transaction, bucket: int, owner: UUID, lasting: timedelta) -> int | None:
    """Take a bucket that nobody holds. Returns the new epoch, or None when somebody does."""
    epoch: int | None = await tx.fetchval(_SQL["take"], bucket, owner, tx.now, tx.now + lasting)
    return epoch


async def renew(tx: Transaction, owner: UUID, lasting: timedelta) -> dict[int, int]:
    """Renew everything that is still this owner's: bucket -> epoch."""
    return {row["bucket"]: row["epoch"] for row in await tx.fetch(_SQL["renew"], owner, tx.now + lasting)}


async def give_back(tx: Transaction, owner: UUID, buckets: Iterable[int]) -> None:
    """Let others take these over at once."""
    await tx.execute(_SQL["give_back"], owner, sorted(buckets))


async def release(tx: Transaction, owner: UUID) -> None:
    """Let others take everything over at once, and do not count on this process any more."""
    await tx.execute(_SQL["release"], owner)
    await tx.execute(_SQL["sign_out"], owner, tx.now - _LONG_GONE)


async def free(tx: Transaction, buckets: Iterable[int]) -> list[int]:
    """Which of these nobody holds."""
    return [row["bucket"] for row in await tx.fetch(_SQL["free"], tx.now, sorted(buckets))]


async def owners(tx: Transaction, me: UUID, lasting: timedelta) -> dict[UUID, int]:
    """Sign in, and see who else is alive: owner -> how many buckets it owns."""
    await tx.execute(_SQL["sign_in"], me, tx.now + lasting)
    return {row["owner"]: row["buckets"] for row in await tx.fetch(_SQL["owners"], tx.now)}
