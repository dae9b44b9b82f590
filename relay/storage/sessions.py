"""Sessions, their participants and bindings: opening, changing and reading them. How they end: ``endings``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from relay.core.assignment import Held
from relay.core.errors import Conflict
from relay.core.lifetime import Lifetime
from relay.core.model import GeoFallback, GeoMatch
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("sessions")


@dataclass(frozen=True, slots=True)
class NewParticipant:
    """One of the two people of a new session, with the number chosen and the phone sealed."""

    id: UUID
    slot: int
    label: str
    party_index: bytes
    number_id: UUID
    sealed_phone: bytes = field(repr=False)
    epoch_id: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to be opened. Durations in seconds."""

    id: UUID
    account_id: UUID
    pool_id: UUID
    unique_name: str | None
    metadata: Mapping[str, str]
    expires_at: datetime
    idle_timeout: int | None
    cool_down: int
    pair_index: bytes
    participants: tuple[NewParticipant, ...]
    geo_match: GeoMatch = GeoMatch.COUNTRY
    geo_fallback: GeoFallback = GeoFallback.STRICT
    expiring_notice: int = 0
    expiring_at: datetime | None = None


async def meet(tx: Transaction, bucket: int, people: Sequence[tuple[bytes, int]]) -> dict[bytes, bool]:
    """Make sure that these people (party index, key id) have a row, lock it for share; says who has opted out.

    A row that was there and is forgotten before it could be locked is made again.
    """
    indexes = [index for index, _ in people]
    known: dict[bytes, bool] = {}
    while not known.keys() >= set(indexes):
        await tx.execute(_SQL["open_1_people"], bucket, indexes, [key_id for _, key_id in people])
        known = await opted_out(tx, bucket, indexes)
    return known


async def hold(tx: Transaction, bucket: int, party_index: bytes, key_id: int) -> None:
    """Make sure that this person has a row, and let nobody else act on them until the transaction ends."""
    while True:
        await tx.execute(_SQL["open_1_people"], bucket, [party_index], [key_id])
        if await tx.fetchval(_SQL["hold_person"], bucket, party_index) is not None:
            return


async def opted_out(tx: Transaction, bucket: int, party_indexes: Sequence[bytes]) -> dict[bytes, bool]:
    """Who of these people is known here, and who of them has opted out."""
    rows = await tx.fetch(_SQL["open_2_people"], bucket, list(party_indexes))
    return {row["party_index"]: row["opted_out"] for row in rows}


async def held(tx: Transaction, bucket: int, party_indexes: Sequence[bytes]) -> dict[bytes, list[Held]]:
    """What these people hold, open or cooling."""
    found: dict[bytes, list[Held]] = {index: [] for index in party_indexes}
    for row in await tx.fetch(_SQL["held"], bucket, tx.now, list(party_indexes)):
        found[row["party_index"]].append(Held(row["number_id"], row["pair_index"], row["until"]))
    return found


@contextmanager
def name_taken() -> Iterator[None]:
    """Whoever opens a session under a name that an open one of its pool has, is told so."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "session_unique_name":
            raise
        raise Conflict("an open session of this pool has this unique_name", code="unique_name_taken") from None


async def open_session(tx: Transaction, bucket: int, new: NewSession) -> set[tuple[UUID, bytes]] | None:
    """Write a session. Returns the bindings won as (number, party index), or None when this id exists already.

    Fewer bindings than participants mean a lost race: the caller rolls the whole transaction back. Raises Conflict
    ``unique_name_taken``.
    """
    people = sorted(new.participants, key=lambda p: (p.number_id, p.party_index))
    args: list[Any] = [bucket, tx.now, new.id, new.account_id, new.pool_id, new.unique_name, dict(new.metadata)]
    args += [new.expires_at, new.idle_timeout, new.cool_down, new.pair_index, tx.new_id(bucket)]
    args += [[p.id for p in people], [p.slot for p in people], [p.label for p in people]]
    args += [[p.party_index for p in people], [p.number_id for p in people]]
    args += [[p.sealed_phone for p in people], [p.epoch_id for p in people], new.geo_match, new.geo_fallback]
    args += [new.expiring_notice, new.expiring_at]
    with name_taken():
        rows = await tx.fetch(_SQL["open_3_write"], *args)
    if not rows:
        return None
    return {(row["number_id"], row["party_index"]) for row in rows if row["number_id"] is not None}


@dataclass(frozen=True, slots=True)
class StoredParticipant:
    """A participant as their session shows them."""

    id: UUID
    session_id: UUID
    slot: int
    label: str
    status: str
    number_id: UUID
    opted_out: bool


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as the API shows it, but for its participants."""

    id: UUID
    pool_id: UUID
    status: str
    unique_name: str | None
    metadata: Mapping[str, str]
    created_at: datetime
    expires_at: datetime
    idle_timeout: int | None
    cool_down: int
    expiring_notice: int
    last_message_at: datetime | None
    closed_at: datetime | None
    close_reason: str | None


async def read(tx: Transaction, bucket: int, account_id: UUID, session_ids: Sequence[UUID]) -> list[StoredSession]:
    """Those of these sessions that this account has."""
    rows = await tx.fetch(_SQL["read"], bucket, account_id, list(session_ids))
    return [StoredSession(**row) for row in rows]


async def participants(
    tx: Transaction, bucket: int, session_ids: Sequence[UUID]
) -> dict[UUID, list[StoredParticipant]]:
    found: dict[UUID, list[StoredParticipant]] = {session_id: [] for session_id in session_ids}
    for row in await tx.fetch(_SQL["participants"], bucket, list(session_ids)):
        found[row["session_id"]].append(StoredParticipant(**row))
    return found


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions to list. None = any."""

    status: str | None = None
    unique_name: str | None = None
    pool_id: UUID | None = None


async def listed(
    tx: Transaction, bucket: int, *, account_id: UUID, limit: int, before: UUID | None, wanted: SessionFilter
) -> list[StoredSession]:
    """The newest sessions of one bucket, before an id."""
    args = (bucket, account_id, limit, before, wanted.status, wanted.unique_name, wanted.pool_id)
    return [StoredSession(**row) for row in await tx.fetch(_SQL["list"], *args)]


@dataclass(frozen=True, slots=True)
class HeldSession:
    """A session locked for a change."""

    id: UUID
    status: str
    cool_down: int
    expires_at: datetime
    idle_timeout: int | None
    idle_at: datetime | None
    expiring_notice: int
    expiring_at: datetime | None
    last_leg_no: int


async def lock(tx: Transaction, bucket: int, account_id: UUID, session_id: UUID) -> HeldSession | None:
    row = await tx.fetchrow(_SQL["lock"], bucket, account_id, session_id)
    return HeldSession(**row) if row else None


async def change(
    tx: Transaction,
    bucket: int,
    session_id: UUID,
    *,
    lifetime: Lifetime,
    idle_timeout: int | None,
    metadata: object,
    notice: tuple[int, datetime | None],
) -> None:
    """Change a session that is locked and open. ``notice``: how long before its end that is told, and when."""
    args = (bucket, session_id, lifetime.expires_at, idle_timeout, lifetime.idle_at, metadata)
    await tx.execute(_SQL["change"], *args, *notice)


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a text from the platform is for."""

    id: UUID
    party_index: bytes
    number_id: UUID
    sealed_phone: bytes = field(repr=False)
    epoch_id: int
    opted_out: bool


async def recipient(tx: Transaction, bucket: int, session_id: UUID, participant_id: UUID) -> Recipient | None:
    """A live participant of a locked session; their person is locked for share."""
    row = await tx.fetchrow(_SQL["recipient"], bucket, session_id, participant_id)
    return Recipient(**row) if row else None
