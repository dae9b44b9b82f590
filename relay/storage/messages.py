"""Messages: writing new ones with their outbox rows and events, reading their metadata, deciding about parked ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from relay.core.envelope import Envelope
from relay.core.ids import bucket_of
from relay.core.model import MessageKind, Reason, State
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("messages")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """The metadata of one SMS. ``state`` is ``queued`` with an outbox row, or ``refused`` with a reason. One with an
    ``attempt_id`` is written as ``sending``, if the lease that it would leave under is held."""

    id: UUID
    account_id: UUID
    kind: MessageKind
    state: State
    segments: int
    session_id: UUID | None = None
    sender_id: UUID | None = None
    recipient_id: UUID | None = None
    leg_no: int | None = None
    reason: Reason | None = None
    attempt_id: UUID | None = None

    def over_cap(self) -> Self:
        """The same, refused, for no more texts of the account may leave today."""
        return replace(self, state=State.REFUSED, reason=Reason.RATE_LIMITED, leg_no=None)


@dataclass(frozen=True, slots=True)
class NewOutboxRow:
    """What has to leave, sealed for its message's row."""

    message: NewMessage
    party_index: bytes
    number_id: UUID
    envelope: Envelope
    deadline_at: datetime


async def write(
    tx: Transaction,
    bucket: int,
    messages: Sequence[NewMessage],
    outbox: Sequence[NewOutboxRow] = (),
    legs: Mapping[UUID, int] | None = None,
    *,
    epoch: int | None = None,
) -> bool:
    """Write new messages, what of them has to leave, and an event each. ``legs``: last place given, by locked session.

    ``epoch``: of the lease for those that have an attempt; returns whether it was held, so that they may leave.
    """
    legs = legs or {}
    held = await tx.fetch(
        _SQL["write"],
        bucket,
        tx.now,
        *_message_columns(messages),
        tx.new_ids(bucket, len(messages)),
        *_outbox_columns(outbox),
        list(legs),
        list(legs.values()),
        epoch,
        [m.attempt_id for m in messages],
    )
    return bool(held)


def _message_columns(messages: Sequence[NewMessage]) -> list[list[object]]:
    return [
        [m.id for m in messages],
        [m.account_id for m in messages],
        [m.session_id for m in messages],
        [m.kind for m in messages],
        [m.sender_id for m in messages],
        [m.recipient_id for m in messages],
        [m.leg_no for m in messages],
        [m.state for m in messages],
        [m.reason for m in messages],
        [m.segments for m in messages],
    ]


def _outbox_columns(rows: Sequence[NewOutboxRow]) -> list[list[object]]:
    return [
        [r.message.id for r in rows],
        [r.message.account_id for r in rows],
        [r.message.session_id for r in rows],
        [r.message.recipient_id for r in rows],
        [r.message.leg_no for r in rows],
        [r.party_index for r in rows],
        [r.message.kind for r in rows],
        [r.number_id for r in rows],
        [r.message.segments for r in rows],
        [r.envelope.sealed_phone for r in rows],
        [r.envelope.sealed_text for r in rows],
        [r.envelope.transit_id for r in rows],
        [r.deadline_at for r in rows],
    ]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message's metadata. There is no text to be had."""

    id: UUID
    session_id: UUID | None
    kind: str
    from_participant: UUID | None
    to_participant: UUID | None
    state: str
    reason: str | None
    segments: int
    received_at: datetime
    send_at: datetime | None
    accepted_at: datetime | None
    delivered_at: datetime | None


async def read(tx: Transaction, account_id: UUID, message_id: UUID) -> StoredMessage | None:
    row = await tx.fetchrow(_SQL["read"], bucket_of(message_id), account_id, message_id)
    return StoredMessage(**row) if row else None


async def of_session(tx: Transaction, session_id: UUID, *, limit: int, before: UUID | None) -> list[StoredMessage]:
    """Newest first."""
    rows = await tx.fetch(_SQL["list"], bucket_of(session_id), session_id, limit, before)
    return [StoredMessage(**row) for row in rows]


async def lock_its_session(tx: Transaction, account_id: UUID, message_id: UUID) -> str | None:
    """Keep the message's session from closing; its status, or None where there is no such session."""
    bucket = bucket_of(message_id)
    session_id = await tx.fetchval(_SQL["session_of"], bucket, account_id, message_id)
    status: str | None = await tx.fetchval(_SQL["lock_session"], bucket, session_id)
    return status


async def retry(tx: Transaction, message_id: UUID, event_id: UUID, *, deadline: datetime) -> bool:
    """Queue a parked text again, or find that this very decision did so; False when it is not parked or its text is gone."""
    bucket = bucket_of(message_id)
    if await tx.fetchval(_SQL["is_decided"], bucket, message_id, event_id):
        return True
    return await tx.fetchval(_SQL["retry"], bucket, tx.now, message_id, event_id, deadline) is not None


async def discard(tx: Transaction, message_id: UUID, event_id: UUID, reason: Reason) -> bool:
    """Give a parked text up, or find that this very decision did so; False when it is not parked."""
    bucket = bucket_of(message_id)
    if await tx.fetchval(_SQL["is_decided"], bucket, message_id, event_id):
        return True
    return await tx.fetchval(_SQL["discard"], bucket, tx.now, message_id, event_id, reason) is not None
