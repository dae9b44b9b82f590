"""An account's log: the head of its tree, its tiles, and what its leaves stand for. Whoever appends holds the tree's row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay.core.periods import AUDIT_ENTRIES_FOR
from relay.core.tiles import Place
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("audit_log")


@dataclass(frozen=True, slots=True)
class Tree:
    """An account's log. ``reference_key`` makes its references to ids and leaves the database for nobody."""

    origin: str
    reference_key: bytes = field(repr=False)
    size: int


async def begin(tx: Transaction, bucket: int, account_id: UUID, *, origin: str, reference_key: bytes) -> None:
    """Begin an account's log, unless it has one."""
    await tx.execute(_SQL["begin_tree"], bucket, account_id, origin, reference_key)


async def lock(tx: Transaction, bucket: int, account_id: UUID) -> Tree | None:
    """The log, with nobody else appending until the transaction ends; None = it has not begun."""
    row = await tx.fetchrow(_SQL["lock_tree"], bucket, account_id)
    return Tree(**row) if row else None


async def entered(tx: Transaction, bucket: int, event_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these events are in the log."""
    return {row["event_id"] for row in await tx.fetch(_SQL["entered"], bucket, event_ids)}


@dataclass(frozen=True, slots=True)
class Told:
    """What an entry says, and what of it one can search for. ``at``: as coarse as the record tells it."""

    type: str
    reason: str | None
    at: datetime
    session_ref: str | None
    salt: bytes = field(repr=False)
    record: bytes


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry to be written. ``told`` None: it was erased before it was written."""

    n: int
    event_id: UUID
    ref: str
    told: Told | None


async def enter(tx: Transaction, bucket: int, account_id: UUID, entries: Sequence[NewEntry]) -> None:
    """Write entries. Each event has one at most."""
    told = [entry.told for entry in entries]
    await tx.execute(
        _SQL["enter"],
        bucket,
        account_id,
        tx.now,
        [entry.n for entry in entries],
        [entry.event_id for entry in entries],
        [entry.ref for entry in entries],
        [t and t.session_ref for t in told],
        [t and t.type for t in told],
        [t and t.reason for t in told],
        [t and t.at for t in told],
        [t and t.salt for t in told],
        [t and t.record for t in told],
    )


async def tiles(tx: Transaction, bucket: int, account_id: UUID, places: Collection[Place]) -> dict[Place, bytes]:
    """What is kept at these places."""
    levels, numbers = [place.level for place in places], [place.index for place in places]
    rows = await tx.fetch(_SQL["tiles"], bucket, account_id, levels, numbers)
    return {Place(row["level"], row["n"]): row["hashes"] for row in rows}


async def keep_tiles(tx: Transaction, bucket: int, account_id: UUID, changed: Mapping[Place, bytearray]) -> None:
    """Keep tiles that are new or have grown."""
    levels, numbers = [place.level for place in changed], [place.index for place in changed]
    await tx.execute(
        _SQL["keep_tiles"], bucket, account_id, levels, numbers, [bytes(tile) for tile in changed.values()]
    )


async def grow(tx: Transaction, bucket: int, account_id: UUID, *, old: int, new: int, checkpoint: str) -> bool:
    """Give the tree its new size and head; False = it has not the size any more that it had."""
    return await tx.fetchval(_SQL["grow"], bucket, account_id, tx.now, old, new, checkpoint) is not None


async def note_keys(tx: Transaction, bucket: int, account_id: UUID, size: int, keys: Mapping[int, str]) -> None:
    """Note which keys, by their number, have signed the head of this size; those that did before stay as they were noted."""
    await tx.execute(_SQL["note_keys"], bucket, account_id, tx.now, size, list(keys), list(keys.values()))


async def erase_entries(tx: Transaction, bucket: int, event_ids: Sequence[UUID]) -> None:
    """Erase what the entries of these events say."""
    await tx.execute(_SQL["erase_entries"], bucket, event_ids)


async def erase_session(tx: Transaction, bucket: int, account_id: UUID, session_ref: str, *, limit: int) -> int:
    """Erase what entries say of a session, but for its erasure; says how many."""
    return len(await tx.fetch(_SQL["erase_session"], bucket, account_id, session_ref, limit))


async def forget(tx: Transaction, bucket: int, account_id: UUID, *, limit: int) -> int:
    """Forget entries that were sealed long ago; says how many. Their leaves stay."""
    before = tx.now - AUDIT_ENTRIES_FOR
    old = [row["n"] for row in await tx.fetch(_SQL["old_entries"], bucket, account_id, before, limit)]
    return len(await tx.fetch(_SQL["forget_entries"], bucket, account_id, old)) if old else 0
