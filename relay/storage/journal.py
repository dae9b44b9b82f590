"""What the journal beside the keyring is told, and what a restored database is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.journal import Entry, Known
from relay.core.model import CloseReason
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("journal")


async def untold(tx: Transaction, bucket: int, *, limit: int) -> list[Entry]:
    """Sessions that have ended, or changed their people, since the journal was last told."""
    rows = await tx.fetch(_SQL["untold"], bucket, tx.now, limit)
    return [
        Entry(row["id"], _reason(row["close_reason"]), row["at"], row["seating"], row["people_since"]) for row in rows
    ]


def _reason(word: str | None) -> CloseReason | None:
    return CloseReason(word) if word else None


async def told(tx: Transaction, bucket: int, entries: Sequence[Entry], journal_id: UUID, position: int) -> None:
    """The journal has been told of these, and ends at this position."""
    columns = [e.session_id for e in entries], [e.reason for e in entries], [e.seating for e in entries]
    await tx.execute(_SQL["told"], bucket, *columns)
    await advance(tx, journal_id, position)


async def advance(tx: Transaction, journal_id: UUID, position: int) -> None:
    """This database knows the journal up to here."""
    await tx.execute(_SQL["advance"], journal_id, position)


async def position(tx: Transaction, journal_id: UUID) -> int:
    """Up to which entry this database knows a journal; 0 = it has never heard of it."""
    return await tx.fetchval(_SQL["position"], journal_id) or 0


@dataclass(frozen=True, slots=True)
class Owned:
    """A session as an entry finds it, and whose it is."""

    account_id: UUID
    known: Known


async def state(tx: Transaction, session_id: UUID) -> Owned | None:
    row = await tx.fetchrow(_SQL["state"], bucket_of(session_id), session_id)
    if row is None:
        return None
    return Owned(row["account_id"], Known(_reason(row["close_reason"]), row["seating"]))
