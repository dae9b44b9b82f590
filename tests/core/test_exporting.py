"""What may be asked for when the log is exported."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relay.core.errors import InvalidInput
from relay.core.exporting import Period, read_period

FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
EIGHT, NINE = datetime(2026, 11, 20, 8, tzinfo=UTC), datetime(2026, 11, 20, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "period"),
    [
        (None, None, Period()),
        ("2026-11-20T08:00:00Z", None, Period(EIGHT)),
        (None, "2026-11-20T10:00:00+01:00", Period(None, NINE)),
        ("2026-11-20T08:00:00Z", "2026-11-20T09:00Z", Period(EIGHT, NINE)),
        ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", Period(FIRST, LAST)),
    ],
)
def test_times_are_read_in_utc_when_they_have_a_zone(since: str | None, until: str | None, period: Period) -> None:
    found = read_period(since, until)

    assert found == period
    assert found.is_all is (since is None and until is None)


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [
        ("yesterday", None, "since"),
        ("2026-11-20", None, "since"),
        ("2026-11-20T08:00:00", None, "since"),
        ("2026-11-20T08:00:00.25Z", None, "since"),
        (None, "2026-11-20T08:00:00.000001Z", "until"),
        (None, "1969-12-31T23:59:59Z", "until"),
        (None, "0001-01-01T00:00:00+14:00", "until"),
        ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z", "until"),
        ("2026-11-20T09:00:00Z", "2026-11-20T08:00:00Z", "until"),
    ],
)
def test_a_time_is_refused_by_its_name_when_no_entry_could_be_dated_so(
    since: str | None, until: str | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_period(since, until)

    assert [problem.field for problem in refused.value.problems] == [field]
