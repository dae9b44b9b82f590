"""Proving a phone by a code: how often one may be sent, how often one may be tried, what a proof is for.

The danger is in numbers: a code has a million values, so that what keeps it safe is how few of them can be tried, and a
text costs its sender money and its receiver patience, so that what keeps it harmless is how few are sent. Times are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from relay.core.delivery import CODE_MAY_WAIT
from relay.core.errors import InvalidInput, Problem
from relay.core.model import Reason, VerificationPurpose, VerificationStatus

VALID_FOR = CODE_MAY_WAIT  # a code that has not left by its end is worth nothing
TOKEN_VALID_FOR = timedelta(minutes=15)
MOST_CHECKS = 5
MOST_SENDS = ((3, timedelta(minutes=10)), (5, timedelta(hours=24)))
KEPT_FOR = max(span for _, span in MOST_SENDS)  # what is forgotten is not counted any more


@dataclass(frozen=True, slots=True)
class Claim:
    """What a code, and the token that it gives, proves: that this person of this account is there, for this purpose."""

    account_id: UUID
    party_index: bytes
    purpose: VerificationPurpose


@dataclass(frozen=True, slots=True)
class Proof:
    """A token that one of our keys signed for this person: which verification it came from."""

    verification_id: UUID
    party_index: bytes


def wait_before_next(sent: Sequence[datetime], now: datetime) -> timedelta | None:
    """How long until this person may be sent another code; None = now. ``sent``: when they were, in the last 24 hours."""
    waits = []
    for most, span in MOST_SENDS:
        within = sorted(at for at in sent if at + span > now)
        if len(within) >= most:
            waits.append(within[-most] + span - now)
    return max(waits, default=None)


def verdict(*, is_right: bool, checks: int) -> VerificationStatus:
    """What a code that was compared makes of its verification; ``checks`` counts this one too."""
    if is_right:
        return VerificationStatus.APPROVED
    return VerificationStatus.FAILED if checks >= MOST_CHECKS else VerificationStatus.PENDING


def why_replaced(expires_at: datetime, now: datetime) -> Reason:
    """Why a pending verification ends when another code is sent."""
    return Reason.DEADLINE if expires_at <= now else Reason.DUPLICATE


def refuse_unproved(proofs: Mapping[str, Proof | None], good: Sequence[UUID], *, required: bool) -> None:
    """Hold the people of a session to what each of them proved. ``proofs``: by field, None = no token was given.

    Raises InvalidInput for every token that is missing where one is required, and for every one that is not ``good``.
    """
    wrong = []
    for field, proof in proofs.items():
        if proof is None and required:
            wrong.append(Problem(field, "missing", "this pool takes people who have proved their phone by a code"))
        elif proof is not None and proof.verification_id not in good:
            wrong.append(bad_token(field))
    if wrong:
        raise InvalidInput(*wrong, code=next((p.code for p in wrong if p.code != "missing"), None))


def bad_token(field: str) -> Problem:
    """Whatever is wrong with it: made up, used, too old, another person's, another pool's."""
    return Problem(field, "verification_token_invalid", "must be an unused token of this phone, at most 15 minutes old")
