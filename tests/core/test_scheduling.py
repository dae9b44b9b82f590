"""When a text from the platform leaves: what may be asked for, and what quiet hours make of it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from relay.core.errors import InvalidInput
from relay.core.quiet_hours import QuietHours
from relay.core.scheduling import Quiet, leaves_at

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NIGHT = Quiet(QuietHours(time(21), time(8)), ["Etc/UTC"])
MORNING = 20 * 3600  # seconds from noon to eight o'clock
MONTH = 30 * 86400


def after(seconds: float | None) -> datetime | None:
    return None if seconds is None else NOON + timedelta(seconds=seconds)


#: now, asked for, end of the session, quiet hours, when it leaves: seconds after noon.
LEAVES = {
    "at once": (0, None, 3600, None, None),
    "later": (0, 60, 3600, None, 60),
    "in a moment": (0, 0.001, 3600, None, 0.001),
    "seven days ahead": (0, 7 * 86400, MONTH, None, 7 * 86400),
    "just before the end": (0, 3599, 3600, None, 3599),
    "at once by day": (0, None, 86400, NIGHT, None),
    "in the morning": (10 * 3600, None, 86400, NIGHT, MORNING),
    "asked for by night": (0, 10 * 3600, 86400, NIGHT, MORNING),
    "asked for by day": (10 * 3600, MORNING + 60, MONTH, NIGHT, MORNING + 60),
}


@pytest.mark.parametrize(("now", "asked", "end", "quiet", "leaves"), LEAVES.values(), ids=LEAVES.keys())
def test_a_text_leaves_when_it_is_wanted_and_not_in_quiet_hours(
    now: float, asked: float | None, end: float, quiet: Quiet | None, leaves: float | None
) -> None:
    found = leaves_at(after(now) or NOON, after(asked), expires_at=after(end) or NOON, quiet=quiet)

    assert found == after(leaves)


NOWHERE = Quiet(QuietHours(time(21), time(8)), ["America/Los_Angeles", "Europe/London", "Asia/Tokyo"])
REFUSED = {
    "now": (0, 0, 3600, None, "send_at in_the_past"),
    "yesterday": (0, -86400, 3600, None, "send_at in_the_past"),
    "too far": (0, 7 * 86400 + 1, MONTH, None, "send_at too_far"),
    "when the session ends": (0, 3600, 3600, None, "send_at after_session_ends"),
    "night until the session ends": (10 * 3600, None, MORNING, NIGHT, "quiet_hours after_session_ends"),
    "asked for in the last night": (0, 10 * 3600, MORNING, NIGHT, "quiet_hours after_session_ends"),
    "later than seven days": (9.5 * 3600, 7 * 86400 + 9.2 * 3600, MONTH, NIGHT, "quiet_hours after_session_ends"),
    "no good time": (0, None, MONTH, NOWHERE, "quiet_hours never_over"),
}


@pytest.mark.parametrize(("now", "asked", "end", "quiet", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_a_time_is_refused_when_it_cannot_be_kept(
    now: float, asked: float | None, end: float, quiet: Quiet | None, problem: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        leaves_at(after(now) or NOON, after(asked), expires_at=after(end) or NOON, quiet=quiet)

    assert [f"{one.field} {one.code}" for one in refused.value.problems] == [problem]
