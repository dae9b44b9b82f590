"""Which closed sessions may be opened again, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from relay.core.errors import Conflict, InvalidInput
from relay.core.model import CloseReason, NumberState
from relay.core.reopening import LastSeat, seats_again

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=1)
A, B, C = b"a" * 16, b"b" * 16, b"c" * 16
ALICES = LastSeat(UUID(int=1), A, LATER, NumberState.READY)
BOBS = LastSeat(UUID(int=2), B, LATER, NumberState.READY)
API = CloseReason.API


@pytest.mark.parametrize("reason", [CloseReason.API, CloseReason.EXPIRED, CloseReason.IDLE])
@pytest.mark.parametrize("state", [NumberState.READY, NumberState.RESERVED])
def test_everybody_has_their_own_seat_again_when_both_are_named(reason: CloseReason, state: NumberState) -> None:
    seats = [replace(seat, number_state=state) for seat in (ALICES, BOBS)]

    assert seats_again(reason, seats, [A, B], NOON) == {UUID(int=1): 0, UUID(int=2): 1}
    assert seats_again(reason, seats, [B, A], NOON) == {UUID(int=1): 1, UUID(int=2): 0}


REFUSED = {
    "erased": (CloseReason.ERASED, BOBS, "erased"),
    "this very second": (API, replace(BOBS, held_until=NOON), "cool_down_over"),
    "nothing recalls one": (API, replace(BOBS, party_index=None, held_until=None), "cool_down_over"),
    "another session has it": (API, replace(BOBS, held_until=None), "numbers_taken"),
    "drains": (API, replace(BOBS, number_state=NumberState.DRAINING), "number_withdrawn"),
    "quarantined": (API, replace(BOBS, number_state=NumberState.QUARANTINED), "number_withdrawn"),
    "gone": (API, replace(BOBS, number_state=None), "number_withdrawn"),
}


@pytest.mark.parametrize(("reason", "seat", "why"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("given", [(A, B), (A, C)])
def test_a_session_stays_closed_whoever_asks_when_it_cannot_be_opened(
    reason: CloseReason, seat: LastSeat, why: str, given: tuple[bytes, bytes]
) -> None:
    with pytest.raises(Conflict) as caught:
        seats_again(reason, [ALICES, seat], given, NOON)

    assert (caught.value.code, caught.value.reason) == ("session_not_reopenable", why)


@pytest.mark.parametrize("given", [(A, C), (C, B), (C, C), (A, A), (B, B), (A,), (A, B, C), ()])
def test_nobody_learns_who_is_wrong_when_the_people_are_others(given: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        seats_again(API, [ALICES, BOBS], given, NOON)

    assert [(p.field, p.code) for p in caught.value.problems] == [("participants", "not_the_same_people")]
