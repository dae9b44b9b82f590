"""When what a carrier keeps of a text is deleted there.

A carrier keeps every text with both phones in its own record. Each is deleted a minute after the carrier has said its last word
on it, because none deletes what it still works on, or a day after it was taken where that word never comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

#: What a carrier has not deleted by then is an alarm. The tries go on.
ALARM_AFTER = timedelta(days=7)

_NEXT_TRY = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360))


@dataclass(frozen=True, slots=True)
class RedactionTimes:
    """``after_last_word``: Twilio asks for a minute at least (https://www.twilio.com/docs/api/errors/20009)."""

    after_last_word: timedelta = timedelta(minutes=1)
    without_one: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class CarrierCopy:
    """A carrier's own name of a text, sealed for a row. ``id``: of an outbound the attempt's, of an inbound its own."""

    id: UUID
    account_id: UUID
    connection_id: UUID
    sealed: bytes = field(repr=False)
    key_id: int
    times: RedactionTimes = field(default_factory=RedactionTimes)


def next_try(now: datetime, tries: int) -> datetime:
    """When to ask again a carrier that has not deleted a text in so many tries before this one."""
    return now + _NEXT_TRY[min(tries, len(_NEXT_TRY) - 1)]


def is_alarming(since: datetime, now: datetime) -> bool:
    """Has a carrier kept a text for too long?"""
    return since + ALARM_AFTER <= now
