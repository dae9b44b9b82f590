"""The chart, as values: every event is in it once, nothing stands outside of it, and its table says the same."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.web.chart import OTHERS, charted
from relay.web.log import DayCount

FIRST = date(2026, 11, 1)


def counted(*counts: tuple[int, str, int]) -> list[DayCount]:
    """``(day, event, count)``; days from the first one on."""
    return [DayCount(FIRST + timedelta(days=day), event, count) for day, event, count in counts]


def test_five_kinds_have_their_own_piece_when_there_are_more() -> None:
    names = ["a.a", "b.b", "c.c", "d.d", "e.e", "f.f", "g.g"]
    chart = charted(counted(*((0, name, 10 - place) for place, name in enumerate(names))), FIRST, FIRST)

    assert [(kind.name, kind.total) for kind in chart.kinds] == [
        *zip(names[:5], (10, 9, 8, 7, 6), strict=True),
        (OTHERS, 9),
    ]
    assert [piece.rank for piece in chart.pieces] == [1, 2, 3, 4, 5, 6]
    assert chart.rows[0].counts == (10, 9, 8, 7, 6, 9)


def test_every_day_has_a_row_when_nothing_happened() -> None:
    chart = charted([], FIRST, FIRST + timedelta(days=6))

    assert [row.total for row in chart.rows] == [0] * 7
    assert (list(chart.kinds), list(chart.pieces), chart.said) == ([], [], "No events in these days.")


@pytest.mark.parametrize(
    ("most", "top"), [(0, 2), (1, 2), (3, 4), (5, 6), (10, 10), (11, 20), (41, 60), (667, 800), (1500, 2000)]
)
def test_the_axis_ends_at_a_round_number_when_the_highest_bar_is_below(most: int, top: int) -> None:
    assert charted(counted((0, "a.a", most)), FIRST, FIRST).top == top


_COUNTS = st.lists(
    st.tuples(
        st.integers(-3, 40), st.sampled_from(["a.a", "b.b", "c.c", "d.d", "e.e", "f.f", "g.g"]), st.integers(0, 10**6)
    )
)


@given(_COUNTS, st.integers(0, 91))
def test_nothing_is_lost_and_nothing_stands_outside_when_any_counts_are_drawn(
    counts: list[tuple[int, str, int]], days: int
) -> None:
    chart = charted(counted(*counts), FIRST, FIRST + timedelta(days=days))
    inside = sum(count for day, _, count in counts if 0 <= day <= days)
    heights = sum(piece.height for piece in chart.pieces)

    assert chart.total == sum(row.total for row in chart.rows) == inside
    assert len(chart.rows) == days + 1
    assert all(len(row.counts) == len(chart.kinds) for row in chart.rows)
    assert all(min(p.x, p.y) >= -0.01 and max(p.x + p.width, p.y + p.height) <= 100.01 for p in chart.pieces)
    assert heights == pytest.approx(100 * inside / chart.top, abs=0.01 * (len(chart.pieces) + 1))
