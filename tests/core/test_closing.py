"""What becomes of texts that must not leave any more."""

from __future__ import annotations

from uuid import UUID

import pytest

from relay.core.closing import Stopped, Unsent, closing, parting, stopped, unwanted
from relay.core.model import CloseReason, Reason, State

ONE = UUID(int=1)

CASES = [
    # state, may have left -> what is said of it; nothing: it is left as it is
    (State.QUEUED, False, (State.REFUSED, Reason.OPTED_OUT)),
    (State.QUEUED, True, (State.PARKED, Reason.AMBIGUOUS)),
    (State.PARKED, False, (State.REFUSED, Reason.OPTED_OUT)),
    (State.PARKED, True, None),
    (State.SENDING, False, None),
    (State.SENDING, True, None),
]


@pytest.mark.parametrize(("state", "may_have_left", "said"), CASES)
def test_a_text_ends_as_the_table_says_when_it_must_not_leave(
    state: State, may_have_left: bool, said: tuple[State, Reason] | None
) -> None:
    found = stopped([Unsent(ONE, state, may_have_left)], Reason.OPTED_OUT)

    assert found == (() if said is None else (Stopped(ONE, *said),))


@pytest.mark.parametrize(("state", "may_have_left", "said"), CASES)
@pytest.mark.parametrize(("opted_out", "refusal"), [(True, Reason.OPTED_OUT), (False, Reason.BLOCKED_BY_RULE)])
def test_what_a_wish_ends_is_refused_by_its_name_unless_it_may_have_left(
    state: State, may_have_left: bool, said: tuple[State, Reason] | None, *, opted_out: bool, refusal: Reason
) -> None:
    """STOP ends texts, START the confirmations of STOP."""
    found = unwanted([Unsent(ONE, state, may_have_left)], opted_out=opted_out)
    wanted = None if said is None else (said[0], refusal if said[0] is State.REFUSED else said[1])

    assert found == (() if wanted is None else (Stopped(ONE, *wanted),))


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        (CloseReason.API, Reason.SESSION_CLOSED),
        (CloseReason.EXPIRED, Reason.SESSION_EXPIRED),
        (CloseReason.IDLE, Reason.SESSION_EXPIRED),
        (CloseReason.ERASED, Reason.ERASED),
    ],
)
def test_only_what_is_under_way_keeps_its_text_when_a_session_ends(reason: CloseReason, refusal: Reason) -> None:
    waiting, under_way, parked = UUID(int=1), UUID(int=2), UUID(int=3)
    unsent = [
        Unsent(waiting, State.QUEUED, False),
        Unsent(under_way, State.SENDING, True),
        Unsent(parked, State.PARKED, True),
    ]

    decided = closing(reason, unsent)

    assert decided.stopped == (Stopped(waiting, State.REFUSED, refusal),)
    assert decided.outbox_gone == (waiting, parked)
    assert decided.in_flight == (under_way,)


def test_only_what_is_under_way_keeps_its_text_when_its_recipient_is_replaced() -> None:
    waiting, under_way, parked = UUID(int=1), UUID(int=2), UUID(int=3)
    decided = parting(
        [
            Unsent(waiting, State.QUEUED, False),
            Unsent(under_way, State.SENDING, False),
            Unsent(parked, State.PARKED, True),
        ]
    )

    assert decided.stopped == (Stopped(waiting, State.REFUSED, Reason.PARTICIPANT_REPLACED),)
    assert decided.outbox_gone == (waiting, parked)
    assert decided.in_flight == (under_way,)
