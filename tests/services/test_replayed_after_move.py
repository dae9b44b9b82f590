"""A webhook that is played again after its number went to another pool must not reach whoever is behind it now."""

from __future__ import annotations

from relay.services.inbound import Taken
from tests.services.people import ALICE, BOB, CAROL, number
from tests.services.rig import Rig, new_sid, proxy_of, start_talk


async def test_an_old_text_reaches_nobody_new_when_its_number_changed_pools(rig: Rig) -> None:
    first, moved = await rig.pool("first", [number(0)]), number(0)
    talk = await start_talk(rig, pool=first, one=ALICE, other=BOB, cool_down=3600)
    sid = new_sid()
    await talk.say("meet me at the gate", sid=sid)
    await rig.send_all(first.bucket)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(hours=2)
    await rig.relay.expiry.free_numbers(first.bucket)
    rented = (await rig.relay.numbers.listed(rig.account))[0]
    await rig.relay.numbers.remove(rig.account, rented.number.id)
    second = await rig.pool("second", [moved])
    view = await rig.session(second, ALICE, CAROL)

    replayed = await rig.text(ALICE, proxy_of(view, 1), "meet me at the gate", sid=sid)
    fresh = await rig.text(ALICE, proxy_of(view, 1), "hello Carol")
    await rig.send_all(second.bucket)

    assert (replayed, fresh) == (Taken.DUPLICATE, Taken.FORWARDED)
    assert [(t.to, t.text) for t in rig.carrier.sent] == [(BOB, "meet me at the gate"), (CAROL, "hello Carol")]


async def test_a_text_to_a_number_that_was_unknown_stays_refused_when_it_is_imported_later(rig: Rig) -> None:
    sid = new_sid()
    first = await rig.text(ALICE, number(7), "anybody?", sid=sid)
    pool = await rig.pool("default", [number(7)])
    view = await rig.session(pool, ALICE, BOB)

    replayed = await rig.text(ALICE, proxy_of(view, 1), "anybody?", sid=sid)

    assert (first, replayed) == (Taken.REFUSED, Taken.DUPLICATE)
