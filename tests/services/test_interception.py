"""Intercept hooks: what a text waits for, what becomes of it then, and what nobody else notices.

The account's server is real, and its answers as bad as answers can be.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import pytest

from relay.core import signing
from relay.core.hooks import OnTimeout
from relay.core.ids import IdKind, public
from relay.core.model import State
from relay.services.texts import TextWanted
from relay.storage.database import Database
from tests.services.hook_server import (
    ALLOW,
    HookServer,
    allows,
    answered,
    ask_all,
    hook_server,
    jobs_of,
    rig_on_trial,
    set_hook,
)
from tests.services.moves import watched_moves
from tests.services.people import numbers, phone
from tests.services.rig import Rig, Talk, start_talk
from tests.services.sockets import sockets_of
from tests.services.waiting import until


@pytest.fixture
async def rig(db: Database) -> AsyncIterator[Rig]:
    async with watched_moves(db), rig_on_trial(db) as rig:
        yield rig


@pytest.fixture
async def hook() -> AsyncIterator[HookServer]:
    async with hook_server() as hook:
        yield hook


@pytest.fixture
async def talk(rig: Rig, hook: HookServer) -> Talk:
    """Two people in a pool with a hook."""
    talk = await start_talk(rig, expires_in=7 * 86400)
    await set_hook(rig, talk.pool, hook.url)
    return talk


async def test_a_text_leaves_when_the_hook_allows_it(rig: Rig, hook: HookServer, talk: Talk) -> None:
    await talk.say("hello")
    before = await rig.send_all(talk.bucket)
    await ask_all(rig, talk.pool)
    after = await rig.send_all(talk.bucket)

    assert (before, after) == (0, 1)
    assert [sent.text for sent in rig.carrier.sent] == ["hello"]
    (message,) = await rig.rows("select id, session_id, from_participant, to_participant from message")
    assert hook.asked == [
        {
            "message": public(IdKind.MESSAGE, message["id"]),
            "session": public(IdKind.SESSION, talk.id),
            "from": public(IdKind.PARTICIPANT, talk.view.participants[0].id),
            "to": public(IdKind.PARTICIPANT, talk.view.participants[1].id),
            "text": "hello",
        }
    ]
    assert await rig.rows("select type from event where message_id is not null order by id") == [
        {"type": "message.received"},
        {"type": "message.accepted"},
    ]


async def test_a_question_is_signed_with_the_secret_that_was_shown_once(rig: Rig, hook: HookServer) -> None:
    talk = await start_talk(rig)
    secret = await set_hook(rig, talk.pool, hook.url)
    again = await set_hook(rig, talk.pool, hook.url, seconds=2)
    await talk.say("hello")
    rig.later(seconds=600)  # our clock was moved, theirs was not
    await ask_all(rig, talk.pool)

    now = await rig.relay.database.now() - rig.relay.database.clock_offset
    signing.verify(secret, hook.headers[0], hook.bodies[0], now=now)
    assert hook.headers[0]["webhook-id"] == hook.asked[0]["message"]
    assert again == ""


async def test_a_text_is_refused_when_the_hook_says_so(rig: Rig, talk: Talk) -> None:
    await talk.say("bad words")
    await ask_all(rig, talk.pool)

    assert await rig.states() == [("refused", "hook_refused")]
    assert await rig.rows("select 1 from outbox") == []
    assert await rig.send_all(talk.bucket) == 0
    assert await rig.value("select reason from event where type = 'message.refused'") == "hook_refused"


async def silent(_: Mapping[str, Any]) -> bytes | None:
    await asyncio.sleep(60)
    return None


async def hangs_up(_: Mapping[str, Any]) -> bytes | None:
    return None


def always(said: bytes) -> Any:
    async def answer(_: Mapping[str, Any]) -> bytes | None:
        return said

    return answer


async def drips(_: Mapping[str, Any]) -> bytes | None:
    await asyncio.sleep(0.9)
    return b"HTTP/1.1 200 x\r\ncontent-length: 1000\r\n\r\n{"


#: What a text says, and what its asking then meets.
BAD_ANSWERS = {
    "silence": silent,
    "hangs up": hangs_up,
    "drips": drips,
    "nonsense": always(answered(b"yes")),
    "no body": always(answered(b"", 204)),
    "an error": always(answered(ALLOW, 500)),
    "not found": always(answered(ALLOW, 404)),
    "elsewhere": always(b"HTTP/1.1 307 x\r\nlocation: /allow\r\ncontent-length: 0\r\n\r\n"),
    "two megabytes": always(answered(b" " * 2_000_000 + ALLOW)),
    "no HTTP": always(b"220 mail.example ESMTP\r\n"),
}


@pytest.mark.parametrize("on_timeout", OnTimeout)
async def test_the_account_s_own_word_counts_when_no_usable_answer_comes(
    rig: Rig, hook: HookServer, on_timeout: OnTimeout
) -> None:
    async def answer(question: Mapping[str, Any]) -> bytes | None:
        said: bytes | None = await BAD_ANSWERS[str(question["text"])](question)
        return said

    hook.answer = answer
    pool = await rig.pool("asked", numbers(3))
    people = iter(range(100))
    talks = [await start_talk(rig, pool=pool, one=phone(next(people)), other=phone(next(people))) for _ in BAD_ANSWERS]
    await set_hook(rig, pool, hook.url, seconds=1, on_timeout=on_timeout)
    for talk, ill in zip(talks, BAD_ANSWERS, strict=True):
        await talk.say(ill)
    asked = await ask_all(rig, pool)
    left = await rig.send_all(pool.bucket)

    parked = on_timeout is OnTimeout.REFUSE
    assert asked == len(BAD_ANSWERS)
    assert left == (0 if parked else len(BAD_ANSWERS))
    assert set(await rig.states()) == {("parked", "hook_timeout") if parked else ("accepted", None)}
    assert hook.texts.count("an error") > 1
    assert hook.texts.count("nonsense") == 1


async def test_nothing_is_heard_when_the_hook_is_down(rig: Rig, talk: Talk) -> None:
    await set_hook(rig, talk.pool, "http://127.0.0.1:1/", seconds=1)
    await talk.say("hello")
    await ask_all(rig, talk.pool)

    assert await rig.states() == [("parked", "hook_timeout")]


async def test_the_door_is_closed_to_what_nobody_has_allowed(rig: Rig, talk: Talk) -> None:
    await talk.say("hello")
    (message,) = await rig.rows("select id from message")
    due = await rig.due(talk.bucket)
    intents = await rig.relay.sending.begin(talk.bucket, await rig.epoch(talk.bucket), [message["id"]])  # type: ignore[list-item]  # a row's own value

    assert (due, intents) == ([], [])
    assert await rig.states() == [("queued", None)]


async def park(rig: Rig, hook: HookServer, talk: Talk) -> Any:
    hook.answer = always(answered(b"?"))
    await talk.say("hello")
    await ask_all(rig, talk.pool)
    hook.answer = allows
    return await rig.value("select id from message")


async def test_a_parked_text_is_asked_about_again_when_a_person_retries_it(
    rig: Rig, hook: HookServer, talk: Talk
) -> None:
    message_id = await park(rig, hook, talk)
    retried = await rig.relay.texts.retry(rig.account, message_id, await rig.seed())
    before = await rig.due(talk.bucket)
    await ask_all(rig, talk.pool)

    assert (retried.state, before) == (State.QUEUED, [])
    assert await rig.send_all(talk.bucket) == 1
    assert len(hook.asked) == 2


async def test_a_parked_text_goes_when_a_person_discards_it(rig: Rig, hook: HookServer, talk: Talk) -> None:
    message_id = await park(rig, hook, talk)
    await rig.relay.texts.discard(rig.account, message_id, await rig.seed())

    assert await rig.rows("select 1 from outbox") == []
    assert await ask_all(rig, talk.pool) == 0


@pytest.mark.parametrize("hours", [5, 80])
async def test_a_text_expires_when_nobody_has_asked_or_decided(rig: Rig, hook: HookServer, hours: int) -> None:
    """Four hours where it waits to be asked about, three days where it is parked."""
    talk = await start_talk(rig, expires_in=7 * 86400)
    await set_hook(rig, talk.pool, hook.url)
    if hours > 72:
        await park(rig, hook, talk)
    else:
        await talk.say("hello")
    rig.later(hours=hours)
    await rig.relay.expiry.expire_texts(talk.bucket)
    await rig.relay.expiry.expire_parked(talk.bucket)

    assert await rig.states() == [("expired", "deadline")]
    assert await rig.rows("select 1 from outbox") == []


async def test_a_leg_keeps_its_order_when_the_hook_is_slow(rig: Rig, hook: HookServer, talk: Talk) -> None:
    """The next of a leg is asked about when there is an answer for the one before it; one that nobody asks about waits, too."""
    for text in ("1", "2"):
        await talk.say(text)
    to = talk.view.participants[1].id
    await rig.relay.texts.send(rig.account, TextWanted(talk.id, to, "3"), await rig.seed())
    await talk.say("other way", slot=2)
    left: list[int] = []
    for _ in range(3):
        left.append(await rig.send_all(talk.bucket))
        await ask_all(rig, talk.pool)
    left.append(await rig.send_all(talk.bucket))

    assert sorted(hook.texts[:2]) == ["1", "other way"]
    assert hook.texts[2:] == ["2"]
    assert [sent.text for sent in rig.carrier.sent if sent.to == talk.other] == ["1", "2", "3"]
    assert left == [0, 2, 2, 0]


async def test_the_next_of_a_leg_is_asked_about_before_the_one_ahead_has_left(rig: Rig, talk: Talk) -> None:
    for text in ("1", "2"):
        await talk.say(text)

    assert [await ask_all(rig, talk.pool) for _ in range(3)] == [1, 1, 0]
    assert await rig.send_all(talk.bucket) == 2


async def test_a_refused_text_holds_up_nothing_behind_it(rig: Rig, talk: Talk) -> None:
    for text in ("bad", "good"):
        await talk.say(text)
    await ask_all(rig, talk.pool)
    await ask_all(rig, talk.pool)
    await rig.send_all(talk.bucket)

    assert [sent.text for sent in rig.carrier.sent] == ["good"]


async def test_a_text_is_asked_about_again_when_the_process_dies_before_it_writes(
    rig: Rig, hook: HookServer, talk: Talk
) -> None:
    """The answer came, and nobody lived to write it down."""
    await talk.say("hello")
    (job,) = await jobs_of(rig, talk.bucket)
    async with rig.relay.database.transaction() as tx:
        await tx.execute("select 1 from outbox for update")
        dying = asyncio.ensure_future(job.ask())
        await until(lambda: tx.fetch("select 1 from pg_locks where not granted"))
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
    after_death = await rig.send_all(talk.bucket)
    await ask_all(rig, talk.pool)

    assert after_death == 0
    assert await rig.send_all(talk.bucket) == 1
    assert len({headers["webhook-id"] for headers in hook.headers}) == 1
    assert len(hook.headers) == 2


async def test_an_answer_changes_nothing_when_the_session_was_closed_meanwhile(
    rig: Rig, hook: HookServer, talk: Talk
) -> None:
    async def closes(_: Mapping[str, Any]) -> bytes | None:
        await rig.relay.sessions.close(rig.account, talk.id)
        return answered(ALLOW)

    hook.answer = closes
    await talk.say("hello")
    await ask_all(rig, talk.pool)

    assert await rig.states() == [("refused", "session_closed")]
    assert await rig.send_all(talk.bucket) == 0


async def test_a_late_answer_changes_nothing_when_an_earlier_one_was_written(
    rig: Rig, hook: HookServer, talk: Talk
) -> None:
    """Two processes asked, as while a bucket changes hands; the texts are the same, the answers are not."""
    answers = iter([answered(ALLOW), answered(b'{"action":"refuse"}')])

    async def changes_its_mind(_: Mapping[str, Any]) -> bytes | None:
        return next(answers)

    hook.answer = changes_its_mind
    await talk.say("hello")
    (job,) = await jobs_of(rig, talk.bucket)
    for _ in range(2):
        await job.ask()

    assert await rig.send_all(talk.bucket) == 1


async def test_a_pool_without_a_hook_notices_nothing(rig: Rig, hook: HookServer, talk: Talk) -> None:
    """Its texts are still born sending; those of a pool with one never are."""
    other = await start_talk(rig, pool=await rig.pool("plain", [numbers(9)[8]]), one=phone(50), other=phone(51))
    started = []
    for each in (talk, other):
        sockets = await sockets_of(each)
        await each.say("hello")
        started.append([intent.letter.text for intent in sockets.started])

    assert started == [[], ["hello"]]
    assert await ask_all(rig, other.pool) == 0
    assert hook.asked == []


async def test_what_waits_is_let_go_when_the_hook_is_removed(rig: Rig, hook: HookServer, talk: Talk) -> None:
    await talk.say("hello")
    (found,) = (await rig.relay.configuration.refreshed()).pools.values()
    await rig.relay.hooks.remove(found, found.hooks[0].kind)
    await ask_all(rig, talk.pool)

    assert await rig.send_all(talk.bucket) == 1
    assert hook.asked == []


async def test_no_phone_is_told_and_no_text_is_kept(
    rig: Rig, hook: HookServer, talk: Talk, capsys: pytest.CaptureFixture[str]
) -> None:
    hook.answer = always(answered(b"?"))
    await talk.say("a very secret text")
    await ask_all(rig, talk.pool)
    kept = json.dumps([await rig.rows(f"select * from {t}") for t in ("message", "event", "pool_hook")], default=str)
    shown = "".join(capsys.readouterr())

    assert talk.one not in str(hook.asked) + str(hook.headers)
    assert talk.other not in str(hook.asked) + str(hook.headers)
    assert not [word for word in ("secret text", "hidden", "whsec_", talk.one) if word in kept + shown]
