"""What a restored database has missed."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from relay.core.journal import Entry, Known, Missed, missed
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
    assert missed(Entry(UUID(int=1), told, datetime(2026, 3, 1, tzinfo=UTC)), known) is expected
