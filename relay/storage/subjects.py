"""One person: requests about them, everything that a bucket holds about them, and taking away what may go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.periods import EXPORTS_FOR, PRIVACY_REQUESTS_FOR
from relay.core.subject import Answered, Bound, Copied, Known, OperatorReason, Proved, RequestKind, Said, Seat, Wish
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("subjects")


@dataclass(frozen=True, slots=True)
class NewRequest:
    """Something that is asked about a person. ``parties``: who, while it is not done."""

    id: UUID
    account_id: UUID
    kind: RequestKind
    reason: OperatorReason | None
    asked_by: UUID | None
    parties: Sequence[bytes] | None = None


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """A request as it is shown. ``made_at``: since when its copy is there, if there is one."""

    id: UUID
    kind: RequestKind
    asked_at: datetime
    made_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewExport:
    """A copy to be kept; ``id`` is its request's."""

    id: UUID
    account_id: UUID
    party_index: bytes
    sealed_document: bytes = field(repr=False)
    transit_id: int


@dataclass(frozen=True, slots=True)
class Export:
    """A sealed copy of what there is about a person."""

    account_id: UUID
    sealed_document: bytes = field(repr=False)
    transit_id: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Unfinished:
    """An erasure that is not done yet."""

    id: UUID
    account_id: UUID
    parties: Sequence[bytes]


async def write_request(tx: Transaction, new: NewRequest) -> bool:
    """Write a request down; says whether it is new."""
    bucket = bucket_of(new.id)
    who = None if new.parties is None else list(new.parties)
    args = (new.id, new.account_id, new.kind, new.reason, new.asked_by, who, tx.new_id(bucket))
    return await tx.fetchval(_SQL["write_request"], bucket, tx.now, *args) is not None


async def keep_export(tx: Transaction, new: NewExport) -> None:
    """Keep the copy that a request is answered by."""
    args = (new.id, new.account_id, new.party_index, new.sealed_document, new.transit_id)
    await tx.execute(_SQL["keep_export"], bucket_of(new.id), tx.now, *args)


async def request(tx: Transaction, account_id: UUID, request_id: UUID) -> StoredRequest | None:
    """None for unknown and for foreign ids alike."""
    row = await tx.fetchrow(_SQL["request"], bucket_of(request_id), account_id, request_id, tx.now - EXPORTS_FOR)
    return StoredRequest(row["id"], RequestKind(row["kind"]), row["asked_at"], row["made_at"]) if row else None


async def export(tx: Transaction, request_id: UUID) -> Export | None:
    """The copy of a request, while it lasts."""
    row = await tx.fetchrow(_SQL["export"], bucket_of(request_id), request_id, tx.now - EXPORTS_FOR)
    return Export(**row) if row else None


async def unfinished(tx: Transaction, bucket: int, *, limit: int) -> list[Unfinished]:
    return [Unfinished(**row) for row in await tx.fetch(_SQL["unfinished"], bucket, limit)]


async def finish_request(tx: Transaction, request_id: UUID) -> None:
    """It is done, and who it was about is not kept any longer."""
    await tx.execute(_SQL["finish_request"], bucket_of(request_id), request_id)


async def forget(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget copies and requests whose time is over; says how many."""
    gone = len(await tx.fetch(_SQL["forget_exports"], bucket, tx.now - EXPORTS_FOR, limit))
    return gone + len(await tx.fetch(_SQL["forget_requests"], bucket, tx.now - PRIVACY_REQUESTS_FOR, limit))


async def sessions_of(tx: Transaction, bucket: int, indexes: Sequence[bytes]) -> list[Seat]:
    """The sessions that a person is or was in."""
    return [Seat(**row) for row in await tx.fetch(_SQL["sessions_of"], bucket, list(indexes))]


async def known(tx: Transaction, bucket: int, account_id: UUID, account_bucket: int, indexes: Sequence[bytes]) -> Known:
    """Everything that a bucket holds about a person; what is the account's lies in the account's own bucket."""
    who = list(indexes)
    seats = await sessions_of(tx, bucket, who)
    sessions, own = list({seat.id for seat in seats}), [seat.participant_id for seat in seats]
    said = await tx.fetch(_SQL["messages_of"], bucket, sessions, own) if seats else []
    wishes = await tx.fetch(_SQL["wishes_of"], bucket, who)
    copied = []
    if bucket == account_bucket:
        wishes = [*wishes, *await tx.fetch(_SQL["suppression_of"], bucket, account_id, who)]
        copied = [Copied(**row) for row in await tx.fetch(_SQL["exports_of"], bucket, account_id, who)]
    return Known(
        seats=seats,
        said=[Said(**row) for row in (*said, *await tx.fetch(_SQL["waiting_for"], bucket, who))],
        bound=[Bound(**row) for row in await tx.fetch(_SQL["numbers_of"], bucket, who)],
        wishes=[Wish(**row) for row in wishes],
        answered=[Answered(**row) for row in await tx.fetch(_SQL["answers_of"], bucket, who)],
        proved=[Proved(**row) for row in await tx.fetch(_SQL["verifications_of"], bucket, account_id, who)],
        copied=copied,
    )


async def erase_verifications(tx: Transaction, bucket: int, account_id: UUID, indexes: Sequence[bytes]) -> None:
    """Forget the codes that a person was sent, but for one that they may still say."""
    await tx.execute(_SQL["erase_verifications"], bucket, account_id, list(indexes))


async def erase_exports(tx: Transaction, account_bucket: int, account_id: UUID, indexes: Sequence[bytes]) -> None:
    """Forget the copies that were made for a person."""
    await tx.execute(_SQL["erase_exports"], account_bucket, account_id, list(indexes))
