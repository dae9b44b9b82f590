"""Forgetting what is due, a small batch of one bucket at a time; and holds, which forbid it.

Every batch looks first, without a lock; where there is something it locks the bucket's row of ``forgetting`` and deletes what
still qualifies. A hold locks the same row before it is placed, so what is there when it is confirmed stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from relay.core.ids import bucket_of, first_id_at
from relay.core.model import HoldReason
from relay.core.periods import ENDED, EVENTS_FOR, MESSAGES_FOR
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("retention")
_NEXT = timedelta(milliseconds=1)  # an id tells its time to the millisecond; the row's own time decides


async def forget_messages(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget messages that arrived long ago and have ended, with their attempts; says how many."""
    before = tx.now - MESSAGES_FOR
    args = (bucket, first_id_at(bucket, before + _NEXT), before, list(ENDED), limit)
    found = [row["id"] for row in await tx.fetch(_SQL["old_messages"], *args)]
    if not found:
        return 0
    await tx.execute(_SQL["lock"], bucket)
    return len(await tx.fetch(_SQL["forget_messages"], bucket, found))


async def old_events(tx: Transaction, bucket: int, *, limit: int) -> list[UUID]:
    """Events that happened long ago."""
    before = tx.now - EVENTS_FOR
    args = (bucket, first_id_at(bucket, before + _NEXT), before, limit)
    return [row["id"] for row in await tx.fetch(_SQL["old_events"], *args)]


async def forget_events(tx: Transaction, bucket: int, event_ids: Sequence[UUID]) -> int:
    """Forget those of these events that are sealed and not held; says how many."""
    await tx.execute(_SQL["lock"], bucket)
    return len(await tx.fetch(_SQL["forget_events"], bucket, event_ids))


async def forget_sessions(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget sessions that closed long ago, with their participants, once their messages and bindings are gone; says how
    many."""
    found = [row["id"] for row in await tx.fetch(_SQL["old_sessions"], bucket, tx.now - MESSAGES_FOR, limit)]
    if not found:
        return 0
    await tx.execute(_SQL["lock"], bucket)
    await tx.execute(_SQL["lock_sessions"], bucket, found)
    return len(await tx.fetch(_SQL["forget_sessions"], bucket, found))


async def take_turns(tx: Transaction, bucket: int) -> None:
    """Let nobody forget, hold or erase anything in a bucket until the transaction ends."""
    await tx.execute(_SQL["lock"], bucket)


async def connections_with_keys(tx: Transaction, bucket: int) -> list[UUID]:
    """The connections, gone ones too, of which inbox keys are kept in a bucket."""
    return [row["connection_id"] for row in await tx.fetch(_SQL["connections_with_keys"], bucket)]


async def forget_keys(tx: Transaction, bucket: int, connection_id: UUID, *, before: datetime, limit: int) -> int:
    """Forget inbox keys of a connection that came before a time; says how many."""
    return len(await tx.fetch(_SQL["forget_keys"], bucket, connection_id, before, limit))


async def passed(tx: Transaction, bucket: int) -> None:
    """Note that nothing is left to forget in a bucket."""
    await tx.execute(_SQL["pass"], bucket, tx.now)


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that stands. ``id`` is that of the request; ``placed_by`` that of the API key."""

    id: UUID
    session_id: UUID
    reason: HoldReason
    placed_at: datetime
    placed_by: UUID


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold to be placed."""

    id: UUID
    account_id: UUID
    session_id: UUID
    reason: HoldReason
    placed_by: UUID


async def place_hold(tx: Transaction, new: NewHold) -> bool:
    """Place a hold; says whether it is new. Not when the account has no such session, when it is erased, nor when a
    hold stands already."""
    bucket = bucket_of(new.session_id)
    await tx.execute(_SQL["lock"], bucket)
    args = (bucket, new.session_id, new.id, new.account_id, new.reason, tx.now, new.placed_by, tx.new_id(bucket))
    return await tx.fetchval(_SQL["place_hold"], *args) is not None


async def standing_hold(tx: Transaction, account_id: UUID, session_id: UUID) -> Hold | None:
    row = await tx.fetchrow(_SQL["standing_hold"], bucket_of(session_id), account_id, session_id)
    return Hold(**{**dict(row), "reason": HoldReason(row["reason"])}) if row else None


async def lift_hold(tx: Transaction, account_id: UUID, session_id: UUID) -> bool:
    """Lift a hold; says whether one stood."""
    bucket = bucket_of(session_id)
    args = (bucket, account_id, session_id, tx.now, tx.new_id(bucket))
    return await tx.fetchval(_SQL["lift_hold"], *args) is not None
