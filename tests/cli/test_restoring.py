"""``relay restore-check``: nothing is served over a database that has missed what the journal tells."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from relay.core.ids import Seed
from relay.core.journal import Entry
from relay.core.model import CloseReason
from relay.core.phone import Phone, parse_number
from relay.services.numbers import NumberWanted
from relay.services.sessions import PersonWanted, SessionView, SessionWanted
from relay.wiring import Relay
from tests.cli.command import Command
from tests.cli.conftest import Shop


async def _open_session(house: Relay, shop: Shop) -> SessionView:
    [pool] = await house.pools.listed(shop.account)
    [connection] = await house.connections.listed(shop.account)
    seeds = [Seed(await house.database.now(), bytes([n]) * 10) for n in (3, 4)]
    wanted = NumberWanted(parse_number("+12025550100"), pool, connection.id)
    await house.numbers.add(shop.account, wanted, seeds[0])
    people = PersonWanted(Phone.parse("+12025550177")), PersonWanted(Phone.parse("+12025550188"))
    return await house.sessions.open(shop.account, SessionWanted(pool=pool, people=people), seeds[1])


def test_a_restored_database_is_refused_until_it_was_checked(relay: Command, shop: Shop) -> None:
    view = shop.look(lambda house: _open_session(house, shop))
    ended = Entry(view.session.id, CloseReason.EXPIRED, datetime.now(UTC))
    shop.look(lambda house: asyncio.to_thread(house.restoring.file.append, [ended]))
    before = relay.inside("pools", "list")
    checked = relay.inside("restore-check")
    after = relay.inside("pools", "list")
    again = relay.inside("restore-check")
    now = shop.look(lambda house: house.sessions.read(shop.account, view.session.id))

    assert "missed the end of 1 session(s)" in before.refusal
    assert "relay restore-check" in before.refusal
    assert "closed 1 and erased 0 sessions" in checked.stdout
    assert after.code == 0
    assert "closed 0 and erased 0 sessions" in again.stdout
    assert (now.session.status, now.session.close_reason) == ("closed", "expired")
