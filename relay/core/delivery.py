"""How a message moves from arrival to its end: everything that decides a message's state is in this file.

``MOVES`` is the whole truth; SQL repeats it in its ``where state = any(...)`` and a test walks the one against the other.
Times are given, chance is given. Seconds are plain numbers here because they are tables of numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from relay.core.model import MessageKind, OnAmbiguous, State

S = State

#: Legal first states of a new message.
FIRST = frozenset({S.QUEUED, S.SENDING, S.REFUSED})

#: From each state, the states that a message may move to.
MOVES: dict[State, frozenset[State]] = {
    # The last three by a receipt for an earlier attempt: what was taken for lost had arrived, so nothing is sent again.
    S.QUEUED: frozenset({S.SENDING, S.REFUSED, S.EXPIRED, S.PARKED, S.ACCEPTED, S.DELIVERED, S.UNDELIVERED}),
    # A receipt can outrun the answer to the send, hence the ends that are reached straight from here.
    S.SENDING: frozenset({S.QUEUED, S.ACCEPTED, S.REFUSED, S.PARKED, S.DELIVERED, S.UNDELIVERED}),
    S.PARKED: frozenset({S.QUEUED, S.REFUSED, S.EXPIRED, S.ACCEPTED, S.DELIVERED, S.UNDELIVERED}),
    S.ACCEPTED: frozenset({S.DELIVERED, S.UNDELIVERED}),
    S.DELIVERED: frozenset(),
    S.UNDELIVERED: frozenset(),
    S.REFUSED: frozenset(),
    S.EXPIRED: frozenset(),
}

#: States in which a reason must be given.
STOPPED = frozenset({S.REFUSED, S.PARKED, S.EXPIRED, S.UNDELIVERED})


def may_move(before: State, after: State) -> bool:
    """Is this move in the table?"""
    return after in MOVES[before]


def states_before(after: State) -> list[State]:
    """Every state from which ``after`` may be reached, in a fixed order: what SQL puts into its ``where``."""
    return [before for before in State if after in MOVES[before]]


def seconds(count: float) -> timedelta:
    """Settings are plain seconds; times are not."""
    return timedelta(seconds=count)


class Outcome(StrEnum):
    """What became of one attempt."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"  #: certainly not taken; try again later
    NOT_BEGUN = "not_begun"  #: no byte left this process; try again at once
    AMBIGUOUS = "ambiguous"  #: it may have been taken


BACKOFF = (1, 5, 30, 120, 600)  # seconds after the 1st, 2nd ... failed attempt; the last one repeats
JITTER = 0.2
MAY_WAIT = timedelta(hours=4)
CODE_MAY_WAIT = timedelta(minutes=5)
MAY_STAND_PARKED = timedelta(hours=72)

#: When to ask the provider what became of an ambiguous send, in seconds after it turned ambiguous.
ASK_AFTER = (5, 30, 90)
#: When to give up waiting for a word and park it.
GIVE_UP_AFTER = 120


def deadline(kind: MessageKind, arrived: datetime) -> datetime:
    """When a text that still has not left is worth nothing to anybody any more."""
    return arrived + (CODE_MAY_WAIT if kind is MessageKind.CODE else MAY_WAIT)


def next_attempt_at(now: datetime, attempts: int, *, jitter: float, retry_after: float | None = None) -> datetime:
    """When to try again after ``attempts`` failed ones.

    ``jitter`` is a number from -1 to 1 and moves the wait by up to a fifth. A provider's own ``retry_after`` (seconds)
    is a floor that jitter does not lower.
    """
    wait = BACKOFF[min(attempts, len(BACKOFF)) - 1] * (1 + JITTER * jitter)
    return now + timedelta(seconds=max(wait, retry_after or 0))


@dataclass(frozen=True, slots=True)
class AmbiguityTimes:
    """How long to look for the fate of an ambiguous send, in seconds. Tests shorten it."""

    ask_after: tuple[float, ...] = ASK_AFTER
    give_up_after: float = GIVE_UP_AFTER

    def next_step(self, since: datetime, asked: int) -> datetime:
        """When the next look is due, having looked ``asked`` times already."""
        offsets = (*self.ask_after, self.give_up_after)
        return since + timedelta(seconds=offsets[min(asked, len(offsets) - 1)])

    def is_over(self, since: datetime, now: datetime) -> bool:
        """Is it time to stop looking?"""
        return now >= since + timedelta(seconds=self.give_up_after)


class GivenUp(StrEnum):
    """What to do with an ambiguous send that nobody could explain."""

    PARK = "park"
    RESEND = "resend"


def when_given_up(policy: OnAmbiguous, *, session_open: bool, has_send_key: bool) -> GivenUp:
    """Decide about an ambiguous send after all waiting: never a second one, unless it is harmless or was asked for."""
    if session_open and (has_send_key or policy is OnAmbiguous.RESEND):
        return GivenUp.RESEND
    return GivenUp.PARK
