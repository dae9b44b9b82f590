"""Who sits in a session: somebody else in a person's place, and both again after it was closed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay.core.closing import Parting, Unsent
from relay.core.lifetime import Lifetime
from relay.core.model import GeoFallback, GeoMatch
from relay.storage import queries
from relay.storage.database import Row, Transaction
from relay.storage.endings import stopped_columns, unsent_from
from relay.storage.sessions import NewParticipant, name_taken

_SQL = queries.load("seats")


@dataclass(frozen=True, slots=True)
class SeatedSession:
    """A session, as whoever changes its people needs to know it."""

    id: UUID
    pool_id: UUID
    status: str
    close_reason: str | None
    lifetime: Lifetime
    idle_timeout: int | None
    geo_match: GeoMatch
    geo_fallback: GeoFallback
    expiring_notice: int  #: seconds before its end at which its owner is told; 0 = never


async def look(tx: Transaction, bucket: int, account_id: UUID, session_id: UUID) -> SeatedSession | None:
    """None = unknown or somebody else's."""
    return _session(await tx.fetchrow(_SQL["look"], bucket, account_id, session_id))


async def lock(tx: Transaction, bucket: int, account_id: UUID, session_id: UUID) -> SeatedSession | None:
    """The same, held until the transaction ends."""
    return _session(await tx.fetchrow(_SQL["lock"], bucket, account_id, session_id))


def _session(row: Row | None) -> SeatedSession | None:
    if row is None:
        return None
    return SeatedSession(
        id=row["id"],
        pool_id=row["pool_id"],
        status=row["status"],
        close_reason=row["close_reason"],
        lifetime=Lifetime(row["expires_at"], row["idle_at"]),
        idle_timeout=row["idle_timeout"],
        geo_match=GeoMatch(row["geo_match"]),
        geo_fallback=GeoFallback(row["geo_fallback"]),
        expiring_notice=row["expiring_notice"],
    )


@dataclass(frozen=True, slots=True)
class Sitter:
    """Somebody who is or was in a session. ``held_until``: None where this session holds no number for them any more; without
    end while they are live."""

    id: UUID
    slot: int
    status: str
    label: str
    party_index: bytes | None
    number_id: UUID
    sealed_phone: bytes | None = field(repr=False)
    epoch_id: int | None
    held_until: datetime | None


async def people(tx: Transaction, bucket: int, session_id: UUID) -> list[Sitter]:
    """Everybody who is or was in a session, by slot."""
    return [Sitter(**row) for row in await tx.fetch(_SQL["people"], bucket, session_id)]


async def unsent_to(tx: Transaction, bucket: int, session_id: UUID, participant_id: UUID) -> list[Unsent]:
    """All messages of a locked session to one of its people that have not ended; locked."""
    return unsent_from(await tx.fetch(_SQL["unsent_to"], bucket, session_id, participant_id))


@dataclass(frozen=True, slots=True)
class NewSitter:
    """Who comes in place of whom. ``pair_index``: of who comes with who stays."""

    instead_of: UUID
    participant: NewParticipant
    pair_index: bytes


async def replace(tx: Transaction, bucket: int, session_id: UUID, new: NewSitter, parting: Parting) -> bool:
    """Put somebody else in a person's place, in a session that is locked and open. False = somebody was given their number
    first: the caller rolls the whole transaction back."""
    who = new.participant
    rows: Sequence[Row] = await tx.fetch(
        _SQL["replace"],
        bucket,
        tx.now,
        session_id,
        new.instead_of,
        tx.new_id(bucket),
        who.id,
        who.label,
        who.party_index,
        who.number_id,
        who.sealed_phone,
        who.epoch_id,
        new.pair_index,
        *stopped_columns(tx, bucket, parting.stopped),
        list(parting.outbox_gone),
    )
    return bool(rows)


async def was_told(tx: Transaction, bucket: int, session_id: UUID, event_id: UUID) -> bool:
    """Whether this very change of a session was written before."""
    return bool(await tx.fetchval(_SQL["was_told"], bucket, session_id, event_id))


@dataclass(frozen=True, slots=True)
class SealedSeat:
    """A participant and their phone, sealed again."""

    participant_id: UUID
    sealed_phone: bytes = field(repr=False)
    epoch_id: int


async def reopen(
    tx: Transaction,
    bucket: int,
    session_id: UUID,
    event_id: UUID,
    people: Sequence[SealedSeat],
    life: Lifetime,
    idle_timeout: int | None,
    expiring_at: datetime | None,
) -> bool:
    """Open a locked session again; False, and nothing done, when its numbers are not held for it any more. Raises Conflict
    ``unique_name_taken``."""
    columns = [p.participant_id for p in people], [p.sealed_phone for p in people], [p.epoch_id for p in people]
    args = (bucket, tx.now, session_id, life.expires_at, idle_timeout, life.idle_at, event_id)
    with name_taken():
        return await tx.fetchval(_SQL["reopen"], *args, *columns, expiring_at) is not None
