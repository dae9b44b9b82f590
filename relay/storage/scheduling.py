"""Texts for later: written beside their leg, and put into it when their time has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.envelope import Envelope
from relay.storage import queries
from relay.storage.database import Transaction
from relay.storage.messages import NewOutboxRow

_SQL = queries.load("scheduling")


async def write(tx: Transaction, bucket: int, row: NewOutboxRow, *, send_at: datetime) -> None:
    """Write a text for later, with its event. Its session and its person are locked."""
    m, e = row.message, row.envelope
    args = (m.id, m.account_id, m.session_id, m.recipient_id, m.segments, send_at, tx.new_id(bucket), row.party_index)
    sealed = (e.sealed_phone, e.sealed_text, e.transit_id)
    await tx.execute(_SQL["write"], bucket, tx.now, *args, row.number_id, *sealed, row.deadline_at)


async def due(tx: Transaction, bucket: int, *, limit: int) -> dict[UUID, UUID]:
    """Texts whose time has come: message -> session."""
    return {row["message_id"]: row["session_id"] for row in await tx.fetch(_SQL["due"], bucket, tx.now, limit)}


async def lock_sessions(tx: Transaction, bucket: int, session_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Lock those that are open: session -> the last place given in its legs."""
    rows = await tx.fetch(_SQL["lock_sessions"], bucket, sorted(set(session_ids)))
    return {row["id"]: row["last_leg_no"] for row in rows}


@dataclass(frozen=True, slots=True)
class Ripe:
    """A text whose time has come, still beside its leg."""

    message_id: UUID
    account_id: UUID
    session_id: UUID
    envelope: Envelope


async def ripe(tx: Transaction, bucket: int, message_ids: Sequence[UUID], session_ids: Sequence[UUID]) -> list[Ripe]:
    """Those of these texts that still wait, in the order in which they shall leave. Their sessions are locked."""
    rows = await tx.fetch(_SQL["ripe"], bucket, list(message_ids), list(session_ids))
    return [
        Ripe(
            row["message_id"],
            row["account_id"],
            row["session_id"],
            Envelope(row["sealed_phone"], row["sealed_text"], row["transit_id"]),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Placed:
    """A text with its place in its leg."""

    message_id: UUID
    leg_no: int
    envelope: Envelope


async def release(tx: Transaction, bucket: int, placed: Sequence[Placed], legs: Mapping[UUID, int]) -> int:
    """Queue texts in their legs, but for those refused meanwhile; says how many. ``legs``: last place given, by session."""
    rows = await tx.fetch(
        _SQL["release"],
        bucket,
        [p.message_id for p in placed],
        [p.leg_no for p in placed],
        [p.envelope.sealed_phone for p in placed],
        [p.envelope.sealed_text for p in placed],
        [p.envelope.transit_id for p in placed],
        list(legs),
        list(legs.values()),
    )
    return len(rows)
