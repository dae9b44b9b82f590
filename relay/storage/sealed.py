"""What is sealed under which key: to seal it anew, and to show that nothing is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from relay.core.keys import KeyName, Purpose
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("sealed")


@dataclass(frozen=True, slots=True)
class SealedPhone:
    """A live participant's phone as it is stored."""

    participant_id: UUID
    account_id: UUID
    data: bytes = field(repr=False)
    key_id: int


async def sessions_under(tx: Transaction, bucket: int, key_id: int, *, limit: int) -> list[UUID]:
    """Open sessions with a phone under this key."""
    return [row["session_id"] for row in await tx.fetch(_SQL["sessions_under"], bucket, key_id, limit)]


async def lock_phones(tx: Transaction, bucket: int, key_id: int, *, sessions: int) -> list[SealedPhone] | None:
    """The phones under a key in so many open sessions, which are held until the transaction ends; None when there are none."""
    found = await sessions_under(tx, bucket, key_id, limit=sessions)
    if not found:
        return None
    await tx.fetch(_SQL["lock_sessions"], bucket, found)
    rows = await tx.fetch(_SQL["phones_under"], bucket, key_id, found)
    return [SealedPhone(r["id"], r["account_id"], r["sealed_phone"], r["epoch_id"]) for r in rows]


async def replace_phones(tx: Transaction, bucket: int, key_id: int, phones: Sequence[SealedPhone]) -> None:
    """Store phones that were under ``key_id`` as they are sealed now."""
    columns = [[p.participant_id for p in phones], [p.data for p in phones], [p.key_id for p in phones]]
    await tx.execute(_SQL["reseal"], bucket, key_id, *columns)


async def left(tx: Transaction, bucket: int, name: KeyName) -> int:
    """How many values in a bucket cannot be opened, or people and texts not recognised, without this key."""
    count: int = await tx.fetchval(_LEFT[name.purpose], bucket, name.id)
    return count


_LEFT = {
    Purpose.EPOCH: _SQL["phones_left"],
    Purpose.TRANSIT: _SQL["texts_left"],
    Purpose.REDACTION: _SQL["copies_left"],
    Purpose.INDEX: _SQL["people_left"],
    Purpose.FINGERPRINT: _SQL["imprints_left"],
}
