"""How many of the texts of one kind are too many: the last of them, and never more than there are."""

from __future__ import annotations

from uuid import UUID

import pytest

from relay.core.loops import LegLimits, too_many

_TEXTS = [UUID(int=n) for n in range(3)]


@pytest.mark.parametrize(
    ("counted", "most", "parked"),
    [(3, 4, 0), (4, 4, 0), (5, 4, 1), (6, 4, 2), (7, 4, 3), (50, 4, 3), (3, 0, 3), (0, 0, 0)],
)
def test_the_last_are_too_many_when_there_are_more_than_allowed(counted: int, most: int, parked: int) -> None:
    assert list(too_many(_TEXTS, counted, most)) == _TEXTS[3 - parked :]


def test_people_are_not_hindered_when_nothing_else_is_said() -> None:
    assert LegLimits() == LegLimits(per_minute=30, repeats=5, per_person=60)
