"""How long what is in no hurry gives way to texts."""

from __future__ import annotations

import math

import pytest

from relay.precedence import longer


@pytest.mark.parametrize(
    ("used", "at_most", "seconds"),
    [
        pytest.param(0.005, math.inf, 0.0, id="not at all when others do little"),
        pytest.param(0.006, math.inf, 6.0, id="twenty times its own work when they do much"),
        pytest.param(0.006, 5.0, 5.0, id="never longer than it may"),
    ],
)
def test_it_gives_way_as_long_as_its_work_and_others_ask_for(used: float, at_most: float, seconds: float) -> None:
    assert longer(0.3, used=used, passed=0.01, at_most=at_most) == pytest.approx(seconds)
