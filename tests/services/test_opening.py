"""Opening a session: what it answers, what it refuses and why, and that the same request again makes nothing new."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from relay.core.errors import Conflict, InvalidInput
from relay.core.model import GeoMatch, NumberState
from relay.services.sessions import SessionWanted
from relay.storage.configuration import Pool
from tests.services.people import ALICE, BOB, CAROL, number, numbers, phone
from tests.services.rig import Rig, people, proxy_of, start_talk
from tests.services.waiting import until


async def refusal(rig: Rig, pool: Pool, one: str, other: str, **more: object) -> tuple[str, str]:
    """Code and reason of the answer to a request that cannot be met; asking first gives the same answer."""
    wanted = SessionWanted(pool, people(one, other), **more)  # type: ignore[arg-type]  # a test's own words
    answers = []
    for asking in (
        rig.relay.sessions.dry_run(rig.account, wanted),
        rig.relay.sessions.open(rig.account, wanted, await rig.seed()),
    ):
        with pytest.raises((Conflict, InvalidInput)) as caught:
            await asking
        answers.append((caught.value.code, getattr(caught.value, "reason", "")))
    assert answers[0] == answers[1]
    return answers[0]


async def test_a_session_shows_what_was_asked_for_when_it_is_open(rig: Rig) -> None:
    talk = await start_talk(
        rig, unique_name="ride 7", metadata={"ride": "7"}, expires_in=600, idle_timeout=60, cool_down=90
    )

    session = (await rig.relay.sessions.read(rig.account, talk.id)).session

    assert (session.unique_name, session.metadata, session.status) == ("ride 7", {"ride": "7"}, "open")
    assert session.expires_at - session.created_at == timedelta(seconds=600)
    assert (session.idle_timeout, session.cool_down) == (60, 90)
    assert [(p.slot, p.label, p.opted_out) for p in talk.view.participants] == [(1, "one", False), (2, "other", False)]
    assert talk.view.pool_name == "default"


async def test_the_accounts_defaults_count_when_the_request_names_none(rig: Rig) -> None:
    changes = {"default_expires_in": 700, "default_idle_timeout": 70, "default_cool_down": 7200}
    rig.account = await rig.relay.accounts.change(rig.account.id, changes)

    session = (await start_talk(rig)).view.session

    assert session.expires_at - session.created_at == timedelta(seconds=700)
    assert (session.idle_timeout, session.cool_down) == (70, 7200)


async def test_the_same_session_comes_when_the_same_request_is_made_again(rig: Rig) -> None:
    """In a pool of one number, with a name, and after somebody opted out: nothing of that is asked a second time."""
    pool, seed = await rig.pool("default", numbers(1)), await rig.seed()
    talk = await start_talk(rig, pool=pool, seed=seed, unique_name="ride 7")
    await talk.say("STOP", slot=2)

    again = await rig.session(pool, ALICE, BOB, seed=seed, unique_name="ride 7")

    assert again.session == talk.view.session
    assert await rig.value("select count(*) from session") == 1
    assert await rig.value("select count(*) from binding") == 2


async def test_the_numbers_told_beforehand_are_the_ones_given_when_there_is_one_choice(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(1))
    wanted = SessionWanted(pool, people(ALICE, BOB))

    told = await rig.relay.sessions.dry_run(rig.account, wanted)

    assert told == [number(0), number(0)]
    assert await rig.rows("select 1 from session") == await rig.rows("select 1 from person") == []
    talk = await start_talk(rig, pool=pool)
    assert [talk.proxy(1), talk.proxy(2)] == told


async def test_two_people_must_be_two_when_a_session_is_opened(rig: Rig) -> None:
    assert (await refusal(rig, await rig.pool("default", numbers(2)), ALICE, ALICE))[0] == "same_person"


async def test_one_of_our_numbers_is_nobody_when_a_session_is_opened(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))

    assert (await refusal(rig, pool, ALICE, number(1)))[0] == "own_number"


async def test_a_country_is_refused_when_the_account_does_not_allow_it(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    rig.account = await rig.relay.accounts.change(rig.account.id, {"allowed_countries": ["US"]})

    assert (await refusal(rig, pool, ALICE, "+46701740605"))[0] == "country_not_allowed"


async def test_a_foreign_phone_needs_a_number_of_its_country_unless_any_will_do(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(2))
    sweden = "+46701740605"

    assert await refusal(rig, pool, ALICE, sweden) == ("no_number_available", "no_number_in_country")
    assert (await refusal(rig, pool, ALICE, sweden, geo_match=GeoMatch.ANY))[0] == "country_not_allowed"
    rig.account = await rig.relay.accounts.change(rig.account.id, {"allowed_countries": ["US", "SE"]})
    view = await rig.session(pool, ALICE, sweden, geo_match=GeoMatch.ANY)
    assert proxy_of(view, 2) in numbers(2)


async def test_an_area_is_kept_to_when_it_is_asked_for(rig: Rig) -> None:
    pool = await rig.pool("default", [number(0), "+12025550100"])

    view = await rig.session(pool, ALICE, BOB, geo_match=GeoMatch.AREA_CODE)

    assert [proxy_of(view, 1), proxy_of(view, 2)] == ["+12025550100"] * 2
    assert await refusal(rig, pool, phone(0), phone(1), geo_match=GeoMatch.AREA_CODE) == (
        "no_number_available",
        "no_number_in_area_code",
    )


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (NumberState.DRAINING, "all_draining_or_reserved"),
        (NumberState.RESERVED, "all_draining_or_reserved"),
        (NumberState.QUARANTINED, "all_draining_or_reserved"),
        (NumberState.UNREGISTERED, "not_registered_for_route"),
    ],
)
async def test_a_number_is_not_given_when_it_is_not_ready(rig: Rig, state: NumberState, reason: str) -> None:
    pool = await rig.pool("default", numbers(1))
    (view,) = await rig.relay.numbers.listed(rig.account)
    await rig.relay.numbers.change(rig.account, view.number.id, state=state)

    assert await refusal(rig, pool, ALICE, BOB) == ("no_number_available", reason)


async def test_another_number_is_given_when_the_chosen_one_is_being_withdrawn(rig: Rig) -> None:
    """Every session waits for the number that is being drained, or takes the other one at once; none gets it."""
    pool = await rig.pool("default", numbers(2))
    going = (await rig.relay.numbers.listed(rig.account))[0].number
    async with rig.relay.database.transaction() as tx:
        await tx.execute("update number_state set state = 'draining' where number_id = $1", going.id)
        opening = [
            asyncio.create_task(start_talk(rig, pool=pool, one=phone(n), other=phone(n + 1))) for n in range(0, 12, 2)
        ]
        await until(lambda: rig.rows("select 1 from pg_locks where not granted"))

    talks = await asyncio.gather(*opening)
    assert going.e164 not in {talk.proxy(slot) for talk in talks for slot in (1, 2)}


async def test_a_name_can_be_given_again_when_its_session_has_closed(rig: Rig) -> None:
    pool = await rig.pool("default", numbers(4))
    first = await rig.session(pool, ALICE, BOB, unique_name="ride 7")
    with pytest.raises(Conflict) as caught:
        await rig.session(pool, ALICE, CAROL, unique_name="ride 7")
    await rig.relay.sessions.close(rig.account, first.session.id)

    again = await rig.session(pool, ALICE, CAROL, unique_name="ride 7")

    assert caught.value.code == "unique_name_taken"
    assert again.session.unique_name == "ride 7"
