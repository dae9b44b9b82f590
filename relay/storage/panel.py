"""What lies in the tables, for the sandbox's panel and its tour: one session's rows, and a copy of every table.

Read only, and never on the way of a text. Of a sealed or hashed value the first bytes are read, which show that it is one
and tell nothing. Nothing here opens a seal.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from relay.core.ids import bucket_of
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("panel")
_MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session, without its metadata."""

    id: UUID
    account_id: UUID
    status: str
    created_at: datetime
    expires_at: datetime
    last_message_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None


@dataclass(frozen=True, slots=True)
class ParticipantRow:
    """A participant. ``phone_*`` are None once the phone is gone; ``held_until`` is None while the session is open."""

    id: UUID
    slot: int
    label: str
    status: str
    number: str | None
    opted_out: bool
    index_start: bytes | None
    phone_start: bytes | None
    phone_bytes: int | None
    epoch_id: int | None
    held: bool
    held_until: datetime | None


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message's metadata. ``last_outcome`` is its latest attempt's, None before there is one."""

    id: UUID
    kind: str
    from_participant: UUID | None
    to_participant: UUID | None
    state: str
    reason: str | None
    segments: int
    received_at: datetime
    last_outcome: str | None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """Something that waits to leave: the start and the length of what is sealed."""

    message_id: UUID
    kind: str
    phase: str
    phone_start: bytes
    phone_bytes: int
    text_start: bytes
    text_bytes: int
    transit_id: int
    due_at: datetime


@dataclass(frozen=True, slots=True)
class EventRow:
    """One change of state."""

    id: UUID
    type: str
    participant_id: UUID | None
    message_id: UUID | None
    reason: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept about one session; messages and events newest first, at most 200 of each."""

    session: SessionRow
    participants: Sequence[ParticipantRow]
    messages: Sequence[MessageRow]
    outbox: Sequence[OutboxRow]
    events: Sequence[EventRow]


async def kept(tx: Transaction, session_id: UUID) -> Kept | None:
    """What the tables hold about a session, and about its account's people since it began where no session is named."""
    bucket = bucket_of(session_id)
    row = await tx.fetchrow(_SQL["session"], bucket, session_id)
    if row is None:
        return None
    session = SessionRow(**row)
    where = (bucket, session_id, session.account_id, session.created_at)
    return Kept(
        session,
        [ParticipantRow(**r) for r in await tx.fetch(_SQL["participants"], bucket, session_id)],
        [MessageRow(**r) for r in await tx.fetch(_SQL["messages"], *where, _MOST_ROWS)],
        [OutboxRow(**r) for r in await tx.fetch(_SQL["outbox"], *where)],
        [EventRow(**r) for r in await tx.fetch(_SQL["events"], *where, _MOST_ROWS)],
    )


async def copies(dsn: str) -> Mapping[str, bytes]:
    """Every table's rows in PostgreSQL's text form for COPY, a line each, by table. For small databases."""
    connection = await asyncpg.connect(dsn)
    try:
        names = [row["relname"] for row in await connection.fetch(_SQL["tables"])]
        return {name: await _copy(connection, name) for name in names}
    finally:
        await connection.close()


async def _copy(connection: asyncpg.Connection[asyncpg.Record], table: str) -> bytes:
    with closing(io.BytesIO()) as file:
        await connection.copy_from_table(table, schema_name="public", output=file)
        return file.getvalue()
