"""Phones that no notice reaches: when Relay stops saying things there by itself, and when it tries again.

A landline, or a number that nobody has any more, gets every greeting in vain, and each is paid for. What people and the
marketplace write goes there all the same, and so do codes and the confirmation of STOP.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from relay.core.model import Reason, State

#: What says that it is the phone, and neither the text nor the carrier. A phone that is only off may be among them.
OF_THE_PHONE = frozenset({Reason.INVALID_DESTINATION, Reason.UNREACHABLE, Reason.LANDLINE})
MOST = 3  # in a row
SILENT_FOR = timedelta(days=7)  # numbers get new owners: then one notice is tried again


@dataclass(frozen=True, slots=True)
class Bounces:
    """How many notices in a row have not reached a phone, and until when it gets none."""

    count: int = 0
    silent_until: datetime | None = None


def is_of_the_phone(reason: Reason | None) -> bool:
    return reason in OF_THE_PHONE


def after(before: int, word: State, reason: Reason | None, now: datetime) -> Bounces | None:
    """What the last word on a notice makes of so many before it; None = nothing. Every one beyond the most is silence anew."""
    if word is State.DELIVERED:
        return Bounces() if before else None
    if word not in (State.REFUSED, State.UNDELIVERED) or not is_of_the_phone(reason):
        return None
    count = min(before + 1, MOST)
    return Bounces(count, now + SILENT_FOR if count == MOST else None)
