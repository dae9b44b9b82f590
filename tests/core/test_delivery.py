"""Delivery: the table of moves against its written form, its shape as properties, and the times by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.delivery import (
    FIRST,
    MOVES,
    STOPPED,
    AmbiguityTimes,
    GivenUp,
    deadline,
    may_move,
    next_attempt_at,
    seconds,
    states_before,
    when_given_up,
)
from relay.core.model import MessageKind, OnAmbiguous, State

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

# Written out again rather than imported: a move lost from the table, or slipped into it, must be missed here.
LEGAL = {
    "queued": "sending refused expired parked accepted delivered undelivered",
    "sending": "queued accepted refused parked delivered undelivered",
    "parked": "queued refused expired accepted delivered undelivered",
    "accepted": "delivered undelivered",
    "delivered": "",
    "undelivered": "",
    "refused": "",
    "expired": "",
}
FINAL = frozenset({State.DELIVERED, State.UNDELIVERED, State.REFUSED, State.EXPIRED})

states = st.sampled_from(State)


def reachable(start: frozenset[State]) -> frozenset[State]:
    """Every state that a message can come to from these, without asking the module's own functions."""
    known, fresh = start, start
    while fresh:
        fresh = frozenset(after for before in fresh for after in MOVES[before]) - known
        known |= fresh
    return known


@pytest.mark.parametrize(("before", "after"), list(product(State, State)))
def test_a_move_is_legal_when_it_is_in_the_written_table(before: State, after: State) -> None:
    assert may_move(before, after) is (after.value in LEGAL[before.value].split())


def test_every_state_has_its_row_when_the_table_is_read() -> None:
    assert set(MOVES) == set(State)
    assert {str(state) for state in State} == set(LEGAL)


def test_a_message_begins_in_few_states_when_it_is_new() -> None:
    assert {str(state) for state in FIRST} == {"queued", "sending", "refused"}


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_leads_out_when_a_state_is_final(state: State) -> None:
    assert MOVES[state] == frozenset()


def test_every_state_is_reached_when_messages_begin_where_they_may() -> None:
    assert reachable(FIRST) == set(State)


@pytest.mark.parametrize("state", State)
def test_an_end_can_be_reached_when_a_message_is_anywhere(state: State) -> None:
    """No state is a trap."""
    assert reachable(frozenset({state})) & FINAL


@pytest.mark.parametrize("state", State)
def test_no_move_leads_where_it_began_when_it_is_legal(state: State) -> None:
    """A move to the same state would write a second event for one change."""
    assert state not in MOVES[state]


def test_a_taken_message_is_never_sent_again_when_it_moves_on() -> None:
    assert reachable(frozenset({State.ACCEPTED})) == {State.ACCEPTED, State.DELIVERED, State.UNDELIVERED}


def test_sending_is_entered_through_the_queue_alone_when_a_message_is_old() -> None:
    """There is one door; a parked text that is retried goes back to the queue before it."""
    assert states_before(State.SENDING) == [State.QUEUED]


@pytest.mark.parametrize("after", State)
def test_states_before_are_all_and_in_order_when_asked_for(after: State) -> None:
    before = states_before(after)

    assert before == [state for state in State if after.value in LEGAL[state.value].split()]


def test_a_reason_is_due_when_a_message_stopped_short_of_its_person() -> None:
    assert {str(state) for state in STOPPED} == {"refused", "parked", "expired", "undelivered"}


@pytest.mark.parametrize("kind", MessageKind)
def test_a_text_is_worth_nothing_after_four_hours_when_it_is_no_code(kind: MessageKind) -> None:
    waits = timedelta(minutes=5) if kind is MessageKind.CODE else timedelta(hours=4)

    assert deadline(kind, NOON) == NOON + waits


@pytest.mark.parametrize(
    ("attempts", "wait_s"), [(1, 1), (2, 5), (3, 30), (4, 120), (5, 600), (6, 600), (7, 600), (1000, 600)]
)
def test_the_wait_grows_to_ten_minutes_when_attempts_fail(attempts: int, wait_s: int) -> None:
    assert next_attempt_at(NOON, attempts, jitter=0) == NOON + timedelta(seconds=wait_s)


@pytest.mark.parametrize(("jitter", "wait_s"), [(-1, 480), (-0.5, 540), (0, 600), (1, 720)])
def test_the_wait_moves_by_a_fifth_when_there_is_jitter(jitter: float, wait_s: int) -> None:
    assert next_attempt_at(NOON, 5, jitter=jitter) == NOON + timedelta(seconds=wait_s)


@pytest.mark.parametrize(
    ("retry_after", "wait_s"), [(None, 30), (0, 30), (29.5, 30), (31, 31), (86400, 86400), (-10, 30)]
)
def test_the_providers_word_is_a_floor_when_it_asks_to_wait(retry_after: float | None, wait_s: float) -> None:
    assert next_attempt_at(NOON, 3, jitter=0, retry_after=retry_after) == NOON + timedelta(seconds=wait_s)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.floats(-1, 1), st.none() | st.floats(0, 10**6))
def test_the_next_attempt_is_later_and_bounded_when_anything_goes(
    attempts: int, jitter: float, retry_after: float | None
) -> None:
    wait = next_attempt_at(NOON, attempts, jitter=jitter, retry_after=retry_after) - NOON

    assert seconds(retry_after or 0) <= wait
    assert seconds(0.8) <= wait <= max(seconds(720), seconds(retry_after or 0))


@pytest.mark.parametrize(("asked", "offset_s"), [(0, 5), (1, 30), (2, 90), (3, 120), (4, 120), (99, 120)])
def test_looks_are_spread_over_two_minutes_when_a_send_is_ambiguous(asked: int, offset_s: int) -> None:
    assert AmbiguityTimes().next_step(NOON, asked) == NOON + timedelta(seconds=offset_s)


@pytest.mark.parametrize(("waited_s", "over"), [(-1, False), (0, False), (119.999, False), (120, True), (121, True)])
def test_looking_ends_when_two_minutes_have_passed(waited_s: float, over: bool) -> None:
    assert AmbiguityTimes().is_over(NOON, NOON + timedelta(seconds=waited_s)) is over


def test_looking_ends_at_its_last_step_when_times_are_given() -> None:
    """Otherwise a send whose looks are used up would be looked at for ever, or never again."""
    times = AmbiguityTimes(ask_after=(0.1, 0.2), give_up_after=0.3)
    steps = [times.next_step(NOON, asked) for asked in range(3)]

    assert [times.is_over(NOON, step) for step in steps] == [False, False, True]


RESENT = {  # (policy, session open, the provider drops a second send with the same key)
    (OnAmbiguous.PARK, True, True),
    (OnAmbiguous.RESEND, True, True),
    (OnAmbiguous.RESEND, True, False),
}


@pytest.mark.parametrize(
    ("policy", "session_open", "has_send_key"), list(product(OnAmbiguous, (True, False), (True, False)))
)
def test_a_second_send_is_made_only_when_it_is_harmless_or_asked_for(
    policy: OnAmbiguous, session_open: bool, has_send_key: bool
) -> None:
    decision = when_given_up(policy, session_open=session_open, has_send_key=has_send_key)

    assert decision is (GivenUp.RESEND if (policy, session_open, has_send_key) in RESENT else GivenUp.PARK)


@settings(deadline=None)
@given(st.sampled_from(sorted(FIRST)), st.lists(st.integers(0, 100), max_size=40))
def test_a_walk_ends_in_a_final_state_or_goes_on_when_moves_are_legal(first: State, choices: list[int]) -> None:
    state = first
    walked = [state]
    for choice in choices:
        ways = sorted(MOVES[state])
        if not ways:
            break
        state = ways[choice % len(ways)]
        walked.append(state)

    assert all(may_move(before, after) for before, after in pairwise(walked))
    assert not FINAL & set(walked[:-1])
