"""Closing many sessions: what was asked for, spread over buckets, done in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from relay.core.bulk_closing import Part, SessionsMeant
from relay.core.ids import bucket_of
from relay.core.periods import BULK_CLOSES_FOR
from relay.storage import queries
from relay.storage.database import Row, Transaction

_SQL = queries.load("bulk_close")


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. Sessions opened after ``asked_at`` are not meant."""

    id: UUID
    account_id: UUID
    asked_at: datetime
    meant: SessionsMeant
    buckets: Sequence[int]
    is_spread: bool


async def ask(tx: Transaction, asked_id: UUID, account_id: UUID, meant: SessionsMeant, buckets: Sequence[int]) -> None:
    """Write down what is asked for; what is there stays as it is."""
    await tx.execute(_SQL["ask"], bucket_of(asked_id), tx.now, asked_id, account_id, *_columns(meant), list(buckets))


async def asked(tx: Transaction, account_id: UUID, asked_id: UUID) -> Asked | None:
    """None for unknown and for foreign ids alike."""
    row = await tx.fetchrow(_SQL["asked"], bucket_of(asked_id), account_id, asked_id)
    return _asked(row) if row else None


async def unspread(tx: Transaction, bucket: int, *, limit: int) -> list[Asked]:
    """What not every one of its buckets knows of, as far as anybody has noted."""
    return [_asked(row) for row in await tx.fetch(_SQL["unspread"], bucket, limit)]


async def set_spread(tx: Transaction, asked_id: UUID) -> None:
    """Every bucket knows of it."""
    await tx.execute(_SQL["is_spread"], bucket_of(asked_id), asked_id)


async def count(tx: Transaction, bucket: int, account_id: UUID, meant: SessionsMeant, *, until: datetime) -> int:
    """How many of a bucket's sessions are meant that were opened until then."""
    found: int = await tx.fetchval(_SQL["count"], bucket, account_id, until, *_columns(meant))
    return found


async def take_up(tx: Transaction, bucket: int, wanted: Asked) -> None:
    """Let a bucket know of it, unless it does."""
    matched = await count(tx, bucket, wanted.account_id, wanted.meant, until=wanted.asked_at)
    what = (wanted.id, wanted.account_id, wanted.asked_at, *_columns(wanted.meant))
    await tx.execute(_SQL["take_up"], bucket, *what, matched)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A bucket's part of it, locked. ``after``: the last session looked at."""

    id: UUID
    account_id: UUID
    asked_at: datetime
    meant: SessionsMeant
    after: UUID


async def unfinished(tx: Transaction, bucket: int) -> UUID | None:
    """One that has something left to do in this bucket."""
    found: UUID | None = await tx.fetchval(_SQL["unfinished"], bucket)
    return found


async def lock_part(tx: Transaction, bucket: int, asked_id: UUID) -> Unfinished | None:
    """A bucket's part, for one batch; None when it is done."""
    row = await tx.fetchrow(_SQL["lock_part"], bucket, asked_id)
    return Unfinished(row["id"], row["account_id"], row["asked_at"], _meant(row), row["after"]) if row else None


async def candidates(tx: Transaction, bucket: int, part: Unfinished, *, limit: int) -> list[UUID]:
    """The next sessions that seem to be meant, oldest first."""
    args: tuple[Any, ...] = (part.account_id, part.asked_at, *_columns(part.meant), part.after, limit)
    return [row["id"] for row in await tx.fetch(_SQL["candidates"], bucket, *args)]


async def lock_sessions(tx: Transaction, bucket: int, part: Unfinished, session_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these sessions that are meant, under lock."""
    rows = await tx.fetch(_SQL["lock_sessions"], bucket, part.meant.idle_since, list(session_ids))
    return [row["id"] for row in rows]


async def advance(tx: Transaction, bucket: int, asked_id: UUID, *, after: UUID, closed: int) -> None:
    await tx.execute(_SQL["advance"], bucket, asked_id, after, closed)


async def finish(tx: Transaction, bucket: int, asked_id: UUID) -> None:
    await tx.execute(_SQL["finish"], bucket, asked_id, tx.now)


async def part(tx: Transaction, bucket: int, asked_id: UUID) -> Part | None:
    """How far it has come in a bucket; None when that does not know of it."""
    row = await tx.fetchrow(_SQL["part"], bucket, asked_id)
    return Part(**row) if row else None


async def forget(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget what is done and old; says how much."""
    before = tx.now - BULK_CLOSES_FOR
    gone = await tx.fetch(_SQL["forget"], bucket, before, limit)
    return len(gone) + len(await tx.fetch(_SQL["forget_parts"], bucket, before, limit))


def _columns(meant: SessionsMeant) -> tuple[UUID | None, str | None, datetime | None, datetime | None]:
    return meant.pool_id, meant.name_prefix, meant.created_before, meant.idle_since


def _meant(row: Row) -> SessionsMeant:
    return SessionsMeant(row["pool_id"], row["name_prefix"], row["created_before"], row["idle_since"])


def _asked(row: Row) -> Asked:
    return Asked(row["id"], row["account_id"], row["asked_at"], _meant(row), row["buckets"], row["is_spread"])
