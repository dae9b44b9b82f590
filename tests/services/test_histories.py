"""Random histories of an account. RELAY_HISTORIES says how many; ten thousand take about half an hour."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from relay.providers import twilio
from tests.services.histories import PEOPLE, Book, History, Step
from tests.services.rig import CREDENTIALS, Rig

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:Generating overly large repr")]

_IN_ALL = int(os.environ.get("RELAY_HISTORIES", "80"))
_PART = 80  # in one database: the more accounts it holds, the longer each step takes
_ACTS = (
    "open",
    "say",
    "say",
    "tell",
    "send",
    "send",
    "answer",
    "fail",
    "stop",
    "start",
    "close",
    "pool",
    "race",
    "cross",
    "replace",
)
_serial = count(1)

STEPS = st.lists(
    st.tuples(st.sampled_from(_ACTS), st.integers(0, PEOPLE - 1), st.integers(0, 3)), min_size=4, max_size=14
)
#: Each kind of step where it finds something to do, whatever chance has for the others.
EVERY: list[Step] = [
    *(
        ("say", 0, 0),
        ("send", 0, 0),
        ("answer", 0, 0),
        ("tell", 0, 0),
        ("send", 0, 0),
        ("fail", 0, 0),
        ("replace", 2, 0),
    ),
    *(("cross", 0, 0), ("start", 0, 0), ("stop", 0, 0), ("start", 0, 0), ("race", 1, 0), ("start", 1, 0)),
    *(("pool", 0, 0), ("open", 1, 1), ("close", 0, 0)),
]


@pytest.fixture
def found() -> Iterator[Counter[str]]:
    """Which kinds of step found something to do; each must have."""
    found: Counter[str] = Counter()
    yield found
    assert found.keys() >= set(_ACTS), "some kind of step never found anything to do"


#: A confirmation is under way while START takes the STOP back, and comes back after START has been said once more.
BACK: list[Step] = [
    ("say", 0, 0), ("race", 1, 0), ("start", 1, 0), ("cross", 0, 0), ("start", 1, 0), ("stop", 1, 0)
]  # fmt: skip


@pytest.mark.parametrize("part", range(max(1, _IN_ALL // _PART)))
@settings(max_examples=min(_PART, _IN_ALL), deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(steps=STEPS)
@example(steps=EVERY)
@example(steps=BACK)
async def test_nothing_begins_after_stop_but_one_confirmation_when_anything_may_happen(
    rig: Rig, found: Counter[str], part: int, steps: list[Step]
) -> None:
    confirms = part % 2 == 0
    quiet = replace(twilio.ADAPTER.capabilities, answers_stop=not confirms)
    rig.relay.adapters["twilio"] = replace(twilio.ADAPTER, capabilities=quiet)
    history = History(await with_account(rig), Book(confirms))

    await history.play([("pool", 0, 0), ("open", 0, 0), *steps])

    assert history.wrong == []
    found.update(history.seen)


async def with_account(rig: Rig) -> Rig:
    """The same database for another account."""
    account = await rig.relay.accounts.add(f"history {next(_serial)}")
    connection = await rig.relay.connections.add(account, "twilio", CREDENTIALS, await rig.seed())
    return Rig(rig.relay, rig.carrier, account, connection, rig.epochs)
