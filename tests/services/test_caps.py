"""A daily cap: so many texts of an account leave within a day, and of each that does not it is told why."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from relay.core.caps import day_of
from relay.core.errors import Conflict
from relay.core.model import VerificationPurpose
from relay.core.phone import Phone
from relay.core.rules import Rule
from relay.services.caps import Caps
from relay.services.texts import TextWanted
from relay.services.verifications import VerificationWanted
from relay.storage import caps
from tests.services.people import ALICE, CAROL, STRANGER, numbers
from tests.services.rig import Rig, Talk, start_talk

_OVER = ("refused", "rate_limited")
_WEEK = 7 * 86400


async def capped(rig: Rig, cap: int | None) -> Talk:
    """A talk at noon, so that no test plays over midnight."""
    now = await rig.relay.database.now()
    rig.relay.database.clock_offset += now.replace(hour=12, minute=0, second=0) - now + timedelta(days=1)
    talk = await start_talk(rig, expires_in=_WEEK)
    await cap_at(rig, cap)
    return talk


async def cap_at(rig: Rig, cap: int | None) -> None:
    rig.account = await rig.relay.accounts.change(rig.account.id, {"daily_cap": cap})


async def tell(talk: Talk, text: str, *, after: timedelta | None = None) -> None:
    """The platform texts one of the two."""
    send_at = await talk.rig.relay.database.now() + after if after else None
    wanted = TextWanted(talk.id, talk.view.participants[0].id, text, send_at=send_at)
    await talk.rig.relay.texts.send(talk.rig.account, wanted, await talk.rig.seed())


async def spread(rig: Rig) -> None:
    await Caps(rig.relay.database, rig.relay.configuration).spread(rig.account.bucket)


async def counted(rig: Rig) -> list[tuple[object, ...]]:
    rows = await rig.rows("select bucket, here, elsewhere from daily_count order by bucket")
    return [tuple(row.values()) for row in rows]


async def test_the_rest_of_a_batch_is_refused_and_told_when_the_cap_is_reached(rig: Rig) -> None:
    talk = await capped(rig, 3)
    texts = [talk.arrived(f"text {n}", slot=1 + n % 2) for n in range(5)]
    taken = await rig.relay.inbound.take(talk.bucket, texts)
    await rig.send_all(talk.bucket)

    assert [str(one) for one in taken] == ["forwarded"] * 3 + ["refused"] * 2
    assert sorted(sent.text for sent in rig.carrier.sent) == ["text 0", "text 1", "text 2"]
    told = await rig.rows(
        "select session_id, participant_id is null as nobody from event where reason = 'rate_limited'"
    )
    assert [tuple(row.values()) for row in told] == [(talk.id, False)] * 2
    assert await rig.states("notice") == []


async def test_everybody_is_relayed_again_when_the_next_day_has_begun(rig: Rig) -> None:
    talk = await capped(rig, 1)
    for hours in (0, 11, 2):
        rig.later(hours=hours)
        await talk.say("hello")

    assert await rig.states() == [("queued", None), _OVER, ("queued", None)]


async def test_nothing_is_counted_when_an_account_has_no_cap(rig: Rig) -> None:
    talk = await capped(rig, None)
    await talk.say("hello")
    await tell(talk, "It is near")

    assert await counted(rig) == []


async def test_exactly_the_cap_leaves_when_many_want_to_at_once(rig: Rig) -> None:
    talk = await capped(rig, 7)
    said = [talk.say(f"text {n}", slot=1 + n % 2) for n in range(12)]
    await asyncio.gather(*said, *(tell(talk, f"told {n}") for n in range(8)), return_exceptions=True)
    left = await rig.value("select count(*) from message where state = 'queued'")

    assert (left, await counted(rig)) == (7, [(talk.bucket, 7, 0)])


async def test_the_platform_is_told_why_and_when_when_its_text_or_code_cannot_leave(rig: Rig) -> None:
    talk = await capped(rig, 1)
    await tell(talk, "It is near")
    wanted = VerificationWanted(talk.pool, Phone.parse(CAROL), VerificationPurpose.SESSION)
    with pytest.raises(Conflict) as text:
        await tell(talk, "It is here")
    with pytest.raises(Conflict) as code:
        await rig.relay.verifications.start(rig.account, wanted, await rig.seed())

    assert {error.value.code for error in (text, code)} == {"daily_cap_reached"}
    assert text.value.retry_after is not None
    assert 11 * 3600 < text.value.retry_after <= 12 * 3600 + 1
    assert await rig.value("select count(*) from message") == 1
    assert await rig.value("select count(*) from verification") == 0


async def test_a_text_for_later_counts_when_its_time_has_come(rig: Rig) -> None:
    talk = await capped(rig, 1)
    for hours in (1, 2, 25):
        await tell(talk, f"in {hours} hours", after=timedelta(hours=hours))
    assert await counted(rig) == []
    for hours in (2, 23):
        rig.later(hours=hours)
        while await rig.relay.scheduling.release(talk.bucket):
            await rig.send_all(talk.bucket)

    assert [sent.text for sent in rig.carrier.sent] == ["in 1 hours", "in 25 hours"]
    assert await rig.states("platform") == [("accepted", None), _OVER, ("accepted", None)]
    assert await rig.value("select count(*) from outbox") == 0


async def test_what_relay_says_by_itself_is_refused_as_well_but_for_answers_to_stop_and_help(rig: Rig) -> None:
    talk = await capped(rig, 0)
    await rig.relay.pools.change(rig.account, "default", rules=[Rule("JOIN", "Welcome.")])
    await rig.session(talk.pool, ALICE, CAROL, greeting=True)
    await rig.text(STRANGER, talk.proxy(1), "JOIN")
    await talk.say("", media=1)
    assert await rig.states("notice") == [_OVER] * 4
    assert await rig.send_all(talk.bucket) == 0

    await talk.say("HELP")
    assert await rig.send_all(talk.bucket) == 1


async def test_pools_hear_of_each_other_when_they_are_told(rig: Rig) -> None:
    talk = await capped(rig, 3)
    beside = await start_talk(rig, pool=await rig.pool("other", numbers(3, start=20)), expires_in=_WEEK)
    await talk.say("one")
    await talk.say("two")
    await spread(rig)
    for text in ("three", "four"):
        await beside.say(text)
    both = {talk.bucket: (2, 0), beside.bucket: (1, 2)}
    assert await counted(rig) == [(bucket, *n) for bucket, n in sorted(both.items())]
    await spread(rig)
    await talk.say("five")

    assert [state for state, _ in await rig.states()].count("queued") == 3
    rig.later(days=1)
    await spread(rig)
    for n in range(4):
        await talk.say(f"tomorrow {n}")
    assert (await rig.states())[-4:] == [("queued", None)] * 3 + [_OVER]


async def test_a_new_day_is_not_charged_when_yesterdays_word_comes_late(rig: Rig) -> None:
    talk = await capped(rig, 2)
    yesterday = day_of(await rig.relay.database.now())
    rig.later(hours=13)
    await talk.say("hello")
    async with rig.relay.database.transaction() as tx:
        await caps.tell(tx, talk.bucket, rig.account.id, yesterday, 100)
    for text in ("hello again", "and again"):
        await talk.say(text)

    assert await rig.states() == [("queued", None)] * 2 + [_OVER]


async def test_a_cap_that_is_raised_leaves_room_at_once(rig: Rig) -> None:
    talk = await capped(rig, 1)
    for text in ("one", "two", "three"):
        await talk.say(text)
    await cap_at(rig, 2)
    for text in ("four", "five"):
        await talk.say(text)

    assert await rig.states() == [("queued", None), _OVER, _OVER, ("queued", None), _OVER]
