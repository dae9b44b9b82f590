"""How times are written and read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relay.core.times import read_time, written

TIMES = {
    datetime(2026, 11, 20, 8, 0, 0, 999_999, UTC): "2026-11-20T08:00:00Z",
    datetime(414, 10, 31, 6, 38, 42, 0, UTC): "0414-10-31T06:38:42Z",
    datetime(1, 1, 1, 0, 0, 0, 0, UTC): "0001-01-01T00:00:00Z",
}


@pytest.mark.parametrize(("at", "text"), TIMES.items(), ids=TIMES.values())
def test_a_time_has_four_digits_of_the_year_and_whole_seconds_when_it_is_written(at: datetime, text: str) -> None:
    assert written(at) == text
    assert read_time("since", text) == at.replace(microsecond=0)
