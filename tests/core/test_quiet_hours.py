"""Quiet hours: by the clock on the wall of whoever gets the text, in every zone where they may be, also when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.phone import time_zones
from relay.core.quiet_hours import QuietHours, earliest

NIGHT = QuietHours(time(21), time(8))
BERLIN, NEW_YORK, CHICAGO, KOLKATA = "Europe/Berlin", "America/New_York", "America/Chicago", "Asia/Kolkata"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


INCLUDED = {
    "just quiet": (NIGHT, time(21), True),
    "midnight": (NIGHT, time(0), True),
    "the last moment": (NIGHT, time(7, 59, 59, 999999), True),
    "just over": (NIGHT, time(8), False),
    "a moment before": (NIGHT, time(20, 59, 59, 999999), False),
    "by day": (QuietHours(time(12), time(14)), time(13), True),
    "by day, over": (QuietHours(time(12), time(14)), time(14), False),
    "never": (QuietHours(time(8), time(8)), time(8), False),
    "never, else": (QuietHours(time(8), time(8)), time(3), False),
    "up to midnight": (QuietHours(time(22), time(0)), time(23, 59), True),
    "up to midnight, over": (QuietHours(time(22), time(0)), time(0), False),
}


@pytest.mark.parametrize(("quiet", "wall", "included"), INCLUDED.values(), ids=INCLUDED.keys())
def test_a_time_of_day_is_quiet_from_the_first_to_before_the_second(
    quiet: QuietHours, wall: time, included: bool
) -> None:
    assert quiet.include(wall) is included


#: quiet hours, zones, when it is wanted, when it may leave; all in UTC.
CASES = {
    "at noon": (NIGHT, [BERLIN], "2026-11-21 11:00", "2026-11-21 11:00"),
    "in the evening": (NIGHT, [BERLIN], "2026-11-21 20:30", "2026-11-22 07:00"),
    "on the second": (NIGHT, [BERLIN], "2026-11-21 20:00", "2026-11-22 07:00"),
    "a second before": (NIGHT, [BERLIN], "2026-11-21 19:59:59", "2026-11-21 19:59:59"),
    "after midnight": (NIGHT, [BERLIN], "2026-11-22 02:00", "2026-11-22 07:00"),
    "on the minute when they end": (NIGHT, [BERLIN], "2026-11-22 07:00", "2026-11-22 07:00"),
    "in summer an hour earlier": (NIGHT, [BERLIN], "2026-07-01 19:30", "2026-07-02 06:00"),
    "half an hour beside": (NIGHT, [KOLKATA], "2026-11-21 20:00", "2026-11-22 02:30"),
    "the night in which clocks go forward": (NIGHT, [BERLIN], "2026-03-28 22:00", "2026-03-29 06:00"),
    "the night in which clocks go back": (NIGHT, [BERLIN], "2026-10-24 22:00", "2026-10-25 07:00"),
    "forward, elsewhere": (NIGHT, [NEW_YORK], "2026-03-08 03:00", "2026-03-08 12:00"),
    "back, elsewhere": (NIGHT, [NEW_YORK], "2026-11-01 03:00", "2026-11-01 13:00"),
    "they end at a time that there is not": (
        QuietHours(time(0), time(2, 30)), [BERLIN], "2026-03-29 00:30", "2026-03-29 01:30",
    ),
    "they end at a time that comes twice": (
        QuietHours(time(0), time(2, 30)), [BERLIN], "2026-10-25 00:10", "2026-10-25 00:30",
    ),
    "the later of two zones counts in the morning": (
        NIGHT, [NEW_YORK, CHICAGO], "2026-11-21 13:30", "2026-11-21 14:00",
    ),
    "the earlier of two zones counts in the evening": (
        NIGHT, [NEW_YORK, CHICAGO], "2026-11-22 02:30", "2026-11-22 14:00",
    ),
    "far apart, but for an hour": (
        NIGHT, ["Pacific/Auckland", "Europe/London"], "2026-07-01 12:00", "2026-07-02 07:00",
    ),
    "there is no good time": (NIGHT, ["America/Los_Angeles", "Europe/London", "Asia/Tokyo"], "2026-07-01 12:00", None),
    "nothing is known": (NIGHT, [], "2026-11-21 22:00", "2026-11-22 08:00"),
    "a zone that there is not": (NIGHT, ["Mars/Olympus"], "2026-11-21 22:00", "2026-11-22 08:00"),
    "no quiet hours": (QuietHours(time(0), time(0)), [BERLIN], "2026-11-22 02:00", "2026-11-22 02:00"),
    "two hours at noon": (QuietHours(time(12), time(14)), [BERLIN], "2026-11-21 11:30", "2026-11-21 13:00"),
}  # fmt: skip


@pytest.mark.parametrize(("quiet", "zones", "wanted", "leaves"), CASES.values(), ids=CASES.keys())
def test_a_text_waits_until_quiet_hours_are_over_everywhere(
    quiet: QuietHours, zones: list[str], wanted: str, leaves: str | None
) -> None:
    assert earliest(utc(wanted), quiet, zones) == (utc(leaves) if leaves else None)


_ZONES = st.sampled_from([BERLIN, NEW_YORK, CHICAGO, KOLKATA, "Australia/Lord_Howe", "America/St_Johns", "Asia/Tokyo"])
_TIMES = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@settings(deadline=None)
@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the zone is given beside
    _TIMES,
    _TIMES,
    st.lists(_ZONES, max_size=3),
)
def test_it_is_never_quiet_anywhere_when_a_text_leaves(
    at: datetime, since: time, until: time, zones: list[str]
) -> None:
    quiet = QuietHours(since, until)
    found = earliest(at, quiet, zones)

    if found is not None:
        assert at <= found <= at + timedelta(days=4)
        assert not any(quiet.include(found.astimezone(ZoneInfo(zone)).time()) for zone in zones)


PLACES = {
    "+12025550177": ("America/New_York",),
    "+14155550177": ("America/Los_Angeles",),
    "+46701740677": ("Europe/Stockholm",),
    "+883510000000001": (),
}


@pytest.mark.parametrize(("e164", "zones"), PLACES.items(), ids=PLACES.keys())
def test_a_phone_tells_where_its_owner_may_be(e164: str, zones: tuple[str, ...]) -> None:
    assert time_zones(e164) == zones


def test_a_phone_of_a_wide_country_may_be_in_many_places() -> None:
    assert {"Europe/Moscow", "Asia/Vladivostok"} < set(time_zones("+79161234567"))
