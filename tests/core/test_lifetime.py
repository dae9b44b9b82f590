"""Lifetime: when a session is over and why, and which ends may be asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import InvalidInput
from relay.core.lifetime import DEFAULT_LIFE, LONGEST_LIFE, Lifetime, expiry, told_at
from relay.core.model import CloseReason

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HALF_YEAR_S = 15_552_000

near = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone is given beside


def at(offset_s: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=offset_s)


ENDS = {
    "lives": (100, None, 0, None),
    "lives, talking": (100, 50, 0, None),
    "last moment": (1, None, 0.999999, None),
    "expires on the second": (1, None, 1, CloseReason.EXPIRED),
    "expired long ago": (1, None, 1000, CloseReason.EXPIRED),
    "idle on the second": (100, 50, 50, CloseReason.IDLE),
    "not yet idle": (100, 50, 49.999999, None),
    "both at once": (50, 50, 50, CloseReason.EXPIRED),
    "idle first, expired by now": (100, 50, 100, CloseReason.EXPIRED),
    "idle would come after the end": (50, 100, 60, CloseReason.EXPIRED),
}


@pytest.mark.parametrize(("expires_s", "idle_s", "now_s", "why"), ENDS.values(), ids=ENDS.keys())
def test_a_session_is_over_when_its_first_end_has_come(
    expires_s: float, idle_s: float | None, now_s: float, why: CloseReason | None
) -> None:
    lifetime = Lifetime(at(expires_s), at(idle_s) if idle_s is not None else None)

    assert lifetime.ended(at(now_s)) is why


@settings(deadline=None)
@given(near, st.none() | near, near, st.timedeltas(timedelta(0), timedelta(days=400)))
def test_a_session_stays_over_when_time_goes_on(
    expires: datetime, idle: datetime | None, now: datetime, later: timedelta
) -> None:
    lifetime = Lifetime(expires, idle)

    assert not lifetime.ended(now) or lifetime.ended(now + later)
    assert bool(lifetime.ended(now)) is (now >= min(expires, idle or expires))


ASKED = {
    "nothing": (None, None, at(DEFAULT_LIFE.total_seconds())),
    "a second": (1, None, at(1)),
    "an hour": (3600, None, at(3600)),
    "half a year": (HALF_YEAR_S, None, at(HALF_YEAR_S)),
    "a time": (None, at(77), at(77)),
    "the last time": (None, at(HALF_YEAR_S), at(HALF_YEAR_S)),
    "a time told elsewhere": (None, datetime.fromisoformat("2026-11-21T14:00:00+01:00"), at(3600)),
}


@pytest.mark.parametrize(("expires_in", "expires_at", "end"), ASKED.values(), ids=ASKED.keys())
def test_a_session_ends_as_asked_when_that_is_possible(
    expires_in: int | None, expires_at: datetime | None, end: datetime
) -> None:
    assert expiry(NOON, expires_in=expires_in, expires_at=expires_at, default=DEFAULT_LIFE) == end


REFUSED = {
    "both ways": (60, at(60), "expires_in", "both_given"),
    "both ways, one of them now": (0, at(60), "expires_in", "both_given"),
    "now": (0, None, "expires_in", "in_the_past"),
    "before now": (-5, None, "expires_in", "in_the_past"),
    "this moment": (None, NOON, "expires_at", "in_the_past"),
    "yesterday": (None, at(-86400), "expires_at", "in_the_past"),
    "a second too long": (HALF_YEAR_S + 1, None, "expires_in", "too_long"),
    "a microsecond too long": (None, at(HALF_YEAR_S + 1e-6), "expires_at", "too_long"),
    "the end of time": (None, datetime.max.replace(tzinfo=UTC), "expires_at", "too_long"),
    "beyond the calendar": (10**12, None, "expires_in", "too_long"),
    "beyond counting": (10**30, None, "expires_in", "too_long"),
    "before the calendar": (-(10**12), None, "expires_in", "in_the_past"),
}


@pytest.mark.parametrize(("expires_in", "expires_at", "field", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_an_end_is_refused_when_no_session_can_have_it(
    expires_in: int | None, expires_at: datetime | None, field: str, code: str
) -> None:
    with pytest.raises(InvalidInput) as refusal:
        expiry(NOON, expires_in=expires_in, expires_at=expires_at, default=DEFAULT_LIFE)

    assert [(problem.field, problem.code) for problem in refusal.value.problems] == [(field, code)]


@settings(deadline=None)
@given(near, st.integers(1, HALF_YEAR_S))
def test_an_end_is_within_half_a_year_when_it_is_granted(now: datetime, expires_in: int) -> None:
    end = expiry(now, expires_in=expires_in, expires_at=None, default=DEFAULT_LIFE)

    assert now < end <= now + LONGEST_LIFE
    assert Lifetime(end).ended(now) is None


def test_an_accounts_default_counts_when_nothing_is_asked() -> None:
    assert expiry(NOON, expires_in=None, expires_at=None, default=timedelta(seconds=90)) == at(90)


TOLD = {
    "ten minutes before": (3600, 600, 3000),
    "never": (3600, 0, None),
    "set that near": (600, 600, None),
    "set nearer": (60, 600, None),
    "just far enough": (601, 600, 1),
}


@pytest.mark.parametrize(("end_s", "notice", "told_s"), TOLD.values(), ids=TOLD.keys())
def test_an_end_is_told_in_advance_unless_it_was_set_that_near(end_s: int, notice: int, told_s: int | None) -> None:
    assert told_at(NOON, at(end_s), notice) == (None if told_s is None else at(told_s))
