"""A closed session opened again: as it was, for the same people; and when it stays closed."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from relay.core.errors import Conflict, InvalidInput, NotFound
from relay.core.model import NumberState
from relay.core.phone import Phone
from relay.services.inbound import Taken
from relay.services.sessions import ReopeningWanted
from tests.services.people import ALICE, BOB, CAROL, number, numbers, phone
from tests.services.rig import Rig, Talk, proxy_of, start_talk

HOUR = 3600


async def closed_talk(rig: Rig, *, rented: int = 3, **more: Any) -> Talk:
    """Alice and Bob have talked; their numbers cool down for an hour."""
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(rented)), cool_down=HOUR, **more)
    await rig.relay.sessions.close(rig.account, talk.id)
    return talk


async def refusal(talk: Talk, *people: str, **more: Any) -> tuple[str, str]:
    """Code and reason of the answer; nothing has changed."""
    rig = talk.rig
    before = await rig.relay.sessions.read(rig.account, talk.id)
    with pytest.raises((Conflict, InvalidInput)) as caught:
        await rig.reopen(talk, *people, **more)
    assert await rig.relay.sessions.read(rig.account, talk.id) == before
    return caught.value.code, getattr(caught.value, "reason", "")


async def test_a_session_is_as_it_was_when_it_is_reopened(rig: Rig) -> None:
    talk = await closed_talk(rig, unique_name="ride 7", metadata={"ride": "7"}, idle_timeout=600)
    rig.later(minutes=59)
    again = await rig.reopen(talk, expires_in=7200)
    session, now = again.session, await rig.relay.database.now()
    taken = [await talk.say("hello again"), await talk.say("hello yourself", slot=2)]
    await rig.send_all(talk.bucket)

    assert (session.status, session.closed_at, session.close_reason) == ("open", None, None)
    assert (session.unique_name, session.metadata, session.idle_timeout) == ("ride 7", {"ride": "7"}, 600)
    assert timedelta(minutes=119) < session.expires_at - now <= timedelta(hours=2)
    assert again.participants == talk.view.participants
    assert again.proxy_numbers == talk.view.proxy_numbers
    assert taken == [Taken.FORWARDED] * 2
    assert sorted((t.sender, t.to) for t in rig.carrier.sent) == sorted([(talk.proxy(2), BOB), (talk.proxy(1), ALICE)])
    events = await rig.rows(
        "select type from event where session_id = $1 and type like 'session.%' order by at", talk.id
    )
    assert [e["type"] for e in events] == ["session.opened", "session.closed", "session.reopened"]


async def test_it_falls_silent_anew_when_it_is_reopened(rig: Rig) -> None:
    talk = await closed_talk(rig, idle_timeout=600)
    rig.later(minutes=30)
    await rig.reopen(talk, idle_timeout=1200)
    rig.later(minutes=19)
    kept = await rig.relay.expiry.end_sessions(talk.bucket)
    rig.later(minutes=2)

    assert (kept, await rig.relay.expiry.end_sessions(talk.bucket)) == (0, 1)
    assert (await rig.relay.sessions.read(rig.account, talk.id)).session.close_reason == "idle"


async def test_it_can_be_reopened_again_and_again_when_it_closes_in_between(rig: Rig) -> None:
    talk = await closed_talk(rig)
    for phones in ((BOB, ALICE), (ALICE, BOB)):
        await rig.reopen(talk, *phones)
        await talk.say("hello")
        _, in_flight = await rig.relay.sessions.close(rig.account, talk.id)
        assert in_flight == ()

    phones_left = await rig.value("select count(*) from participant where sealed_phone is not null")
    held = await rig.value("select count(*) from binding where held_until < 'infinity'")
    assert (phones_left, held) == (0, 2)
    assert await rig.states() == [("refused", "session_closed")] * 2
    assert await talk.say("late") is Taken.REFUSED


async def test_nothing_more_happens_when_the_same_reopening_is_asked_for_again(rig: Rig) -> None:
    talk, seed = await closed_talk(rig), await rig.seed()
    first = await rig.reopen(talk, seed=seed)
    again = await rig.reopen(talk, seed=seed)
    opened_twice = await refusal(talk)
    await rig.relay.sessions.close(rig.account, talk.id)
    closed = await rig.reopen(talk, seed=seed)

    assert again == first
    assert opened_twice == ("session_open", "")
    assert closed.session.status == "closed"


async def test_it_stays_closed_when_the_people_are_others(rig: Rig) -> None:
    talk = await closed_talk(rig)

    for people in ((ALICE, CAROL), (CAROL, BOB), (CAROL, phone(0)), (ALICE, ALICE)):
        assert await refusal(talk, *people) == ("not_the_same_people", "")
    assert await refusal(talk, ALICE, number(0)) == ("own_number", "")
    assert (await refusal(talk, expires_in=181 * 86400))[0] == "invalid_request"


async def test_it_stays_closed_when_its_time_is_over(rig: Rig) -> None:
    talk = await closed_talk(rig)
    rig.later(hours=1)
    not_freed_yet = await refusal(talk)
    await rig.relay.expiry.free_numbers(talk.bucket)

    assert not_freed_yet == await refusal(talk) == ("session_not_reopenable", "cool_down_over")


async def test_it_stays_closed_when_its_numbers_have_passed_on_to_a_later_session(rig: Rig) -> None:
    talk = await closed_talk(rig, rented=1)
    later = await start_talk(rig, pool=talk.pool, cool_down=HOUR)
    while_open = await refusal(talk)
    await rig.relay.sessions.close(rig.account, later.id)

    assert while_open == await refusal(talk) == ("session_not_reopenable", "numbers_taken")
    assert (await rig.reopen(later)).session.status == "open"


async def test_it_stays_closed_when_a_number_was_withdrawn(rig: Rig) -> None:
    talk = await closed_talk(rig, rented=2)
    (mine,) = (v.number for v in await rig.relay.numbers.listed(rig.account) if v.number.e164 == talk.proxy(1))
    await rig.relay.numbers.change(rig.account, mine.id, state=NumberState.DRAINING)

    assert await refusal(talk) == ("session_not_reopenable", "number_withdrawn")


async def test_it_stays_closed_when_somebody_opted_out_or_its_name_is_taken(rig: Rig) -> None:
    talk = await closed_talk(rig, unique_name="ride 7")
    other = await rig.session(talk.pool, CAROL, phone(0), unique_name="ride 7")
    named = await refusal(talk)
    await rig.relay.sessions.close(rig.account, other.session.id)
    await talk.say("STOP", slot=2)

    assert named == ("unique_name_taken", "")
    assert await refusal(talk) == ("participant_opted_out", "")
    await talk.say("START", slot=2)
    assert (await rig.reopen(talk)).session.status == "open"


async def test_the_last_people_come_back_when_one_had_been_replaced(rig: Rig) -> None:
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(3)))
    view, _ = await rig.replace(talk.view, 2, CAROL)
    await rig.relay.sessions.close(rig.account, talk.id)
    wrong = await refusal(talk)
    again = replace(talk, view=await rig.reopen(talk, CAROL, ALICE), other=CAROL)
    await again.say("hello")
    old = await talk.say("me too", slot=2)
    await rig.send_all(talk.bucket)

    assert wrong == ("not_the_same_people", "")
    assert again.view.participants == view.participants
    assert old is Taken.REFUSED
    assert {(t.sender, t.to) for t in rig.carrier.sent} == {(proxy_of(view, 2), CAROL), (talk.proxy(2), BOB)}


async def test_nobody_is_found_when_the_session_is_another_accounts_or_none(rig: Rig) -> None:
    talk = await closed_talk(rig)
    stranger = await rig.relay.accounts.add("another market")
    phones = (Phone.parse(ALICE), Phone.parse(BOB))
    for account, session_id in ((stranger, talk.id), (rig.account, uuid4())):
        with pytest.raises(NotFound):
            await rig.relay.sessions.reopen(account, ReopeningWanted(session_id, phones), await rig.seed())


@pytest.mark.long
async def test_one_of_them_has_the_numbers_when_both_a_reopening_and_new_sessions_want_them(rig: Rig) -> None:
    """Whoever comes first; nobody waits for another in a circle, and there is one live holder of each number and person."""
    pool = await rig.pool("default", numbers(2))
    chance, reopened = random.Random(4), 0
    for n in range(16):
        one, other = phone(2 * n), phone(2 * n + 1)
        talk = await start_talk(rig, pool=pool, one=one, other=other, cool_down=HOUR)
        await rig.relay.sessions.close(rig.account, talk.id)

        async def anew(one: str, other: str) -> object:
            await asyncio.sleep(chance.uniform(0, 0.02))
            return await rig.session(pool, one, other)

        tries = (rig.reopen(talk), anew(one, other), anew(other, one), rig.reopen(talk))
        results = await asyncio.gather(*tries, return_exceptions=True)

        refused = [r for r in results if not hasattr(r, "session")]
        assert all(isinstance(r, Conflict) for r in refused), results
        codes = {(r.code, r.reason) for r in refused if isinstance(r, Conflict)}
        assert codes <= {
            ("session_open", ""),
            ("session_not_reopenable", "numbers_taken"),
            ("no_number_available", "all_held_by_this_person"),
        }
        status = (await rig.relay.sessions.read(rig.account, talk.id)).session.status
        held = await rig.rows(
            "select s.status from binding b join session s on s.id = b.session_id where b.held_until = 'infinity'"
            " and s.id = $1",
            talk.id,
        )
        assert len(held) == (2 if status == "open" else 0)
        reopened += status == "open"
        mixed = await rig.value(
            "select count(*) from session s where (select count(*) from binding b where b.session_id = s.id"
            " and b.held_until = 'infinity') <> case s.status when 'open' then 2 else 0 end"
        )
        assert mixed == 0
    assert 0 < reopened < 16, "the race never was one"
