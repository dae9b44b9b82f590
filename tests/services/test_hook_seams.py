"""Where hooks and webhooks meet what else can happen to a session: a seat changes, somebody opts out, everything is erased, while
a question is open or a delivery waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from relay.core.ids import IdKind, public
from relay.storage.database import Database
from tests.services.hook_server import ALLOW, REFUSE, HookServer, answered, ask_all, hook_server, rig_on_trial, set_hook
from tests.services.listening import deliveries, give_out, listen, post
from tests.services.people import BOB, CAROL
from tests.services.rig import Rig, Talk, make_rig, start_talk

ANSWERS = {"allow": answered(ALLOW), "refuse": answered(REFUSE), "nothing": answered(b"", 404)}


@pytest.fixture
async def rig(db: Database) -> AsyncIterator[Rig]:
    async with rig_on_trial(db) as rig:
        yield rig


@pytest.fixture
async def hook() -> AsyncIterator[HookServer]:
    async with hook_server() as hook:
        yield hook


async def reader_replaced(talk: Talk) -> None:
    await talk.rig.replace(talk.view, 2, CAROL)


async def writer_replaced(talk: Talk) -> None:
    await talk.rig.replace(talk.view, 1, CAROL)


async def reader_stops(talk: Talk) -> None:
    await talk.say("STOP", slot=2)


async def all_erased(talk: Talk) -> None:
    await talk.rig.relay.erasure.erase(talk.rig.account, talk.id)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    ("happens", "reason", "is_kept"),
    [
        (reader_replaced, "participant_replaced", True),
        (reader_stops, "opted_out", True),
        (all_erased, "erased", False),
    ],
)
async def test_nobody_hears_a_text_when_it_was_stopped_while_its_hook_was_asked(
    rig: Rig,
    hook: HookServer,
    happens: Callable[[Talk], Awaitable[None]],
    reason: str,
    is_kept: bool,
    answer: str,
) -> None:
    """Whatever the hook says afterwards, the text keeps its fate and has one event that says so."""
    talk = await start_talk(rig, expires_in=7 * 86400)
    await set_hook(rig, talk.pool, hook.url)

    async def meanwhile(_: Mapping[str, Any]) -> bytes | None:
        await happens(talk)
        return ANSWERS[answer]

    hook.answer = meanwhile
    await talk.say("hello")
    await ask_all(rig, talk.pool)
    await rig.send_all(talk.bucket)

    reader = talk.view.participants[1].id
    kept = await rig.rows("select state, reason from message where to_participant = $1 and kind = 'relay'", reader)
    told = await rig.rows(
        "select type, reason from event where participant_id = $1 and type in ('message.refused', 'message.parked')",
        reader,
    )
    assert [(row["state"], row["reason"]) for row in kept] == [("refused", reason)] * is_kept
    assert [(row["type"], row["reason"]) for row in told] == [("message.refused", reason)]
    assert "hello" not in [sent.text for sent in rig.carrier.sent]
    assert await rig.value("select count(*) from outbox where kind = 'relay'") == 0


async def test_a_text_goes_on_to_its_reader_when_its_writer_was_replaced_while_its_hook_was_asked(
    rig: Rig, hook: HookServer
) -> None:
    talk = await start_talk(rig, expires_in=7 * 86400)
    await set_hook(rig, talk.pool, hook.url)

    async def meanwhile(_: Mapping[str, Any]) -> bytes | None:
        await writer_replaced(talk)
        return ANSWERS["allow"]

    hook.answer = meanwhile
    await talk.say("hello")
    await ask_all(rig, talk.pool)
    await rig.send_all(talk.bucket)

    assert [(sent.to, sent.text) for sent in rig.carrier.sent] == [(BOB, "hello")]


async def test_what_waits_to_be_told_holds_nothing_of_a_session_that_was_erased_meanwhile(db: Database) -> None:
    """Ids and words of closed lists only; and the numbers go on without a gap."""
    rig = await make_rig(db)
    endpoint, _ = await listen(rig)
    talk = await start_talk(rig, expires_in=7 * 86400, metadata={"order": "secret order"})
    await talk.say("hello")
    await give_out(rig)
    waiting = sum((await deliveries(rig)).values())
    await all_erased(talk)
    await give_out(rig)
    await post(rig)
    told = [one.event for one in rig.customers.posts]  # several are told of at once
    of_it = sorted(
        (event for event in told if event["data"].get("session") == public(IdKind.SESSION, talk.id)),
        key=lambda event: event["sequence"],
    )

    assert 0 < waiting < len(rig.customers.posts)
    assert await deliveries(rig, endpoint.endpoint.id) == {("delivered", None): len(rig.customers.posts)}
    assert of_it[-1]["type"] in {"session.erased", "session.closed", "message.refused"}
    assert [event["sequence"] for event in of_it] == list(range(1, len(of_it) + 1))
    for one in rig.customers.posts:
        assert not any(private in one.body.decode() for private in (talk.one, talk.other, "hello", "secret order"))
