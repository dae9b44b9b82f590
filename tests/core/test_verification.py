"""How often a code may be sent and tried, what a proof is for, whom an account may text: tables of cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from relay.core.delivery import deadline
from relay.core.destination import refuse_destination
from relay.core.errors import InvalidInput
from relay.core.model import MessageKind, Reason, VerificationStatus
from relay.core.phone import Phone
from relay.core.verification import (
    KEPT_FOR,
    MOST_CHECKS,
    MOST_SENDS,
    VALID_FOR,
    Proof,
    refuse_unproved,
    verdict,
    wait_before_next,
    why_replaced,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = 60  # minutes
DAY = 24 * HOUR


def ago(*minutes: float) -> list[datetime]:
    return [NOON - timedelta(minutes=m) for m in minutes]


def test_the_limits_are_the_promised_ones_when_nobody_changes_them() -> None:
    assert ((3, timedelta(minutes=10)), (5, timedelta(hours=24))) == MOST_SENDS
    assert (5, timedelta(minutes=5)) == (MOST_CHECKS, VALID_FOR)
    assert timedelta(hours=24) == KEPT_FOR


def test_a_code_is_worth_sending_exactly_while_it_is_valid() -> None:
    assert deadline(MessageKind.CODE, NOON) == NOON + VALID_FOR


SENDS = {
    "none before": ((), None),
    "two just now": ((0, 0), None),
    "three just now": ((0, 0, 0), 10),
    "three in ten minutes": ((9, 5, 1), 1),
    "the first of three leaves the window now": ((10, 5, 1), None),
    "four, of which two count": ((100, 50, 5, 1), None),
    "four in ten minutes: the last three count": ((9, 8, 5, 1), 2),
    "five today": ((DAY - 1, 300, 200, 100, 50), 1),
    "five, the first a day ago": ((DAY, 300, 200, 100, 50), None),
    "five today, three of them just now: the longer wait counts": ((300, 200, 2, 1, 0), DAY - 300),
    "six, of which five are today's": ((DAY + 1, 500, 400, 300, 200, 100), DAY - 500),
    "told in another order": ((1, 9, 5), 1),
}


@pytest.mark.parametrize(("sent", "minutes"), SENDS.values(), ids=SENDS.keys())
def test_another_code_waits_for_its_turn(sent: Sequence[float], minutes: float | None) -> None:
    expected = None if minutes is None else timedelta(minutes=minutes)

    assert wait_before_next(ago(*sent), NOON) == expected


@pytest.mark.parametrize(("sent", "minutes"), SENDS.values(), ids=SENDS.keys())
def test_a_code_is_sent_when_it_was_waited_for_as_told(sent: Sequence[float], minutes: float | None) -> None:
    assert wait_before_next(ago(*sent), NOON + timedelta(minutes=minutes or 0)) is None


P, A, F = VerificationStatus.PENDING, VerificationStatus.APPROVED, VerificationStatus.FAILED


@pytest.mark.parametrize(
    ("is_right", "checks", "expected"),
    [(True, 1, A), (True, 5, A), (False, 1, P), (False, 4, P), (False, 5, F), (False, 6, F)],
)
def test_a_verification_ends_with_the_right_code_or_the_fifth_wrong_one(
    is_right: bool, checks: int, expected: VerificationStatus
) -> None:
    assert verdict(is_right=is_right, checks=checks) is expected


@pytest.mark.parametrize(("minutes", "expected"), [(1, Reason.DUPLICATE), (0, Reason.DEADLINE), (-1, Reason.DEADLINE)])
def test_the_end_of_an_old_code_is_told_as_what_it_was(minutes: int, expected: Reason) -> None:
    assert why_replaced(NOON + timedelta(minutes=minutes), NOON) is expected


ONE, OTHER = Proof(UUID(int=1), b"1" * 16), Proof(UUID(int=2), b"2" * 16)
MISSING, INVALID = "missing", "verification_token_invalid"
PROOFS = {
    "none where none is needed": ((None, None), (), False, []),
    "none where they are": ((None, None), (), True, [("a", MISSING), ("b", MISSING)]),
    "one of two": ((ONE, None), (1,), True, [("b", MISSING)]),
    "both": ((ONE, OTHER), (1, 2), True, []),
    "one that is no good": ((ONE, OTHER), (1,), True, [("b", INVALID)]),
    "none that is any good": ((ONE, OTHER), (), True, [("a", INVALID), ("b", INVALID)]),
    "one that is no good where none is needed": ((ONE, None), (), False, [("a", INVALID)]),
    "one missing, one no good": ((None, OTHER), (), True, [("a", MISSING), ("b", INVALID)]),
}


@pytest.mark.parametrize(("proofs", "good", "required", "expected"), PROOFS.values(), ids=PROOFS.keys())
def test_people_are_held_to_what_they_proved(
    proofs: tuple[Proof | None, Proof | None], good: Sequence[int], required: bool, expected: list[tuple[str, str]]
) -> None:
    named = dict(zip("ab", proofs, strict=True))
    refusal = refused(lambda: refuse_unproved(named, [UUID(int=n) for n in good], required=required))
    found = [(problem.field, problem.code) for problem in refusal.problems] if refusal else []

    assert found == expected
    assert refusal is None or refusal.code == (INVALID if INVALID in dict(found).values() else "invalid_request")


def refused(work: Callable[[], None]) -> InvalidInput | None:
    """What was said against it, if anything was."""
    try:
        work()
    except InvalidInput as refusal:
        return refusal
    return None


US, SE = Phone.parse("+12025550177"), Phone.parse("+46701740677")


@pytest.mark.parametrize(
    ("phone", "own", "allowed", "code"),
    [
        (US, False, (), None),
        (US, False, ("US",), None),
        (SE, False, ("US",), "country_not_allowed"),
        (SE, False, ("US", "SE"), None),
        (US, True, ("US",), "own_number"),
        (SE, True, ("US",), "own_number"),
    ],
)
def test_a_destination_is_refused_by_its_reason(phone: Phone, own: bool, allowed: tuple[str, ...], code: str) -> None:
    refusal = refused(lambda: refuse_destination(phone, "phone", is_own_number=own, allowed=frozenset(allowed)))

    assert (refusal.code if refusal else None) == code
    assert phone.e164 not in str(refusal)
