"""What the auditor's page shows beside the entries themselves. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("audit_page")


@dataclass(frozen=True, slots=True)
class PageHead:
    """A log's signed head, when it was signed, and the key of the log's references."""

    origin: str
    reference_key: bytes = field(repr=False)
    size: int
    checkpoint: str
    signed_at: datetime


async def head(tx: Transaction, bucket: int, account_id: UUID) -> PageHead | None:
    """None = nothing is sealed yet."""
    row = await tx.fetchrow(_SQL["head"], bucket, account_id)
    return PageHead(**row) if row else None


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many entries of one type a day has, by UTC."""

    day: date
    event: str
    count: int


async def counts(tx: Transaction, bucket: int, account_id: UUID, since: datetime, until: datetime) -> list[DayCount]:
    """From one time to before the other."""
    return [DayCount(**row) for row in await tx.fetch(_SQL["counts"], bucket, account_id, since, until)]
