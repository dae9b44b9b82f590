"""Which events are in their account's log, told by a mark beside them; and what of an event goes into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.entries import Fact, direction_of
from relay.core.model import MessageKind
from relay.storage import queries
from relay.storage.database import Row, Transaction

_SQL = queries.load("sealing")


async def looked_to(tx: Transaction, bucket: int, account_id: UUID) -> datetime | None:
    """How far an account's events of a bucket were looked through; None = never yet."""
    found: datetime | None = await tx.fetchval(_SQL["looked_to"], bucket, account_id)
    return found


async def go_on_from(tx: Transaction, bucket: int, account_id: UUID, at: datetime) -> None:
    """Note where the next look begins."""
    await tx.execute(_SQL["go_on_from"], bucket, account_id, at)


@dataclass(frozen=True, slots=True)
class Look:
    """One step through the events of a bucket. ``last``: where it ended; None = there is nothing further on. ``seen``: how many
    events there were, of whatever account; ``unsealed``: those of the account that are not in its log."""

    last: UUID | None
    seen: int
    unsealed: Sequence[UUID]


async def look(tx: Transaction, bucket: int, account_id: UUID, *, behind: UUID, limit: int) -> Look:
    """Look through the next events, in the order of their ids."""
    row = await tx.fetchrow(_SQL["look"], bucket, account_id, behind, limit)
    return Look(row["last"], row["seen"], row["unsealed"]) if row else Look(None, 0, [])


async def unsealed(tx: Transaction, bucket: int, event_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Those of these events that are not in their account's log, by account."""
    found: dict[UUID, list[UUID]] = {}
    for row in await tx.fetch(_SQL["unsealed"], bucket, event_ids):
        found.setdefault(row["account_id"], []).append(row["id"])
    return found


async def facts(tx: Transaction, bucket: int, event_ids: Sequence[UUID]) -> list[Fact]:
    """What is known of these events, in the order of their ids."""
    return [_fact(row) for row in await tx.fetch(_SQL["facts"], bucket, event_ids)]


def _fact(row: Row) -> Fact:
    kind = row["kind"] and MessageKind(row["kind"])
    return Fact(
        id=row["id"],
        account_id=row["account_id"],
        type=row["type"],
        at=row["at"],
        session_id=row["session_id"],
        participant_id=row["participant_id"],
        message_id=row["message_id"],
        number_id=row["number_id"],
        carried_by=row["carried_by"],
        verification_id=row["verification_id"],
        rule_id=row["rule_id"],
        reason=row["reason"],
        direction=direction_of(row["type"], kind, on_arrival=row["on_arrival"]) if kind else None,
        segments=row["segments"],
        session_erased=bool(row["erased"]),
    )


async def mark(tx: Transaction, bucket: int, found: Sequence[Fact]) -> None:
    """Note that these events are sealed, as they were found. One whose session was erased since is left for another look."""
    await tx.execute(_SQL["mark"], bucket, [fact.id for fact in found], [fact.session_erased for fact in found])
