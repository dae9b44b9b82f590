"""Texts that nobody was there to get, as long as somebody is to be asked about them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from relay.core.envelope import Envelope
from relay.core.hooks import CALL_KEPT_FOR, CALLS_A_DAY, CALLS_AT_MOST_EVERY
from relay.core.ids import bucket_of
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("hook_calls")
_BATCH = 100
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Call:
    """A refused text that a hook is asked about; ``id`` is its message's. ``now``: when it was looked at."""

    id: UUID
    account_id: UUID
    number_id: UUID
    envelope: Envelope
    made_at: datetime
    now: datetime


async def claim(tx: Transaction, bucket: int, number_id: UUID, party_index: bytes) -> bool:
    """May somebody be asked about a text of this person to this number? Once a minute, and so many times in a day."""
    minute, day = tx.now - CALLS_AT_MOST_EVERY, tx.now - _DAY
    args = (bucket, tx.now, minute, day, number_id, party_index, CALLS_A_DAY)
    return await tx.fetchval(_SQL["claim"], *args) is not None


async def add(tx: Transaction, call_id: UUID, account_id: UUID, number_id: UUID, envelope: Envelope) -> None:
    sealed = (envelope.sealed_phone, envelope.sealed_text, envelope.transit_id)
    await tx.execute(_SQL["add"], bucket_of(call_id), call_id, account_id, number_id, *sealed, tx.now)


async def due(
    tx: Transaction, bucket: int, *, limit: int, without: Collection[UUID], asking: Collection[UUID]
) -> list[Call]:
    """Those that somebody is to be asked about, oldest first; none of the numbers ``without``, nor those that are being asked
    about."""
    rows = await tx.fetch(_SQL["due"], bucket, limit, list(without), list(asking))
    return [
        Call(
            r["id"],
            r["account_id"],
            r["number_id"],
            Envelope(r["sealed_phone"], r["sealed_text"], r["transit_id"]),
            r["made_at"],
            tx.now,
        )
        for r in rows
    ]


async def take(tx: Transaction, call_id: UUID) -> bool:
    """Forget one; False when somebody else did."""
    return await tx.fetchval(_SQL["take"], bucket_of(call_id), call_id) is not None


async def forget(tx: Transaction, bucket: int) -> int:
    """Forget those that nobody has asked about; says how many."""
    return len(await tx.fetch(_SQL["forget"], bucket, tx.now - CALL_KEPT_FOR, _BATCH))
