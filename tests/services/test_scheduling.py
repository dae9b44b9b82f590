"""Texts for later: they hold nobody up, get their place in the leg when they are due, and are stopped like any other."""

from __future__ import annotations

import asyncio
from datetime import datetime, time, timedelta

import pytest

from relay.core.errors import InvalidInput
from relay.core.quiet_hours import QuietHours
from relay.services.texts import TextWanted
from relay.storage.messages import StoredMessage
from tests.services.people import ALICE
from tests.services.rig import Rig, Talk, start_talk

DAY = timedelta(days=1)
_DAYS = 3 * 86400  # whatever time it is when the test is played, its night lies within


async def tell(
    talk: Talk, text: str, *, after: timedelta | None = None, slot: int = 1, quiet: bool = False
) -> StoredMessage:
    """The platform texts one of the two, at once or so much later."""
    at = await talk.rig.relay.database.now() + after if after is not None else None
    to = talk.view.participants[slot - 1].id
    wanted = TextWanted(talk.id, to, text, send_at=at, respects_quiet_hours=quiet)
    return await talk.rig.relay.texts.send(talk.rig.account, wanted, await talk.rig.seed())


def said(rig: Rig) -> list[str]:
    return [sent.text for sent in rig.carrier.sent]


async def due_now(talk: Talk) -> int:
    """What has come due is queued, and everything queued is sent; returns how many came due."""
    released = await talk.rig.relay.scheduling.release(talk.bucket)
    await talk.rig.send_all(talk.bucket)
    return released


async def test_a_text_for_later_waits_and_nothing_waits_for_it(rig: Rig) -> None:
    talk = await start_talk(rig)
    message = await tell(talk, "later", after=timedelta(hours=1), slot=2)
    await tell(talk, "now", slot=2)
    await talk.say("from Alice")
    await due_now(talk)
    before = said(rig)
    rig.later(hours=1)
    released = await due_now(talk)

    assert message.state == "queued"
    assert message.send_at is not None
    assert timedelta(minutes=59) < message.send_at - message.received_at <= timedelta(hours=1)
    assert (before, said(rig), released) == (["now", "from Alice"], ["now", "from Alice", "later"], 1)
    assert await due_now(talk) == 0


async def test_several_leave_in_the_order_of_their_times_and_behind_what_waits_already(rig: Rig) -> None:
    talk = await start_talk(rig)
    for n in (3, 1, 2):
        await tell(talk, f"{n}", after=timedelta(minutes=n))
    rig.later(minutes=3)
    await tell(talk, "0")
    await due_now(talk)
    places = await rig.rows("select leg_no from message order by leg_no")

    assert said(rig) == ["0", "1", "2", "3"]
    assert [row["leg_no"] for row in places] == [1, 2, 3, 4]
    assert await rig.value("select last_leg_no from session") == 4


async def test_its_four_hours_count_from_its_time(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=3 * 86400)
    await tell(talk, "later", after=timedelta(hours=24))
    rig.later(hours=24)
    await rig.relay.scheduling.release(talk.bucket)
    rig.later(hours=3, minutes=59)
    kept = await rig.relay.expiry.expire_texts(talk.bucket)
    rig.later(minutes=1)
    given_up = await rig.relay.expiry.expire_texts(talk.bucket)

    assert (kept, given_up) == (0, 1)
    assert await rig.states("platform") == [("expired", "deadline")]


async def test_it_never_leaves_when_the_session_is_closed_or_the_person_opts_out_before(rig: Rig) -> None:
    closed = await start_talk(rig)
    opted_out = await start_talk(rig, pool=closed.pool, one=ALICE, other="+12025550166")
    await tell(closed, "later", after=timedelta(hours=1), slot=2)
    await tell(opted_out, "later", after=timedelta(hours=1), slot=2)
    await rig.relay.sessions.close(rig.account, closed.id)
    await opted_out.say("STOP", slot=2)
    rig.later(hours=1)

    assert await due_now(closed) == 0
    assert await rig.states("platform") == [("refused", "session_closed"), ("refused", "opted_out")]
    assert await rig.value("select count(*) from outbox where kind = 'platform'") == 0
    assert "later" not in said(rig)


async def test_a_stop_that_comes_between_wins_when_a_text_is_just_coming_due(rig: Rig) -> None:
    """STOP locks the person and the message, not the session: the release has to find that out by itself."""
    talk = await start_talk(rig)
    message = await tell(talk, "later", after=timedelta(hours=1))
    rig.later(hours=1)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("select 1 from message where id = $1 for update", message.id)
        releasing = asyncio.create_task(rig.relay.scheduling.release(talk.bucket))
        await asyncio.sleep(0.2)
        await tx.execute("update message set state = 'refused', reason = 'opted_out' where id = $1", message.id)
        await tx.execute("delete from outbox where message_id = $1", message.id)
        await tx.execute(
            "insert into event (bucket, id, account_id, type, message_id, reason, at)"
            " values ($1, $2, $3, 'message.refused', $4, 'opted_out', now())",
            *(talk.bucket, tx.new_id(talk.bucket), rig.account.id, message.id),
        )

    assert await releasing == 0
    assert await rig.states("platform") == [("refused", "opted_out")]
    assert await rig.value("select count(leg_no) from message") == 0


async def test_it_is_sealed_anew_when_it_comes_due(rig: Rig) -> None:
    """Or the key of the day it was written on would be needed for longer than for any other text."""
    talk = await start_talk(rig)
    await tell(talk, "later", after=timedelta(hours=1))
    before = await rig.value("select sealed_text from outbox")
    rig.later(hours=1)
    await rig.relay.scheduling.release(talk.bucket)

    assert await rig.value("select sealed_text from outbox") != before
    await due_now(talk)
    assert said(rig) == ["later"]


async def at_night(rig: Rig, zone_hours: int = -5) -> None:
    """It becomes eleven o'clock in the evening in New York, in winter or in summer."""
    now = await rig.relay.database.now()
    eleven = datetime.combine(now.date() + DAY, time(23 - zone_hours - 24), now.tzinfo)
    rig.later(seconds=(eleven - now).total_seconds())


async def test_a_notice_waits_for_the_morning_when_it_respects_quiet_hours(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=_DAYS)
    await at_night(rig)
    notice = await tell(talk, "notice", quiet=True)
    await tell(talk, "your driver is here")
    await due_now(talk)
    by_night = said(rig)
    rig.later(hours=10)
    await due_now(talk)

    assert notice.send_at is not None
    assert notice.send_at.minute == 0
    assert timedelta(hours=7) < notice.send_at - notice.received_at < timedelta(hours=10)
    assert (by_night, said(rig)) == (["your driver is here"], ["your driver is here", "notice"])


async def test_the_accounts_own_hours_count_when_it_has_chosen_them(rig: Rig) -> None:
    rig.account = await rig.relay.accounts.change(rig.account.id, {"quiet_hours": QuietHours(time(4), time(4))})
    talk = await start_talk(rig, expires_in=_DAYS)
    await at_night(rig)

    assert (await tell(talk, "notice", quiet=True)).send_at is None


async def test_nothing_is_written_when_the_time_cannot_be_kept(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=3600)
    for after in (timedelta(0), timedelta(seconds=-1), timedelta(hours=1)):
        with pytest.raises(InvalidInput) as refused:
            await tell(talk, "later", after=after)
        assert refused.value.problems[0].field == "send_at"

    assert await rig.value("select count(*) from message") == 0
