"""A daily cap: how many texts of an account may leave within a day, and what becomes of the rest.

What keeps an account from paying for a night of somebody else's fun. A text counts when it is taken in to leave, whatever
becomes of it later. Days are those of UTC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from relay.core.errors import Conflict

MOST_DAILY = 1_000_000_000  # what a cap may be


@dataclass(frozen=True, slots=True)
class Counted:
    """How many texts of an account have counted today: ``here``, in this bucket, and ``elsewhere``, as far as is known here."""

    here: int
    elsewhere: int


def room(cap: int, counted: Counted) -> int:
    """How many more may leave today."""
    return max(0, cap - counted.here - counted.elsewhere)


def day_of(now: datetime) -> date:
    return now.astimezone(UTC).date()


def next_day(now: datetime) -> datetime:
    """When counting begins anew."""
    return datetime.combine(day_of(now) + timedelta(days=1), time(), UTC)


@dataclass(slots=True)
class Allowance:
    """What may still leave, by account; an account that is not in it may let anything leave. ``taken``: what is to be counted."""

    left: Mapping[UUID, int] = field(default_factory=dict)
    taken: Counter[UUID] = field(default_factory=Counter)

    def take(self, account_id: UUID) -> bool:
        """May one more text leave? Then it counts."""
        if account_id not in self.left:
            return True
        if self.taken[account_id] >= self.left[account_id]:
            return False
        self.taken[account_id] += 1
        return True

    def take_or_refuse(self, account_id: UUID, now: datetime) -> None:
        """For a caller who can be told. Raises Conflict ``daily_cap_reached``."""
        if not self.take(account_id):
            wait = int((next_day(now) - now).total_seconds()) + 1
            message = "as many texts have left today as this account may send in a day"
            raise Conflict(message, code="daily_cap_reached", retry_after=wait)
