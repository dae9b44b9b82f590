"""How sessions end: closed with all that has not left, their numbers cooled down and given back, their people forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from relay.core.closing import Closing, Stopped, Unsent
from relay.core.lifetime import Lifetime
from relay.core.model import State
from relay.core.periods import STARTS_FOR
from relay.storage import queries
from relay.storage.database import Row, Transaction

_SQL = queries.load("endings")


def unsent_from(rows: Sequence[Row]) -> list[Unsent]:
    return [Unsent(row["id"], State(row["state"]), row["may_have_left"]) for row in rows]


async def unsent(tx: Transaction, bucket: int, session_id: UUID) -> list[Unsent]:
    """All messages of a locked session that have not ended; locked."""
    return await unsent_of(tx, bucket, [session_id])


async def unsent_of(tx: Transaction, bucket: int, session_ids: Sequence[UUID]) -> list[Unsent]:
    """The same of several."""
    return unsent_from(await tx.fetch(_SQL["unsent"], bucket, list(session_ids)))


def stopped_columns(tx: Transaction, bucket: int, stopped: Sequence[Stopped]) -> tuple[list[Any], ...]:
    """What the statements that stop texts take: ids, ids of events, states, reasons."""
    wanted = sorted(stopped, key=lambda one: one.id)
    ids = [one.id for one in wanted]
    return ids, tx.new_ids(bucket, len(ids)), [one.state for one in wanted], [one.reason for one in wanted]


async def close(tx: Transaction, bucket: int, session_id: UUID, closing: Closing) -> None:
    """Close a session that is locked and open."""
    await close_all(tx, bucket, [session_id], closing)


async def close_all(tx: Transaction, bucket: int, session_ids: Sequence[UUID], closing: Closing) -> None:
    """Close sessions that are locked and open, for one reason. ``closing`` is about the messages of all of them."""
    await tx.fetch(
        _SQL["close"],
        bucket,
        tx.now,
        list(session_ids),
        closing.reason,
        tx.new_ids(bucket, len(session_ids)),
        *stopped_columns(tx, bucket, closing.stopped),
        list(closing.outbox_gone),
    )


async def ended(tx: Transaction, bucket: int, *, limit: int) -> list[UUID]:
    """Open sessions whose time seems to be over."""
    return [row["id"] for row in await tx.fetch(_SQL["ended"], bucket, tx.now, limit)]


async def lock_ended(tx: Transaction, bucket: int, session_id: UUID) -> Lifetime | None:
    """The lifetime of an open session, under lock; None when it has been closed meanwhile."""
    row = await tx.fetchrow(_SQL["lock_ended"], bucket, session_id)
    return Lifetime(row["expires_at"], row["idle_at"]) if row else None


async def expiring(tx: Transaction, bucket: int, *, limit: int) -> list[UUID]:
    """Open sessions that are about to end, which is still to be told."""
    return [row["id"] for row in await tx.fetch(_SQL["expiring"], bucket, tx.now, limit)]


async def tell_expiring(tx: Transaction, bucket: int, session_ids: Sequence[UUID]) -> int:
    """Tell of each, once, that it is about to end; says of how many."""
    args = (list(session_ids), tx.new_ids(bucket, len(session_ids)))
    return len(await tx.fetch(_SQL["tell_expiring"], bucket, tx.now, *args))


async def free_cooled(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Give back bindings whose cool-down is over; says how many."""
    rows = await tx.fetch(_SQL["cooled"], bucket, tx.now, limit)
    if rows:
        rows.sort(key=lambda r: (r["number_id"], r["party_index"]))
        columns = [[row[name] for row in rows] for name in ("number_id", "party_index")]
        await tx.execute(_SQL["free"], bucket, tx.now, *columns)
    return len(rows)


async def forget_people(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget people whom nothing needs any more; says how many."""
    day_ago = tx.now - STARTS_FOR
    found = [row["party_index"] for row in await tx.fetch(_SQL["needless_people"], bucket, day_ago, limit)]
    if not found:
        return 0
    await tx.execute(_SQL["lock_people"], bucket, found)
    return len(await tx.fetch(_SQL["forget_people"], bucket, day_ago, found))
