"""One text crosses: in at one end, out at the other, and nothing of it stays."""

from __future__ import annotations

from relay.services.inbound import Taken
from tests.services.people import ALICE, BOB, STRANGER
from tests.services.rig import Rig, proxy_of

NUMBERS = ["+12025550100", "+12025550101", "+12025550102"]


async def test_text_reaches_the_other_person_from_the_number_they_know(rig: Rig) -> None:
    pool = await rig.pool("default", NUMBERS)
    view = await rig.session(pool, ALICE, BOB)

    taken = await rig.text(ALICE, proxy_of(view, 1), "Where are you? 👋")
    await rig.send_all(pool.bucket)

    assert taken is Taken.FORWARDED
    assert [(t.sender, t.to, t.text) for t in rig.carrier.sent] == [(proxy_of(view, 2), BOB, "Where are you? 👋")]
    assert await rig.rows("select state, attempts from message") == [{"state": "accepted", "attempts": 1}]
    assert await rig.rows("select * from outbox") == []
    types = [row["type"] for row in await rig.rows("select type from event where message_id is not null order by id")]
    assert types == ["message.received", "message.accepted"]


async def test_stranger_reaches_nobody(rig: Rig) -> None:
    pool = await rig.pool("default", NUMBERS)
    view = await rig.session(pool, ALICE, BOB)

    taken = await rig.text(STRANGER, proxy_of(view, 1), "let me in")
    await rig.send_all(pool.bucket)

    assert taken is Taken.REFUSED
    assert rig.carrier.sent == []
    assert await rig.rows("select state, reason from message") == [{"state": "refused", "reason": "no_session"}]
