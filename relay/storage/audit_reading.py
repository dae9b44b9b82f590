"""What an auditor reads of an account's log. Reads only, but for the note that somebody has read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from relay.core.tiles import Place
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("audit_reading")
_NOTED_EVERY = timedelta(hours=1)
_BEHIND_ALL = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Head:
    """A log's signed head, and the key of its references."""

    reference_key: bytes = field(repr=False)
    size: int
    checkpoint: str


async def head(tx: Transaction, bucket: int, account_id: UUID) -> Head | None:
    """None = nothing is sealed yet."""
    row = await tx.fetchrow(_SQL["tree"], bucket, account_id)
    return Head(**row) if row and row["checkpoint"] else None


async def tiles(tx: Transaction, bucket: int, account_id: UUID, places: Collection[Place]) -> dict[Place, bytes]:
    """What is kept at these places."""
    levels, numbers = [place.level for place in places], [place.index for place in places]
    rows = await tx.fetch(_SQL["tiles"], bucket, account_id, levels, numbers)
    return {Place(row["level"], row["n"]): row["hashes"] for row in rows}


async def index_of(tx: Transaction, bucket: int, account_id: UUID, ref: str) -> int | None:
    """Where the entry of this name stands."""
    found: int | None = await tx.fetchval(_SQL["entry_named"], bucket, account_id, ref)
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries. ``until`` is no more part of it. ``before``: of lower index."""

    session_ref: str | None = None
    type: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry. ``salt`` and ``record`` None: it is erased."""

    n: int
    entry_ref: str
    salt: bytes | None = field(repr=False)
    record: bytes | None


async def entries(tx: Transaction, bucket: int, account_id: UUID, wanted: Wanted, *, limit: int) -> list[Entry]:
    """Entries, newest first."""
    before = _BEHIND_ALL if wanted.before is None else wanted.before
    args = (bucket, account_id, before, wanted.type, wanted.reason, wanted.since, wanted.until, limit)
    if wanted.session_ref is None:
        rows = await tx.fetch(_SQL["entries"], *args)
    else:
        rows = await tx.fetch(_SQL["entries_of_session"], *args, wanted.session_ref)
    return [Entry(**row) for row in rows]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that has signed heads, from a size on. ``verifier``: as a note key is handed over."""

    key_id: int
    verifier: str
    first_size: int
    first_at: datetime


async def signing_keys(tx: Transaction, bucket: int, account_id: UUID) -> Sequence[SigningKey]:
    """Every key that has signed a log's heads, oldest first."""
    return [SigningKey(**row) for row in await tx.fetch(_SQL["signing_keys"], bucket, account_id)]


async def note_read(tx: Transaction, bucket: int, account_id: UUID, key_id: UUID) -> None:
    """Note that this API key has read the log: an event, at most one an hour."""
    args = (bucket, account_id, key_id, tx.now, tx.now - _NOTED_EVERY, tx.new_id(bucket))
    await tx.execute(_SQL["note_read"], *args)
