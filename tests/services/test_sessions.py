"""Sessions looked at and listed: by their account alone, newest first, over all pools."""

from __future__ import annotations

import pytest

from relay.core.errors import NotFound
from relay.services.sessions import SessionChange, SessionView
from relay.storage.configuration import Account
from relay.storage.sessions import SessionFilter
from tests.services.people import numbers, phone
from tests.services.rig import Rig, start_talk


@pytest.fixture
async def stranger(rig: Rig) -> Account:
    """Another account of the same installation."""
    return await rig.relay.accounts.add("another market")


async def listed(
    rig: Rig, *, limit: int = 100, before: SessionView | None = None, **wanted: object
) -> list[str | None]:
    """The names of the sessions in a list."""
    chosen = SessionFilter(**wanted)  # type: ignore[arg-type]  # a test's own words
    start = before.session.id if before else None
    views = await rig.relay.sessions.listed(rig.account, limit=limit, before=start, wanted=chosen)
    return [view.session.unique_name for view in views]


async def opened(rig: Rig) -> list[SessionView]:
    """Six sessions, in two pools by turns, named by their order; the third and fourth are closed."""
    pools = [await rig.pool("even", numbers(3)), await rig.pool("odd", numbers(3, start=10))]
    views = []
    for n in range(6):
        rig.later(seconds=1)
        views.append(await rig.session(pools[n % 2], phone(2 * n), phone(2 * n + 1), unique_name=f"s{n}"))
    for view in views[2:4]:
        await rig.relay.sessions.close(rig.account, view.session.id)
    return views


async def test_the_newest_come_first_when_all_are_listed(rig: Rig) -> None:
    views = await opened(rig)

    assert await listed(rig) == ["s5", "s4", "s3", "s2", "s1", "s0"]
    assert await listed(rig, limit=2) == ["s5", "s4"]
    assert await listed(rig, limit=2, before=views[4]) == ["s3", "s2"]
    assert await listed(rig, before=views[0]) == []


async def test_only_those_asked_for_come_when_a_list_is_filtered(rig: Rig) -> None:
    views = await opened(rig)

    assert await listed(rig, status="open") == ["s5", "s4", "s1", "s0"]
    assert await listed(rig, status="closed") == ["s3", "s2"]
    assert await listed(rig, unique_name="s3") == ["s3"]
    assert await listed(rig, pool_id=views[0].session.pool_id) == ["s4", "s2", "s0"]


async def test_the_people_and_their_numbers_are_shown_when_sessions_are_listed(rig: Rig) -> None:
    talk = await start_talk(rig)

    (view,) = await rig.relay.sessions.listed(rig.account, limit=5, before=None, wanted=SessionFilter())

    assert view == talk.view
    assert all(participant.number_id in view.proxy_numbers for participant in view.participants)


async def test_nothing_is_listed_when_the_sessions_are_somebody_elses(rig: Rig, stranger: Account) -> None:
    await opened(rig)

    assert await rig.relay.sessions.listed(stranger, limit=5, before=None, wanted=SessionFilter()) == []


async def test_somebody_elses_session_looks_unknown_when_it_is_read_or_changed(rig: Rig, stranger: Account) -> None:
    talk = await start_talk(rig)
    unknown = (await rig.seed()).id_in(talk.bucket)
    answers = []
    for session_id in (talk.id, unknown):
        for asking in (
            rig.relay.sessions.read(stranger, session_id),
            rig.relay.sessions.change(stranger, session_id, SessionChange(expires_in=60)),
            rig.relay.texts.of_session(stranger, session_id, limit=5, before=None),
        ):
            with pytest.raises(NotFound) as caught:
                await asking
            answers.append((caught.value.code, caught.value.message))

    assert len(set(answers)) == 1


async def test_an_opt_out_is_shown_when_a_session_is_read(rig: Rig) -> None:
    talk = await start_talk(rig)
    await talk.say("STOP", slot=2)

    view = await rig.relay.sessions.read(rig.account, talk.id)

    assert [participant.opted_out for participant in view.participants] == [False, True]
