"""How buckets are shared: all of them, evenly, and with as few moves as possible."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.core.sharing import fair_share


def processes(*held: int) -> dict[UUID, int]:
    return {UUID(int=n): count for n, count in enumerate(held, 1)}


@pytest.mark.parametrize(
    ("held", "buckets", "shares"),
    [
        ((), 5, ()),
        ((0,), 5, (5,)),
        ((5, 0), 5, (3, 2)),
        ((0, 5), 5, (2, 3)),
        ((3, 3, 3, 1), 10, (3, 3, 2, 2)),
        ((1, 1, 0), 2, (1, 1, 0)),
        ((2, 2), 0, (0, 0)),
    ],
)
def test_everybody_gets_as_much_as_anybody_when_buckets_are_shared(
    held: tuple[int, ...], buckets: int, shares: tuple[int, ...]
) -> None:
    assert fair_share(processes(*held), buckets) == processes(*shares)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(0, 1024))
def test_all_buckets_are_shared_out_evenly_whatever_was_held(held: list[int], buckets: int) -> None:
    shares = fair_share(processes(*held), buckets).values()

    assert sum(shares) == buckets
    assert max(shares) - min(shares) <= 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12), st.integers(0, 1024))
def test_nothing_changes_hands_when_the_shares_are_fair_already(held: list[int], buckets: int) -> None:
    shares = fair_share(processes(*held), buckets)

    assert fair_share(shares, buckets) == shares
