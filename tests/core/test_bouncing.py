"""Notices that bounce: what counts, what clears it, and how long Relay is silent then."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from relay.core.bouncing import MOST, SILENT_FOR, Bounces, after
from relay.core.model import Reason, State

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SILENT = Bounces(MOST, NOW + SILENT_FOR)

CASES: dict[str, tuple[int, State, Reason | None, Bounces | None]] = {
    "the first": (0, State.UNDELIVERED, Reason.LANDLINE, Bounces(1)),
    "the last but one": (MOST - 2, State.REFUSED, Reason.INVALID_DESTINATION, Bounces(MOST - 1)),
    "the last": (MOST - 1, State.UNDELIVERED, Reason.UNREACHABLE, SILENT),
    "one that was on its way already": (MOST, State.UNDELIVERED, Reason.UNREACHABLE, SILENT),
    "one that was tried again after the silence": (MOST, State.REFUSED, Reason.LANDLINE, SILENT),
    "delivered, and all was well": (0, State.DELIVERED, None, None),
    "delivered after some": (MOST - 1, State.DELIVERED, None, Bounces()),
    "delivered after the silence": (MOST, State.DELIVERED, None, Bounces()),
    "taken by the carrier, which says little": (MOST - 1, State.ACCEPTED, None, None),
    "what the carrier thinks of the text": (MOST - 1, State.UNDELIVERED, Reason.CARRIER_FILTERED, None),
    "what the carrier thinks of the sender": (MOST - 1, State.REFUSED, Reason.SENDER_NOT_REGISTERED, None),
    "an opt-out, which is another matter": (MOST - 1, State.REFUSED, Reason.CARRIER_OPTED_OUT, None),
    "nobody knows why": (MOST - 1, State.UNDELIVERED, Reason.UNKNOWN, None),
    "nobody says why": (MOST - 1, State.UNDELIVERED, None, None),
    "it waited for too long": (MOST - 1, State.EXPIRED, Reason.DEADLINE, None),
}


@pytest.mark.parametrize("name", CASES)
def test_so_many_in_a_row_are_followed_by_silence(name: str) -> None:
    before, word, reason, expected = CASES[name]

    assert after(before, word, reason, NOW) == expected


@pytest.mark.parametrize("reason", Reason)
def test_only_what_is_said_of_the_phone_counts(reason: Reason) -> None:
    counts = after(0, State.UNDELIVERED, reason, NOW) is not None

    assert counts == (reason in {Reason.INVALID_DESTINATION, Reason.UNREACHABLE, Reason.LANDLINE})
