"""When a text from the platform shall leave: at once, at a time that was asked for, or when quiet hours are over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.core.errors import InvalidInput, Problem
from relay.core.quiet_hours import QuietHours, earliest

FURTHEST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Quiet:
    """The quiet hours to be respected, and the time zones where the recipient may be."""

    hours: QuietHours
    zones: Sequence[str]


def leaves_at(
    now: datetime, send_at: datetime | None, *, expires_at: datetime, quiet: Quiet | None = None
) -> datetime | None:
    """When a text shall leave of a session that ends at ``expires_at``; None = at once.

    Raises InvalidInput for ``send_at``: ``in_the_past``, ``too_far`` (more than seven days), ``after_session_ends``; and for
    ``quiet_hours``, where they move it too far or are never over everywhere at once: ``after_session_ends``, ``never_over``.
    """
    if send_at is not None:
        _check(now, send_at, expires_at)
    wanted = send_at or now
    found = earliest(wanted, quiet.hours, quiet.zones) if quiet else wanted
    if found is None:
        message = "are never over in all the places at once where this person may be"
        raise InvalidInput(Problem("quiet_hours", "never_over", message))
    if found > wanted and found >= min(expires_at, now + FURTHEST):
        message = "are over only when the session will have ended, or in more than seven days"
        raise InvalidInput(Problem("quiet_hours", "after_session_ends", message))
    return found if found > now else None


def _check(now: datetime, send_at: datetime, expires_at: datetime) -> None:
    if send_at <= now:
        raise InvalidInput(Problem("send_at", "in_the_past", "must be in the future"))
    if send_at > now + FURTHEST:
        raise InvalidInput(Problem("send_at", "too_far", "must be at most 7 days ahead"))
    if send_at >= expires_at:
        raise InvalidInput(Problem("send_at", "after_session_ends", "must be before the session's expires_at"))
