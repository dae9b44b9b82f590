"""A daily cap: how much room there is, and when it is there again."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from uuid import UUID

import pytest

from relay.core.caps import Allowance, Counted, day_of, next_day, room
from relay.core.errors import Conflict

ONE, OTHER = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cap", "here", "elsewhere", "left"),
    [
        (10, 0, 0, 10),
        (10, 9, 0, 1),
        (10, 4, 5, 1),
        (10, 4, 6, 0),
        (10, 10, 0, 0),
        (10, 9, 9, 0),  # pools let out at once what neither knew of the other
        (0, 0, 0, 0),
        (3, 0, 7, 0),  # lowered during the day
    ],
)
def test_what_is_left_is_what_nobody_has_taken(cap: int, here: int, elsewhere: int, left: int) -> None:
    assert room(cap, Counted(here, elsewhere)) == left


def test_an_account_takes_its_own_and_no_more_when_it_has_a_cap() -> None:
    allowance = Allowance({ONE: 2})
    taken = [allowance.take(account) for account in (ONE, OTHER, ONE, ONE, OTHER)]

    assert taken == [True, True, True, False, True]
    assert allowance.taken == {ONE: 2}


def test_the_caller_is_told_until_when_when_nothing_is_left() -> None:
    with pytest.raises(Conflict) as caught:
        Allowance({ONE: 0}).take_or_refuse(ONE, NOON)

    assert (caught.value.code, caught.value.retry_after) == ("daily_cap_reached", 12 * 3600 + 1)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (NOON, date(2026, 11, 21)),
        (NOON.replace(hour=0), date(2026, 11, 21)),
        (NOON.replace(hour=0) - timedelta(microseconds=1), date(2026, 11, 20)),
        (NOON.replace(hour=23, tzinfo=timezone(timedelta(hours=-5))), date(2026, 11, 22)),
    ],
)
def test_days_are_those_of_utc(now: datetime, day: date) -> None:
    assert day_of(now) == day
    assert next_day(now) == datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
