"""Verifications: codes sent to prove a phone, how often they were checked, and the proofs that they gave."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.model import Reason, VerificationPurpose, VerificationStatus
from relay.core.verification import KEPT_FOR, MOST_CHECKS, TOKEN_VALID_FOR, Claim, Proof, why_replaced
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("verifications")


@dataclass(frozen=True, slots=True)
class NewVerification:
    """A code that is about to be sent, as its keyed hash."""

    id: UUID
    claim: Claim
    digest: bytes = field(repr=False)
    key_id: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredVerification:
    """A verification. ``last_check``: which check was counted last."""

    party_index: bytes
    purpose: VerificationPurpose
    status: VerificationStatus
    last_check: UUID | None
    expires_at: datetime


async def read(tx: Transaction, account_id: UUID, verification_id: UUID) -> StoredVerification | None:
    """None for unknown and for foreign ids alike."""
    row = await tx.fetchrow(_SQL["read"], bucket_of(verification_id), account_id, verification_id)
    if row is None:
        return None
    purpose, status = VerificationPurpose(row["purpose"]), VerificationStatus(row["status"])
    return StoredVerification(row["party_index"], purpose, status, row["last_check"], row["expires_at"])


async def sent_lately(tx: Transaction, bucket: int, account_id: UUID, indexes: Sequence[bytes]) -> list[datetime]:
    """When this person was sent codes in the last 24 hours; complete while the person is held."""
    rows = await tx.fetch(_SQL["sent_since"], bucket, account_id, list(indexes), tx.now - KEPT_FOR)
    return [row["created_at"] for row in rows]


async def start(tx: Transaction, bucket: int, new: NewVerification, indexes: Sequence[bytes]) -> None:
    """Store a verification whose person is held, known by any of these indexes; what was pending for the same claim ends."""
    claim = new.claim
    for row in await tx.fetch(_SQL["pending_of"], bucket, claim.account_id, list(indexes), claim.purpose):
        await fail(tx, bucket, [row["id"]], why_replaced(row["expires_at"], tx.now))
    args = (
        new.id,
        claim.account_id,
        claim.party_index,
        claim.purpose,
        new.digest,
        new.key_id,
        new.expires_at,
        tx.new_id(bucket),
    )
    await tx.execute(_SQL["start"], bucket, tx.now, *args)


@dataclass(frozen=True, slots=True)
class Counted:
    """A check that was counted and may be compared. ``checks``: how many there have been, with this one."""

    party_index: bytes
    purpose: VerificationPurpose
    digest: bytes = field(repr=False)
    key_id: int
    checks: int


async def count(tx: Transaction, account_id: UUID, verification_id: UUID, check_id: UUID) -> Counted | None:
    """Count a check; None when nothing may be compared. Other checks wait until this transaction ends."""
    place = (bucket_of(verification_id), tx.now, account_id, verification_id)
    row = await tx.fetchrow(_SQL["count"], *place, check_id, MOST_CHECKS)
    if row is None:
        return None
    purpose = VerificationPurpose(row["purpose"])
    return Counted(row["party_index"], purpose, row["digest"], row["key_id"], row["checks"])


async def approve(tx: Transaction, verification_id: UUID) -> None:
    """The code of a verification that this transaction holds was right."""
    bucket = bucket_of(verification_id)
    await tx.execute(_SQL["approve"], bucket, tx.now, verification_id, tx.new_id(bucket), tx.now + TOKEN_VALID_FOR)


async def fail(tx: Transaction, bucket: int, verification_ids: Sequence[UUID], reason: Reason) -> int:
    """End those of these that are pending; says how many."""
    wanted = sorted(verification_ids)
    rows = await tx.fetch(_SQL["fail"], bucket, tx.now, reason, wanted, tx.new_ids(bucket, len(wanted)))
    return len(rows)


async def good(
    tx: Transaction, bucket: int, account_id: UUID, purpose: VerificationPurpose, proofs: Collection[Proof]
) -> list[UUID]:
    """Which of these proofs would be taken now."""
    columns = [p.verification_id for p in proofs], [p.party_index for p in proofs]
    rows = await tx.fetch(_SQL["good"], bucket, tx.now, account_id, purpose, *columns)
    return [row["id"] for row in rows]


async def use(
    tx: Transaction,
    bucket: int,
    account_id: UUID,
    purpose: VerificationPurpose,
    proofs: Collection[Proof],
    *,
    used_by: UUID,
) -> list[UUID]:
    """Take these proofs for something; says which were good. Nobody takes one again."""
    columns = [p.verification_id for p in proofs], [p.party_index for p in proofs]
    rows = await tx.fetch(_SQL["use"], bucket, tx.now, account_id, purpose, used_by, *columns)
    return [row["id"] for row in rows]


async def overdue(tx: Transaction, bucket: int, *, limit: int) -> list[UUID]:
    """Those that no code can approve any more because time has passed."""
    return [row["id"] for row in await tx.fetch(_SQL["overdue"], bucket, tx.now, limit)]


async def forget(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget what is a day old; says how many."""
    return len(await tx.fetch(_SQL["forget"], bucket, tx.now - KEPT_FOR, limit))
