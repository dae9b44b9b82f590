"""Exports of an account's log: what was asked for, and the records that a pack is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.exporting import Period
from relay.core.ids import bucket_of
from relay.core.periods import EXPORTS_FOR
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("audit_exports")

#: The retention report as a JSON document.
Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class NewExport:
    """Entries ``first_n`` up to, not including, ``end_n``, under a signed head. ``asked_by`` None: somebody at the machine."""

    id: UUID
    account_id: UUID
    asked_by: UUID | None
    checkpoint: str
    first_n: int
    end_n: int
    period: Period
    retention: Document
    cosigned: str | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """An export that was asked for."""

    id: UUID
    account_id: UUID
    asked_at: datetime
    checkpoint: str
    first_n: int
    end_n: int
    since: datetime | None
    until: datetime | None
    retention: Document
    cosigned: str | None


async def run_within(
    tx: Transaction, bucket: int, account_id: UUID, size: int, period: Period
) -> tuple[int, int] | None:
    """The shortest run of entries that holds all that are dated within a period; None when none is."""
    row = await tx.fetchrow(_SQL["run_within"], bucket, account_id, size, period.since, period.until)
    return None if row is None or row["first_n"] is None else (row["first_n"], row["end_n"])


async def ask(tx: Transaction, new: NewExport) -> None:
    """Write an export down, with its event. One that is there stays as it is."""
    bucket, period = bucket_of(new.id), new.period
    what = (new.checkpoint, new.first_n, new.end_n, period.since, period.until, dict(new.retention))
    await tx.execute(
        _SQL["ask"], bucket, tx.now, new.id, new.account_id, new.asked_by, *what, tx.new_id(bucket), new.cosigned
    )


async def asked(tx: Transaction, account_id: UUID | None, export_id: UUID) -> Export | None:
    """None for unknown and for foreign ids alike, and when its time is over. No account = whoever was given its link."""
    row = await tx.fetchrow(_SQL["asked"], bucket_of(export_id), account_id, export_id, tx.now - EXPORTS_FOR)
    return Export(**row) if row else None


async def records(
    tx: Transaction, bucket: int, account_id: UUID, first: int, end: int
) -> dict[int, tuple[bytes, bytes]]:
    """Record and salt of the entries from ``first`` up to, not including, ``end`` that still have them, by index."""
    rows = await tx.fetch(_SQL["entries"], bucket, account_id, first, end)
    return {row["n"]: (row["record"], row["salt"]) for row in rows}


async def forget(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget exports whose time is over; says how many."""
    return len(await tx.fetch(_SQL["forget"], bucket, tx.now - EXPORTS_FOR, limit))
