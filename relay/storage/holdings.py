"""What is held of each data class in a bucket, and what of it is overdue: for the retention report. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.data_class import DataClass
from relay.core.retention import overdue_before
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("holdings")


@dataclass(frozen=True, slots=True)
class Holding:
    """Rows of one class: how many, since when the oldest is there, and how many are past their due time by more than an hour."""

    data_class: DataClass
    held: int = 0
    oldest: datetime | None = None
    overdue: int = 0

    def plus(self, other: Holding) -> Holding:
        """Both together."""
        times = [at for at in (self.oldest, other.oldest) if at is not None]
        held, overdue = self.held + other.held, self.overdue + other.overdue
        return Holding(self.data_class, held, min(times, default=None), overdue)


async def held_in(
    tx: Transaction, bucket: int, account_id: UUID | None, *, timed_connections: Sequence[UUID]
) -> list[Holding]:
    """What a bucket holds, of one account or of all. ``timed_connections``: those whose signatures carry a time."""
    found = []
    for name in (
        "phone",
        "text",
        "carrier_copy",
        "party_index",
        "person",
        "suppression",
        "inbox_key",
        "session",
        "message",
        "attempt",
        "event",
        "audit_entry",
        "audit_tree",
        "audit_export",
        "bulk_close",
        "hold",
        "privacy_request",
        "export",
        "automatic_answer",
        "idempotency_answer",
        "verification",
        "turn",
        "credentials",
    ):
        data_class = DataClass(name)
        more = [list(timed_connections)] if data_class is DataClass.INBOX_KEY else []
        row = await tx.fetchrow(_SQL[name], bucket, account_id, overdue_before(data_class, tx.now), *more)
        if row is not None:
            found.append(Holding(data_class, row["held"], row["oldest"], row["overdue"]))
    return found
