"""Out-of-session hooks: an answer, a session or nothing for whoever texts a number that nobody is behind; once, and seldom."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from relay.core.hooks import HookKind
from relay.core.ids import IdKind, public
from relay.core.keys import KeyName, Purpose
from relay.providers.base import InboundText
from relay.storage import sealed
from relay.storage.database import Database
from tests.services.hook_server import HookServer, answered, ask_all, hook_server, jobs_of, rig_on_trial, set_hook
from tests.services.moves import watched_moves
from tests.services.people import ALICE, BOB, CAROL, STRANGER, numbers
from tests.services.rig import Rig, new_sid, start_talk
from tests.services.waiting import until

NUMBER = numbers(3)[0]


def says(document: object) -> Any:
    async def answer(_: Mapping[str, Any]) -> bytes | None:
        return answered(json.dumps(document).encode())

    return answer


@pytest.fixture
async def rig(db: Database) -> AsyncIterator[Rig]:
    async with watched_moves(db), rig_on_trial(db) as rig:
        yield rig


@pytest.fixture
async def hook(rig: Rig) -> AsyncIterator[HookServer]:
    """Of the one pool that there is."""
    pool = await rig.pool("default", numbers(3))
    async with hook_server() as hook:
        await set_hook(rig, pool, hook.url, kind=HookKind.OUT_OF_SESSION, seconds=1)
        yield hook


async def settle(rig: Rig) -> list[tuple[str, str, str]]:
    """Ask, and send what comes of it: (from, to, text)."""
    (pool,) = (await rig.relay.configuration.refreshed()).pools.values()
    await ask_all(rig, pool)
    await rig.send_all(pool.bucket)
    return [(sent.sender, sent.to, sent.text) for sent in rig.carrier.sent]


async def calls(rig: Rig) -> int:
    return len(await rig.rows("select 1 from hook_call"))


async def test_a_stranger_gets_the_answer_that_the_hook_gives(rig: Rig, hook: HookServer) -> None:
    hook.answer = says({"reply": "Who are you looking for?"})
    await rig.text(STRANGER, NUMBER, "hello?")
    sent = await settle(rig)

    assert sent == [(NUMBER, STRANGER, "Who are you looking for?")]
    assert await rig.states() == [("refused", "no_session")]
    assert await rig.states("notice") == [("accepted", None)]
    message_id = await rig.value("select id from message where kind = 'relay'")
    assert hook.asked == [{"message": public(IdKind.MESSAGE, message_id), "number": NUMBER, "text": "hello?"}]
    assert hook.headers[0]["webhook-id"] == hook.asked[0]["message"]
    assert await calls(rig) == 0


async def test_the_answer_is_refused_when_no_more_may_leave_today(rig: Rig, hook: HookServer) -> None:
    rig.account = await rig.relay.accounts.change(rig.account.id, {"daily_cap": 0})
    hook.answer = says({"reply": "Who are you looking for?"})
    await rig.text(STRANGER, NUMBER, "hello?")

    assert await settle(rig) == []
    assert await rig.states("notice") == [("refused", "rate_limited")]
    assert await calls(rig) == 0


async def test_a_session_is_opened_when_the_hook_wants_one(rig: Rig, hook: HookServer) -> None:
    hook.answer = says({"open": {"phone": BOB, "label": "driver", "sender_label": "rider"}, "reply": "Here is Bob."})
    await rig.text(ALICE, NUMBER, "order 991")
    ((proxy, to, text),) = await settle(rig)
    await rig.text(ALICE, proxy, "hello Bob")
    sent = await settle(rig)

    assert (to, text) == (ALICE, "Here is Bob.")
    assert [(to, text) for _, to, text in sent[1:]] == [(BOB, "hello Bob")]
    rows = await rig.rows("select label from participant order by slot")
    assert [row["label"] for row in rows] == ["rider", "driver"]


async def test_both_are_greeted_when_a_session_is_opened_without_a_word(rig: Rig, hook: HookServer) -> None:
    hook.answer = says({"open": {"phone": BOB}})
    await rig.text(ALICE, NUMBER, "order 991")

    assert sorted(to for _, to, _ in await settle(rig)) == [ALICE, BOB]


async def test_one_session_is_opened_when_the_process_dies_after_opening_it(rig: Rig, hook: HookServer) -> None:
    hook.answer = says({"open": {"phone": BOB}, "reply": "Here is Bob."})
    await rig.text(ALICE, NUMBER, "order 991")
    (pool,) = (await rig.relay.configuration.refreshed()).pools.values()
    (job,) = await jobs_of(rig, pool.bucket)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("select 1 from hook_call for update")
        dying = asyncio.ensure_future(job.ask())
        await until(lambda: tx.fetch("select 1 from pg_locks where not granted"))
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
    sent = await settle(rig)

    assert len(await rig.rows("select 1 from session")) == 1
    assert [text for _, _, text in sent] == ["Here is Bob."]
    assert len(hook.asked) == 2


@pytest.mark.parametrize("phone", [ALICE, NUMBER, "+1", "+33612345678", CAROL])
async def test_nobody_is_told_anything_when_the_session_cannot_be(rig: Rig, hook: HookServer, phone: str) -> None:
    """The sender themselves, our own number, no phone, another country, somebody who has opted out."""
    talk = await start_talk(
        rig, pool=next(iter((await rig.relay.configuration.refreshed()).pools.values())), other=CAROL
    )
    await talk.say("STOP", slot=2)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.carrier.sent.clear()
    rig.later(days=10)
    await rig.relay.expiry.free_numbers(talk.bucket)
    await rig.relay.accounts.change(rig.account.id, {"allowed_countries": ("US",)})
    hook.answer = says({"open": {"phone": phone}, "reply": "Here they are."})
    await rig.text(ALICE, NUMBER, "order 991")

    assert await settle(rig) == []
    assert await calls(rig) == 0
    assert len(await rig.rows("select 1 from session")) == 1


ILL = [
    *(b"", b"{", b"[]", b'"x"', b'{"reply":""}', b'{"reply":1}', b'{"reply":"\\u0000"}', b'{"more":1}'),
    *(b'{"open":{}}', b'{"open":"x"}', b'{"open":{"phone":1}}', b'{"reply":"' + b"x" * 2_000_000 + b'"}'),
]


@pytest.mark.parametrize("body", ILL, ids=range(len(ILL)))
async def test_nothing_happens_when_the_answer_is_nothing_or_none(rig: Rig, hook: HookServer, body: bytes) -> None:
    async def answer(_: Mapping[str, Any]) -> bytes | None:
        return answered(body)

    hook.answer = answer
    await rig.text(STRANGER, NUMBER, "hello?")

    assert await settle(rig) == []
    assert (await calls(rig), len(hook.asked)) == (0, 1)


async def test_nothing_happens_when_the_hook_is_silent(rig: Rig, hook: HookServer) -> None:
    async def silent(_: Mapping[str, Any]) -> bytes | None:
        await asyncio.sleep(60)
        return None

    hook.answer = silent
    await rig.text(STRANGER, NUMBER, "hello?")

    assert await settle(rig) == []
    assert await calls(rig) == 0


async def test_whoever_has_opted_out_gets_no_answer(rig: Rig, hook: HookServer) -> None:
    hook.answer = says({"reply": "Hello!"})
    await rig.text(STRANGER, NUMBER, "STOP")
    await rig.text(STRANGER, NUMBER, "hello?")

    assert await settle(rig) == []
    assert await rig.states("notice") == []


async def test_one_answer_is_sent_when_two_processes_ask(rig: Rig, hook: HookServer) -> None:
    """As while a bucket changes hands."""
    hook.answer = says({"reply": "Hello!"})
    await rig.text(STRANGER, NUMBER, "hello?")
    (pool,) = (await rig.relay.configuration.refreshed()).pools.values()
    jobs = [job for _ in range(2) for job in await jobs_of(rig, pool.bucket)]
    await asyncio.gather(*(job.ask() for job in jobs))

    assert len(await settle(rig)) == len(hook.asked) - 1 == 1


async def test_two_machines_that_answer_each_other_come_to_rest(rig: Rig, hook: HookServer) -> None:
    """Once a minute at most, and twenty times in any day, for one person on one number."""
    hook.answer = says({"reply": "I am a machine."})
    answers: list[int] = []
    for _ in range(2):
        for minute in range(30):
            await rig.text(STRANGER, NUMBER, f"So am I, {minute}.")
            await rig.text(STRANGER, NUMBER, f"So am I, {minute}, again.")
            await settle(rig)
            rig.later(seconds=61)
        answers.append(len(rig.carrier.sent))
        rig.later(hours=24)
    await rig.text(CAROL, NUMBER, "hello?")

    assert answers == [20, 40]
    assert len(await settle(rig)) == 41


@pytest.mark.parametrize(("sender", "text"), [(None, "your code is 1"), (numbers(3)[1], "hello"), (ALICE, "  ")])
async def test_nobody_is_asked_about_what_no_person_said(
    rig: Rig, hook: HookServer, sender: str | None, text: str
) -> None:
    """A short code or a word, one of our own numbers, an empty text."""
    await rig.relay.inbound.receive(rig.connection, InboundText(new_sid(), sender, NUMBER, text, 0))

    assert await calls(rig) == 0


async def test_nobody_is_asked_about_a_late_text_of_a_session(rig: Rig, hook: HookServer) -> None:
    talk = await start_talk(rig, pool=next(iter((await rig.relay.configuration.refreshed()).pools.values())))
    await rig.relay.sessions.close(rig.account, talk.id)
    await talk.say("too late")

    assert await calls(rig) == 0


async def test_nothing_is_kept_where_there_is_no_such_hook(rig: Rig) -> None:
    await rig.pool("plain", [NUMBER])
    await rig.text(STRANGER, NUMBER, "hello?")

    assert await calls(rig) == 0
    assert await rig.rows("select 1 from answer") == []


async def test_what_nobody_asks_about_is_forgotten(rig: Rig, hook: HookServer) -> None:
    await rig.text(STRANGER, NUMBER, "hello?")
    (pool,) = (await rig.relay.configuration.refreshed()).pools.values()
    rig.later(minutes=9)
    early = await rig.relay.out_of_session.forget(pool.bucket)
    rig.later(minutes=2)

    assert (early, await rig.relay.out_of_session.forget(pool.bucket)) == (0, 1)
    assert await calls(rig) == 0


async def test_its_key_is_needed_while_a_text_is_kept(rig: Rig, hook: HookServer) -> None:
    await rig.text(STRANGER, NUMBER, "hello?")
    (row,) = await rig.rows("select bucket, transit_id from hook_call")
    async with rig.relay.database.transaction() as tx:
        left = await sealed.left(tx, int(str(row["bucket"])), KeyName(Purpose.TRANSIT, int(str(row["transit_id"]))))

    assert left == 1


async def test_no_phone_is_told_and_no_text_is_kept(
    rig: Rig, hook: HookServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.answer = says({"open": {"phone": STRANGER}, "reply": "a very secret answer"})
    await rig.text(ALICE, NUMBER, "a very secret text")
    kept = json.dumps([await rig.rows(f"select * from {t}") for t in ("hook_call", "message", "event")], default=str)
    await settle(rig)
    shown = "".join(capsys.readouterr())

    assert ALICE not in str(hook.asked) + str(hook.headers)
    assert not [word for word in ("secret", ALICE, STRANGER) if word in kept + shown]
