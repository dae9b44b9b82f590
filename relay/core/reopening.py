"""Whether a closed session may be opened again: inside its cool-down, for the two people who were in it, on their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from relay.core.assignment import may_hold
from relay.core.errors import Conflict, InvalidInput, Problem
from relay.core.model import CloseReason, NumberState


class Irreversible(StrEnum):
    """Why a session stays closed."""

    ERASED = "erased"
    COOL_DOWN_OVER = "cool_down_over"
    NUMBERS_TAKEN = "numbers_taken"  #: by a later session of the same two people
    NUMBER_WITHDRAWN = "number_withdrawn"


@dataclass(frozen=True, slots=True)
class LastSeat:
    """Who was in the session when it closed. ``party_index`` None: nothing recalls them any more. ``held_until`` None: their
    number is not held for this session. ``number_state`` None: the number is gone."""

    participant_id: UUID
    party_index: bytes | None
    held_until: datetime | None
    number_state: NumberState | None


def seats_again(
    close_reason: CloseReason, seats: Sequence[LastSeat], given: Sequence[bytes], now: datetime
) -> Mapping[UUID, int]:
    """Which of the ``given`` people (by party index) has which seat again, by participant.

    Raises Conflict ``session_not_reopenable`` with the reason, InvalidInput ``not_the_same_people`` without a word about who is
    wrong.
    """
    why = _why_not(close_reason, seats, now)
    if why is not None:
        raise not_reopenable(why)
    places = {index: place for place, index in enumerate(given)}
    if {seat.party_index for seat in seats} != places.keys() or len(seats) != len(given):
        raise wrong_people()
    return {seat.participant_id: places[seat.party_index] for seat in seats if seat.party_index is not None}


def _why_not(close_reason: CloseReason, seats: Sequence[LastSeat], now: datetime) -> Irreversible | None:
    if close_reason is CloseReason.ERASED:
        return Irreversible.ERASED
    for seat in seats:
        if seat.party_index is None or (seat.held_until is not None and seat.held_until <= now):
            return Irreversible.COOL_DOWN_OVER
        if seat.held_until is None:
            return Irreversible.NUMBERS_TAKEN
    states = [seat.number_state for seat in seats]
    if not all(state is not None and may_hold(state, is_named=True) for state in states):
        return Irreversible.NUMBER_WITHDRAWN
    return None


def not_reopenable(why: Irreversible) -> Conflict:
    return Conflict(f"this session cannot be reopened: {why}", code="session_not_reopenable", reason=why)


def wrong_people() -> InvalidInput:
    problem = Problem(
        "participants", "not_the_same_people", "must be the two people who were in the session when it closed"
    )
    return InvalidInput(problem, code="not_the_same_people")
