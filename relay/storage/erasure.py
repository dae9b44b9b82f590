"""Erasing a session: its own words in one statement, its messages a batch at a time, and what is not finished yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.periods import ENDED
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("erasure")


async def erase(tx: Transaction, session_id: UUID) -> None:
    """Erase what a session says of itself, and note that its messages are to go. It is locked and closed."""
    bucket = bucket_of(session_id)
    await tx.execute(_SQL["erase"], bucket, tx.now, session_id, tx.new_id(bucket))


async def erase_again(tx: Transaction, session_id: UUID) -> None:
    """Note that messages of a session that was erased before are to go, should there be new ones."""
    await tx.execute(_SQL["erase_again"], bucket_of(session_id), tx.now, session_id)


async def forget_messages(tx: Transaction, session_id: UUID, *, limit: int) -> int:
    """Forget messages of a session that have ended, with their attempts; says how many."""
    bucket, ended = bucket_of(session_id), list(ENDED)
    found = [row["id"] for row in await tx.fetch(_SQL["ended"], bucket, session_id, ended, limit)]
    return len(await tx.fetch(_SQL["forget"], bucket, ended, found)) if found else 0


async def finish(tx: Transaction, session_id: UUID) -> bool:
    """The erasure of a session is done when none of its messages is left; says whether it was done by this."""
    return await tx.fetchval(_SQL["finish"], bucket_of(session_id), session_id) is not None


async def unfinished(tx: Transaction, bucket: int, *, limit: int) -> list[tuple[UUID, UUID]]:
    """Sessions whose erasure has something left to do now: account, session."""
    return [
        (row["account_id"], row["session_id"]) for row in await tx.fetch(_SQL["unfinished"], bucket, list(ENDED), limit)
    ]


@dataclass(frozen=True, slots=True)
class Remains:
    """What is there of an erased session for now."""

    cooling_until: datetime | None
    has_messages: bool


async def remains(tx: Transaction, session_id: UUID) -> Remains:
    row = await tx.fetchrow(_SQL["remains"], bucket_of(session_id), session_id)
    return Remains(row["cooling_until"], row["has_messages"]) if row else Remains(None, has_messages=False)
