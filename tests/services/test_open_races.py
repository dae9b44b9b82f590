"""Many sessions for one person at once: as many different numbers, or a clear reason; never an error, never a deadlock."""

from __future__ import annotations

import asyncio

import pytest

from relay.core.errors import Conflict
from relay.services.sessions import SessionView
from tests.services.people import numbers, phone
from tests.services.rig import Rig, proxy_of

pytestmark = pytest.mark.long

AT_ONCE = 32


@pytest.mark.parametrize(("rented", "expected"), [(40, 32), (20, 20)])
async def test_one_person_gets_as_many_numbers_as_sessions_or_a_reason(rig: Rig, rented: int, expected: int) -> None:
    pool = await rig.pool("default", numbers(rented))
    for n in range(6):
        busy = phone(40 * n)
        tries = (rig.session(pool, busy, phone(40 * n + 1 + i)) for i in range(AT_ONCE))
        results = await asyncio.gather(*tries, return_exceptions=True)

        views = [r for r in results if isinstance(r, SessionView)]
        refused = [r for r in results if isinstance(r, Conflict)]
        assert len(views) + len(refused) == AT_ONCE, [r for r in results if not isinstance(r, SessionView | Conflict)]
        assert len({proxy_of(view, 1) for view in views}) == len(views) == expected
        assert {(r.code, r.reason) for r in refused} <= {("no_number_available", "all_held_by_this_person")}


async def test_two_people_opening_sessions_with_each_other_in_both_orders_do_not_deadlock(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(20))
    one, other = phone(0), phone(1)
    pairs = [(one, other), (other, one)] * 8

    views = await asyncio.gather(*(rig.session(pool, *pair) for pair in pairs))

    assert len({view.session.id for view in views}) == 16
    held = await rig.rows("select count(*) as n from binding where held_until = 'infinity' group by party_index")
    assert [row["n"] for row in held] == [16, 16]
