"""Pacing: cases by the clock, and the promise to the carrier as a property."""

from __future__ import annotations

from itertools import accumulate
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.core.errors import InvalidInput
from relay.core.pacing import DEFAULT_RATES, LONGEST_HOLD, LOWEST_SHARE, SHORTEST_HOLD, Pace
from relay.core.phone import NumberKind

# A step: seconds until somebody wants to send, segments of the text, and what Retry-After comes back, if any.
Step = tuple[float, int, float | None]
Sent = tuple[float, int]

steps = st.lists(
    st.tuples(st.floats(0, 5), st.integers(1, 10), st.one_of(st.none(), st.none(), st.floats(0, 30))),
    min_size=2,
    max_size=25,
)


def drive(pace: Pace, wanted: list[Step], *, start: float = 0.0) -> list[Sent]:
    """Send as early as the pace allows, throttled where the step says so. The answer comes before the next text."""
    sent: list[Sent] = []
    now = start
    for wait, segments, retry_after in wanted:
        now = pace.ready_at(now + wait)
        sent.append((now, segments))
        pace = pace.spend(segments, now)
        if retry_after is not None:
            pace = pace.throttle(now, retry_after)
    return sent


def busiest_excess(sent: list[Sent], rate: float) -> float:
    """The most that any window holds beyond ``rate`` times its length; only windows from text to text can be worst."""
    before = [0, *accumulate(segments for _, segments in sent)]
    return max(
        before[last + 1] - before[first] - rate * (sent[last][0] - sent[first][0])
        for first in range(len(sent))
        for last in range(first, len(sent))
    )


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([0.1, 1.0, 3.0, 100.0]), steps, st.sampled_from([0.0, -50.0, 1e6]))
def test_no_window_holds_more_than_the_rate_and_one_text_when_sent_as_early_as_allowed(
    rate: float, wanted: list[Step], start: float
) -> None:
    sent = drive(Pace(rate), wanted, start=start)

    assert busiest_excess(sent, rate) <= max(segments for _, segments in sent) + 1e-6


@settings(max_examples=200, deadline=None)
@given(steps)
def test_nothing_is_sent_when_the_carrier_asked_to_wait(wanted: list[Step]) -> None:
    sent = drive(Pace(1.0), wanted)

    for (at, _), (then, _), (_, _, retry_after) in zip(sent, sent[1:], wanted, strict=False):
        assert retry_after is None or then >= at + max(SHORTEST_HOLD, retry_after)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 400), st.floats(-10, 1e9)), max_size=12))
def test_share_stays_between_floor_and_full_when_throttled_at_will(refusals: list[tuple[float, float]]) -> None:
    pace, now = Pace(10.0), 0.0
    for wait, retry_after in refusals:
        now += wait
        pace = pace.throttle(now, retry_after)

        assert LOWEST_SHARE * 10.0 <= pace.rate_at(now) <= 10.0
        assert now + SHORTEST_HOLD <= pace.ready_at(now) <= now + LONGEST_HOLD


def test_first_text_leaves_at_once_when_nothing_was_sent() -> None:
    assert Pace(1.0).ready_at(1234.5) == 1234.5
    assert Pace(1.0).ready_at(-1234.5) == -1234.5


@pytest.mark.parametrize(
    ("rate", "segments", "interval"), [(1.0, 1, 1.0), (1.0, 3, 3.0), (4.0, 1, 0.25), (100.0, 5, 0.05), (0.1, 2, 20.0)]
)
def test_next_text_waits_for_all_segments_when_one_was_sent(rate: float, segments: int, interval: float) -> None:
    pace = Pace(rate).spend(segments, 50.0)

    assert pace.ready_at(50.0) == pytest.approx(50.0 + interval)
    assert pace.ready_at(50.0 + 2 * interval) == 50.0 + 2 * interval


def test_nothing_is_saved_up_when_the_number_was_idle() -> None:
    pace = Pace(1.0).spend(1, 0.0).spend(1, 1000.0)

    assert pace.ready_at(1000.0) == 1001.0


def test_time_is_owed_when_a_text_did_not_wait() -> None:
    pace = Pace(1.0).spend(1, 0.0).spend(1, 0.0).spend(1, 0.0)

    assert pace.ready_at(0.0) == 3.0


def test_rate_is_halved_after_the_hold_when_throttled() -> None:
    pace = Pace(4.0).throttle(100.0, 30.0)

    assert pace.ready_at(100.0) == 130.0
    assert pace.rate_at(130.0) == 2.0
    assert pace.spend(1, 130.0).ready_at(130.0) == 130.5


@pytest.mark.parametrize(
    ("calm", "rate"), [(0.0, 5.0), (10.0, 6.0), (25.0, 7.5), (50.0, 10.0), (51.0, 10.0), (1e6, 10.0)]
)
def test_a_tenth_of_the_full_rate_comes_back_when_ten_calm_seconds_pass(calm: float, rate: float) -> None:
    pace = Pace(10.0).throttle(0.0, 5.0)

    assert pace.rate_at(5.0 + calm) == pytest.approx(rate)


def test_present_rate_is_halved_when_throttled_during_recovery() -> None:
    pace = Pace(10.0).throttle(0.0, 1.0).throttle(21.0, 1.0)

    assert pace.rate_at(22.0) == pytest.approx(3.5)


def test_rate_is_halved_once_when_refusals_of_one_burst_arrive() -> None:
    """Texts under way together are refused together; halving for each would silence a short code for a minute."""
    pace = Pace(100.0).throttle(0.0, 2.0)
    for refusal in range(50):
        pace = pace.throttle(refusal / 100, 2.0)

    assert pace.ready_at(0.0) == pytest.approx(2.49)
    assert pace.rate_at(2.49) == pytest.approx(50.0)


def test_a_tenth_of_the_rate_remains_when_every_try_is_refused() -> None:
    pace = Pace(10.0)
    for _ in range(20):
        pace = pace.throttle(pace.ready_at(0.0))

    assert pace.rate_at(pace.ready_at(0.0)) == pytest.approx(1.0)


def test_a_longer_hold_stands_when_a_shorter_one_arrives() -> None:
    pace = Pace(1.0).throttle(0.0, 60.0).throttle(1.0, 2.0)

    assert pace.ready_at(1.0) == 60.0


@pytest.mark.parametrize(
    ("retry_after", "hold"),
    [(0.0, SHORTEST_HOLD), (-5.0, SHORTEST_HOLD), (nan, SHORTEST_HOLD), (1e12, LONGEST_HOLD), (inf, LONGEST_HOLD)],
)
def test_hold_is_bounded_when_the_provider_names_nonsense(retry_after: float, hold: float) -> None:
    assert Pace(1.0).throttle(10.0, retry_after).ready_at(10.0) == 10.0 + hold


def test_the_old_pace_is_untouched_when_a_new_one_is_made() -> None:
    pace = Pace(1.0)
    pace.spend(5, 0.0)
    pace.throttle(0.0, 60.0)

    assert pace == Pace(1.0)


@pytest.mark.parametrize("rate", [0.0, -1.0, nan, inf])
def test_pace_is_refused_when_rate_is_no_rate(rate: float) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Pace(rate)

    assert [problem.code for problem in refusal.value.problems] == ["rate_invalid"]


def test_a_default_rate_exists_when_a_kind_of_number_does() -> None:
    assert set(DEFAULT_RATES) == set(NumberKind)
