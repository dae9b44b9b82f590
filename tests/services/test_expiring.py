"""A session's owner is told before it ends: once for each end, and only of ends that were not set that near."""

from __future__ import annotations

from relay.services.sessions import SessionChange
from tests.services.rig import Rig, Talk, start_talk


async def told(talk: Talk) -> int:
    """How often it was told so far, after a look."""
    await talk.rig.relay.expiry.tell_expiring(talk.bucket)
    found = await talk.rig.value(
        "select count(*) from event where type = 'session.expiring' and session_id = $1", talk.id
    )
    assert isinstance(found, int)
    return found


async def change(talk: Talk, wanted: SessionChange) -> None:
    await talk.rig.relay.sessions.change(talk.rig.account, talk.id, wanted)


async def test_it_is_told_once_ten_minutes_before_the_end_and_again_for_another_end(rig: Rig) -> None:
    talk = await start_talk(rig, expires_in=3600)
    early = await told(talk)
    rig.later(seconds=3000)
    await change(talk, SessionChange(idle_timeout=700))
    first = [await told(talk), await told(talk)]
    await change(talk, SessionChange(idle_timeout=600))
    same_end = await told(talk)
    await change(talk, SessionChange(expires_in=3600))
    extended = await told(talk)
    rig.later(seconds=3001)
    again = [await told(talk), await told(talk)]

    assert (early, first, same_end, extended, again) == (0, [1, 1], 1, 1, [2, 2])


async def test_it_is_told_as_early_as_was_asked_for_and_never_when_that_was_asked_for(rig: Rig) -> None:
    early = await start_talk(rig, expires_in=3600, expiring_notice=3000)
    never = await start_talk(rig, pool=early.pool, other="+12025550166", expires_in=3600, expiring_notice=0)
    rig.account = await rig.relay.accounts.change(rig.account.id, {"default_expiring_notice": 60})
    late = await start_talk(rig, pool=early.pool, other="+12025550199", expires_in=3600)
    rig.later(seconds=601)
    after_ten = [await told(talk) for talk in (early, never, late)]
    rig.later(seconds=2900)
    near = [await told(talk) for talk in (early, never, late)]
    await change(never, SessionChange(expires_in=600, expiring_notice=300))
    rig.later(seconds=50)

    assert (after_ten, near) == ([1, 0, 0], [1, 0, 0])
    assert [await told(talk) for talk in (early, never, late)] == [1, 0, 1]


async def test_nobody_is_told_of_an_end_that_was_set_that_near_or_has_come(rig: Rig) -> None:
    short = await start_talk(rig, expires_in=600)
    over = await start_talk(rig, pool=short.pool, other="+12025550166", expires_in=3600)
    closed = await start_talk(rig, pool=short.pool, other="+12025550199", expires_in=7200)
    await rig.relay.sessions.close(rig.account, closed.id)
    rig.later(seconds=599)
    none_yet = await told(short)
    rig.later(seconds=6590)

    assert [none_yet, await told(over), await told(closed)] == [0, 0, 0]
