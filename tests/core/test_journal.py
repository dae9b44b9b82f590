"""What a restored database has missed."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from relay.core.journal import Entry, Known, Missed, last_reason, missed
from relay.core.model import CloseReason

API, EXPIRED, ERASED = CloseReason.API, CloseReason.EXPIRED, CloseReason.ERASED


@pytest.mark.parametrize(
    ("told", "known", "expected"),
    [
        (API, Known(None), Missed.CLOSE),
        (EXPIRED, Known(None), Missed.CLOSE),
        (ERASED, Known(None), Missed.ERASE),
        (ERASED, Known(API), Missed.ERASE),
        (ERASED, Known(ERASED), None),
        (API, Known(API), None),
        (API, Known(EXPIRED), None),
        (API, Known(ERASED), None),
        (API, None, None),
        (ERASED, None, None),
    ],
)
def test_what_was_told_is_done_again_where_the_database_does_not_know_it(
    told: CloseReason, known: Known | None, expected: Missed | None
) -> None:
    assert missed([entry(told)], known) is expected


def entry(reason: CloseReason | None, seating: int = 0, people_since: int = 0) -> Entry:
    return Entry(UUID(int=1), reason, datetime(2026, 3, 1, tzinfo=UTC), seating, people_since)


REOPENED, REPLACED = entry(None, 1), entry(None, 1, 1)


@pytest.mark.parametrize(
    ("told", "known", "expected"),
    [
        ([entry(API), REOPENED], 0, None),
        ([REOPENED, entry(API)], 0, None),  # whoever told the end came late
        ([entry(API), REOPENED, entry(API, 1)], 0, Missed.CLOSE),
        ([entry(API), REOPENED, entry(API, 1)], 1, Missed.CLOSE),
        ([entry(API)], 1, None),  # known to be open since
        ([REOPENED], 0, None),
        ([REPLACED], 0, Missed.CLOSE),
        ([REPLACED], 1, None),
        ([REPLACED, entry(API, 1), entry(None, 2, 1)], 0, Missed.CLOSE),
        ([REPLACED, entry(API, 1), entry(None, 2, 1)], 1, None),
        ([entry(API, 1), entry(None, 2, 1)], 0, Missed.CLOSE),  # the replacement itself was never told
        ([REPLACED, entry(None, 2, 2)], 1, Missed.CLOSE),
        ([entry(API), REOPENED, entry(ERASED, 1)], 0, Missed.ERASE),
    ],
)
def test_an_open_session_goes_on_where_its_people_are_still_in_it(
    told: list[Entry], known: int, expected: Missed | None
) -> None:
    assert missed(told, Known(None, known)) is expected
    if expected is not Missed.ERASE:
        assert missed(told, Known(API, known)) is None


def test_a_session_ends_again_as_it_last_ended() -> None:
    assert last_reason([entry(EXPIRED), REOPENED]) is EXPIRED
    assert last_reason([REPLACED]) is API
