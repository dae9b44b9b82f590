"""Who may take an opt-out back: every source against every reason."""

from __future__ import annotations

import pytest

from relay.core.optouts import LiftReason, OptOutSource, may_lift

_OWN = (OptOutSource.PERSON, OptOutSource.CARRIER)


@pytest.mark.parametrize("source", OptOutSource)
def test_only_what_the_account_put_there_is_lifted_when_it_gives_no_reason(source: OptOutSource) -> None:
    assert may_lift(source, None) is (source not in _OWN)


@pytest.mark.parametrize("source", OptOutSource)
@pytest.mark.parametrize("reason", LiftReason)
def test_anything_is_lifted_when_the_account_answers_for_it(source: OptOutSource, reason: LiftReason) -> None:
    assert may_lift(source, reason)
