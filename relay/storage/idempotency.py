"""Answers to POST requests that carried an Idempotency-Key."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from relay.core.ids import Seed
from relay.core.periods import REQUESTS_FOR
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("idempotency")


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What recognises a request: keyed hashes of the caller's key and of what was asked."""

    bucket: int
    account_id: UUID
    key: bytes
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """What stands under a key already. ``status`` is None while the first request is still being worked on."""

    fingerprint: bytes
    seed: Seed
    status: int | None
    sealed_answer: bytes | None = field(repr=False)
    transit_id: int | None


async def begin(tx: Transaction, request: RequestKey, entropy: bytes, lasting: timedelta) -> Seed | None:
    """The seed to work with, or None when the work is done, or somebody else's for less than ``lasting``."""
    row = await tx.fetchrow(
        _SQL["begin"],
        request.bucket,
        request.account_id,
        request.key,
        request.fingerprint,
        entropy,
        tx.now,
        tx.now + lasting,
    )
    return Seed(row["created_at"], row["entropy"]) if row else None


async def read(tx: Transaction, request: RequestKey) -> Known | None:
    row = await tx.fetchrow(_SQL["read"], request.bucket, request.account_id, request.key)
    if row is None:
        return None
    seed = Seed(row["created_at"], row["entropy"])
    return Known(row["fingerprint"], seed, row["status"], row["sealed_answer"], row["transit_id"])


async def finish(tx: Transaction, request: RequestKey, *, status: int, sealed_answer: bytes, transit_id: int) -> None:
    place = (request.bucket, request.account_id, request.key)
    await tx.execute(_SQL["finish"], *place, status, sealed_answer, transit_id)


async def let_go(tx: Transaction, request: RequestKey) -> None:
    await tx.execute(_SQL["let_go"], request.bucket, request.account_id, request.key, tx.now)


async def forget(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget answers that are a day old; says how many."""
    return len(await tx.fetch(_SQL["forget"], bucket, tx.now - REQUESTS_FOR, limit))
