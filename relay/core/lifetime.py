"""How long a session lives, and how long its numbers cool down afterwards. All times are given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.core.errors import InvalidInput, Problem
from relay.core.model import CloseReason

LONGEST_LIFE = timedelta(days=180)
DEFAULT_LIFE = timedelta(hours=24)
SHORTEST_COOL_DOWN = timedelta(hours=1)
LONGEST_COOL_DOWN = timedelta(days=90)
DEFAULT_COOL_DOWN = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a session ends by itself: at ``expires_at``, or at ``idle_at`` if nothing is said until then."""

    expires_at: datetime
    idle_at: datetime | None = None

    def ended(self, now: datetime) -> CloseReason | None:
        """Why the session is over by now, or None while it lives."""
        if now >= self.expires_at:
            return CloseReason.EXPIRED
        if self.idle_at is not None and now >= self.idle_at:
            return CloseReason.IDLE
        return None


def expiry(now: datetime, *, expires_in: int | None, expires_at: datetime | None, default: timedelta) -> datetime:
    """When a session opened or changed now shall expire.

    Raises InvalidInput for both ways at once, for a time that has passed, and for more than 180 days.
    """
    if expires_in is not None and expires_at is not None:
        raise InvalidInput(Problem("expires_in", "both_given", "give expires_in or expires_at, not both"))
    field = "expires_at" if expires_at is not None else "expires_in"
    end = expires_at or now + (_span(expires_in) if expires_in is not None else default)
    if end <= now:
        raise InvalidInput(Problem(field, "in_the_past", "the session would have ended already"))
    if end > now + LONGEST_LIFE:
        raise InvalidInput(Problem(field, "too_long", "a session lives at most 180 days (15552000 seconds)"))
    return end


def told_at(now: datetime, end: datetime, notice: int) -> datetime | None:
    """When it is to be told that a session is about to end: ``notice`` seconds before its end, 0 = never.

    None where that would be already: whoever has just set an end that near knows of it. Only ``expires_at`` counts: the end of
    silence moves with every text.
    """
    at = end - timedelta(seconds=notice)
    return at if notice and at > now else None


def _span(seconds: int) -> timedelta:
    """So many seconds; where they go beyond what is allowed, by just enough to be refused: the calendar has an end."""
    longest = int(LONGEST_LIFE.total_seconds())
    return timedelta(seconds=min(max(seconds, 0), longest + 1))
