"""When a service notice is not wanted: between two times of day, by the clock on the wall of whoever gets it.

Where somebody is, only their phone tells, and often not exactly: a number may stand for several time zones. Then all of them
count, and a time is good when it is outside quiet hours in every one. Clocks that are put forward or back are minded: what is
compared is what the wall shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: After two nights nothing changes any more: where no time is good for everybody by then, none ever is.
_LOOKED_AHEAD = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From a time of day up to, not including, another, over midnight where that is earlier. The same twice: never."""

    since: time
    until: time

    def include(self, wall: time) -> bool:
        """Is it quiet when the wall shows this?"""
        if self.since <= self.until:
            return self.since <= wall < self.until
        return wall >= self.since or wall < self.until


def earliest(at: datetime, quiet: QuietHours, zones: Sequence[str]) -> datetime | None:
    """The first time from ``at`` on that is outside quiet hours in all these time zones; None where there is none.

    A zone that is not known counts as UTC.
    """
    found, places = at, [_zone(name) for name in zones] or [UTC]
    while found <= at + _LOOKED_AHEAD:
        moved = max(_end(found, quiet, place) for place in places)
        if moved == found:
            return found
        found = moved
    return None


def _end(at: datetime, quiet: QuietHours, place: tzinfo) -> datetime:
    """When the quiet hours end that it is in at a place; the same time where it is in none."""
    here = at.astimezone(place)
    if not quiet.include(here.time()):
        return at
    day = here.date() if here.time() < quiet.until else here.date() + timedelta(days=1)
    return datetime.combine(day, quiet.until, place).astimezone(UTC)


@lru_cache(maxsize=512)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
