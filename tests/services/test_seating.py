"""Who asks for a seat in particular: a number by name, the nearest there is, a first text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from relay.core.errors import Conflict
from relay.core.model import GeoFallback, GeoMatch, NumberState
from relay.core.phone import Phone
from relay.services.sessions import PersonWanted, SessionView, SessionWanted
from relay.storage.configuration import Pool
from tests.services.carrier import unreachable
from tests.services.people import ALICE, BOB, CAROL, number, numbers, phone
from tests.services.rig import Rig, people, proxy_of, start_talk
from tests.services.test_opening import refusal

SWEDE, SWEDISH = "+46701740605", "+46701740606"
_GREETING = "You are connected. Text this number to reach the other person; neither sees the other's number."


def named(pool: Pool, one: str | None, other: str | None, *, phones: tuple[str, str] = (ALICE, BOB)) -> SessionWanted:
    """A session of two people who are to text these numbers."""
    first, second = (
        PersonWanted(Phone.parse(e164), proxy_number=number) for e164, number in zip(phones, (one, other), strict=True)
    )
    return SessionWanted(pool, (first, second))


async def opened(rig: Rig, wanted: SessionWanted) -> SessionView:
    return await rig.relay.sessions.open(rig.account, wanted, await rig.seed())


async def why_not(rig: Rig, wanted: SessionWanted) -> str:
    """The constraint that failed; asking first gives the same answer."""
    reasons = []
    for asking in (rig.relay.sessions.dry_run(rig.account, wanted), opened(rig, wanted)):
        with pytest.raises(Conflict) as caught:
            await asking
        assert caught.value.code == "no_number_available"
        reasons.append(caught.value.reason)
    assert reasons[0] == reasons[1]
    return reasons[0]


async def test_the_named_numbers_are_given_when_they_are_free(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(8))
    told = await rig.relay.sessions.dry_run(rig.account, named(pool, number(5), number(5)))
    both = await opened(rig, named(pool, number(5), number(5)))
    only_one = await opened(rig, named(pool, number(6), None))

    assert told == [proxy_of(both, 1), proxy_of(both, 2)] == [number(5), number(5)]
    assert proxy_of(only_one, 1) == number(6)
    assert proxy_of(only_one, 2) != number(5)


async def test_a_reserved_number_is_given_when_it_is_named_and_a_draining_one_is_not(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))
    kept, going = (view.number for view in await rig.relay.numbers.listed(rig.account) if view.number.e164 != number(0))
    await rig.relay.numbers.change(rig.account, kept.id, state=NumberState.RESERVED)
    await rig.relay.numbers.change(rig.account, going.id, state=NumberState.DRAINING)

    view = await opened(rig, named(pool, kept.e164, None))

    assert [proxy_of(view, 1), proxy_of(view, 2)] == [kept.e164, number(0)]
    assert await why_not(rig, named(pool, going.e164, None)) == "all_draining_or_reserved"


async def test_the_failed_constraint_is_told_when_the_named_number_cannot_be_had(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    await rig.pool("elsewhere", [number(9)])
    await opened(rig, named(pool, number(0), None))

    assert await why_not(rig, named(pool, number(0), None, phones=(ALICE, CAROL))) == "all_held_by_this_person"
    assert await why_not(rig, named(pool, number(9), None)) == "number_not_in_pool"
    assert await why_not(rig, named(pool, number(50), None)) == "number_not_in_pool"
    assert await why_not(rig, named(pool, BOB, None)) == "number_not_in_pool"


async def test_one_session_opens_when_many_name_the_same_number_for_one_person_at_once(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(4))
    wanted = [named(pool, number(2), None, phones=(ALICE, phone(n))) for n in range(12)]
    results = await asyncio.gather(*(opened(rig, one) for one in wanted), return_exceptions=True)

    views = [result for result in results if isinstance(result, SessionView)]
    refused = [result for result in results if isinstance(result, Conflict)]
    assert (len(views), len(refused)) == (1, 11), results
    assert {(r.code, r.reason) for r in refused} == {("no_number_available", "all_held_by_this_person")}


async def test_the_nearest_number_is_given_when_none_is_as_near_as_asked(rig: Rig) -> None:
    pool = await rig.pool("default", [number(0), number(1), SWEDISH])
    nearest: dict[str, Any] = {"geo_match": GeoMatch.AREA_CODE, "geo_fallback": GeoFallback.NEAREST}

    assert (await refusal(rig, pool, ALICE, BOB, geo_match=GeoMatch.AREA_CODE))[1] == "no_number_in_area_code"
    views = [await rig.session(pool, ALICE, other, **nearest) for other in (SWEDE, phone(0), phone(1))]
    given = [proxy_of(view, 1) for view in views]
    assert set(given[:2]) == set(numbers(2))
    assert given[2] == SWEDISH
    assert proxy_of(views[0], 2) == SWEDISH


async def test_a_country_without_a_number_is_refused_when_any_number_would_do_and_none_is_allowed(rig: Rig) -> None:
    """Without the tie to a number of its country, a phone could be anywhere in the world."""
    pool = await rig.pool("default", numbers(2))

    assert (await refusal(rig, pool, ALICE, SWEDE, geo_fallback=GeoFallback.NEAREST))[0] == "country_not_allowed"


async def test_each_side_is_greeted_from_its_own_number_when_a_session_opens(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))
    seed = await rig.seed()
    await rig.relay.sessions.dry_run(rig.account, SessionWanted(pool, people(ALICE, BOB), greeting=True))
    talk = await start_talk(rig, pool=pool, seed=seed, greeting=True)
    await talk.say("hello")
    await rig.session(pool, ALICE, BOB, seed=seed, greeting=True)
    await rig.send_all(talk.bucket)

    sent = [(t.sender, t.to, t.text.removesuffix(" Reply STOP to get no more.")) for t in rig.carrier.sent]
    assert sorted(sent[:2]) == sorted([(talk.proxy(1), ALICE, _GREETING), (talk.proxy(2), BOB, _GREETING)])
    assert sent[2:] == [(talk.proxy(2), BOB, "hello")]
    assert await rig.states("notice") == [("accepted", None)] * 2


async def test_the_greeting_comes_first_when_the_other_writes_at_once(rig: Rig) -> None:
    talk = await start_talk(rig, greeting=True)
    await talk.say("hello")
    (first,) = (intent for intent in await rig.begin(talk.bucket) if intent.letter.phone == BOB)

    assert first.letter.text.startswith(_GREETING)


async def test_nobody_is_greeted_when_they_have_stopped_or_the_session_has_closed(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(3))
    stopped = await start_talk(rig, pool=pool, greeting=True)
    await stopped.say("STOP", slot=2)
    closed = await start_talk(rig, pool=pool, one=CAROL, other=phone(0), greeting=True)
    await rig.relay.sessions.close(rig.account, closed.id)
    await rig.send_all(pool.bucket)

    assert {t.to for t in rig.carrier.sent} == {ALICE}
    assert sorted(await rig.states("notice"), key=str) == sorted(
        [("accepted", None), ("refused", "opted_out"), *[("refused", "session_closed")] * 2], key=str
    )


async def test_the_accounts_own_words_greet_when_it_has_some(rig: Rig) -> None:
    rig.account = await rig.relay.accounts.change(
        rig.account.id, {"notices": {"greeting": "{programme}Hi!"}, "programme": "Rides"}
    )
    talk = await start_talk(rig, greeting=True)
    await rig.send_all(talk.bucket)

    assert [t.text for t in rig.carrier.sent] == ["Rides: Hi!"] * 2


async def test_no_greeting_leaves_when_it_came_back_to_a_closed_session_or_to_who_was_replaced(rig: Rig) -> None:
    talk = await start_talk(rig, pool=await rig.pool("default", numbers(3)), greeting=True)
    intents = await rig.begin(talk.bucket)
    await rig.replace(talk.view, 2, CAROL)
    other = await start_talk(rig, pool=talk.pool, one=phone(0), other=phone(1), greeting=True)
    intents += await rig.begin(talk.bucket)
    await rig.relay.sessions.close(rig.account, other.id)
    rig.carrier.answer = unreachable
    for intent in intents:
        await rig.hand_over(talk.bucket, intent)
    rig.carrier.answer = None
    rig.later(minutes=11)
    await rig.send_all(talk.bucket)

    assert len(intents) == 4
    assert [t.to for t in rig.carrier.sent] == [ALICE]
    assert sorted(await rig.states("notice"), key=str) == sorted(
        [("accepted", None), ("refused", "participant_replaced"), *[("refused", "session_closed")] * 2], key=str
    )
