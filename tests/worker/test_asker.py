"""The loop that asks hooks, beside the loop that sends: who waits for a slow hook, and who does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from relay.core.hooks import HookKind
from relay.storage.database import Database
from relay.worker.asker import Asker
from relay.worker.leases import Leases
from tests.services.hook_server import ALLOW, HookServer, answered, hook_server, rig_on_trial, set_hook
from tests.services.moves import watched_moves
from tests.services.people import STRANGER, numbers
from tests.services.rig import Rig, make_neighbour
from tests.services.waiting import until
from tests.worker.at_work import SlowCarrier, all_sent, fill, holds, talks_in, took, working


@pytest.fixture
async def rig(db: Database, carrier: SlowCarrier) -> AsyncIterator[Rig]:
    async with watched_moves(db), rig_on_trial(db, answers=httpx.MockTransport(carrier)) as rig:
        yield rig


@pytest.fixture
async def hook() -> AsyncIterator[HookServer]:
    async with hook_server() as hook:
        yield hook


@asynccontextmanager
async def asking(rig: Rig, leases: Leases, *, poll: float = 0.2) -> AsyncIterator[asyncio.Task[None]]:
    """An asker at work beside a sender."""
    asker = Asker(rig.relay.configuration, (rig.relay.interception, rig.relay.out_of_session), leases, poll)
    rig.relay.wakeup.beside = asker.hear
    task = asyncio.create_task(asker.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_texts_leave_in_order_when_a_hook_takes_its_time(
    rig: Rig, carrier: SlowCarrier, hook: HookServer
) -> None:
    async def takes_its_time(question: Mapping[str, Any]) -> bytes | None:
        await asyncio.sleep(0.03 if int(question["text"]) % 2 else 0.0)
        return answered(ALLOW)

    hook.answer = takes_its_time
    pool = await rig.pool("asked", numbers(3))
    await set_hook(rig, pool, hook.url)
    talks = await talks_in(rig, pool, 4)
    async with working(rig.relay) as worker, asking(rig, worker.leases):
        await until(lambda: holds(worker, pool.bucket), within=20)
        await fill(rig, talks, 5)
        await until(lambda: all_sent(rig), within=20)

    assert [carrier.read_by(talk.other) for talk in talks] == [["0", "1", "2", "3", "4"]] * 4
    assert len(hook.asked) == 20


async def test_other_pools_do_not_wait_when_a_hook_is_silent(rig: Rig, carrier: SlowCarrier, hook: HookServer) -> None:
    async def silent(_: Mapping[str, Any]) -> bytes | None:
        await asyncio.sleep(60)
        return None

    hook.answer = silent
    async with hook_server() as quick:
        slow, fast = await rig.pool("slow", numbers(6)[:3]), await rig.pool("fast", numbers(6)[3:])
        plain = await rig.pool("plain", numbers(9)[6:])
        await set_hook(rig, slow, hook.url)
        await set_hook(rig, fast, quick.url)
        stuck = await talks_in(rig, slow, 30)
        others = [*await talks_in(rig, fast, 2, start=100), *await talks_in(rig, plain, 2, start=200)]
        async with working(rig.relay) as worker, asking(rig, worker.leases):
            for pool in (slow, fast, plain):
                await until(lambda pool=pool: holds(worker, pool.bucket), within=20)  # type: ignore[misc]  # bound at once
            await fill(rig, stuck, 1)
            await until(lambda: asks(hook, 16), within=20)
            for two in (others[:2], others[2:]):
                await fill(rig, two, 2)
            await until(lambda: took(carrier, 8), within=5)
            await asyncio.sleep(0.3)

    assert [carrier.read_by(talk.other) for talk in others] == [["0", "1"]] * 4
    assert (hook.most_open, len(hook.asked)) == (16, 16)


async def asks(hook: HookServer, count: int) -> bool:
    return hook.open_now >= count


async def test_other_accounts_do_not_wait_when_all_hooks_of_one_are_silent(
    rig: Rig, carrier: SlowCarrier, hook: HookServer
) -> None:
    async def silent(_: Mapping[str, Any]) -> bytes | None:
        await asyncio.sleep(60)
        return None

    hook.answer = silent
    other = await make_neighbour(rig)
    async with hook_server() as quick:
        mute = [await rig.pool(f"mute {n}", numbers(3, start=3 * n)) for n in range(5)]
        fine = await other.pool("fine", numbers(3, start=30))
        for pool in mute:
            await set_hook(rig, pool, hook.url, seconds=10)
        await set_hook(other, fine, quick.url)
        stuck = [await talks_in(rig, pool, 16, start=100 + 40 * n) for n, pool in enumerate(mute)]
        talks = await talks_in(other, fine, 1)
        async with working(rig.relay) as worker, asking(rig, worker.leases):
            for pool in (*mute, fine):
                await until(lambda pool=pool: holds(worker, pool.bucket), within=20)  # type: ignore[misc]  # bound at once
            for in_one_pool in stuck:
                await fill(rig, in_one_pool, 1)
            await until(lambda: asks(hook, 64), within=20)
            await fill(other, talks, 1)
            await until(lambda: took(carrier, 1), within=3)

    assert carrier.read_by(talks[0].other) == ["0"]
    assert hook.most_open == 64


async def test_what_a_dead_process_was_asking_is_asked_again_by_the_next(
    rig: Rig, carrier: SlowCarrier, hook: HookServer
) -> None:
    hangs = asyncio.Event()

    async def hangs_at_first(_: Mapping[str, Any]) -> bytes | None:
        if len(hook.asked) == 1:
            hangs.set()
            await asyncio.sleep(60)
        return answered(ALLOW)

    hook.answer = hangs_at_first
    pool = await rig.pool("asked", numbers(3))
    await set_hook(rig, pool, hook.url)
    (talk,) = await talks_in(rig, pool, 1)
    async with working(rig.relay) as worker:
        await until(lambda: holds(worker, pool.bucket), within=20)
        async with asking(rig, worker.leases):
            await talk.say("hello")
            await asyncio.wait_for(hangs.wait(), 5)
        async with asking(rig, worker.leases):
            await until(lambda: took(carrier, 1), within=20)

    assert carrier.read_by(talk.other) == ["hello"]
    assert len({headers["webhook-id"] for headers in hook.headers}) == 1


async def test_what_waited_leaves_when_the_hook_is_removed(rig: Rig, carrier: SlowCarrier, hook: HookServer) -> None:
    """Nobody asks at all before; a process that never heard of the hook finds what it left."""
    pool = await rig.pool("asked", numbers(3))
    await set_hook(rig, pool, hook.url)
    (talk,) = await talks_in(rig, pool, 1)
    await talk.say("hello")
    found = (await rig.relay.configuration.refreshed()).pools[pool.id]
    await rig.relay.hooks.remove(found, found.hooks[0].kind)
    async with working(rig.relay) as worker, asking(rig, worker.leases):
        await until(lambda: took(carrier, 1), within=20)

    assert hook.asked == []


async def test_a_stranger_is_answered_as_soon_as_the_hook_has_spoken(
    rig: Rig, carrier: SlowCarrier, hook: HookServer
) -> None:
    async def greets(_: Mapping[str, Any]) -> bytes | None:
        return answered(b'{"reply":"Hello!"}')

    hook.answer = greets
    pool = await rig.pool("asked", numbers(3))
    await set_hook(rig, pool, hook.url, kind=HookKind.OUT_OF_SESSION)
    async with working(rig.relay) as worker, asking(rig, worker.leases, poll=0.5):
        await until(lambda: holds(worker, pool.bucket), within=20)
        await rig.text(STRANGER, numbers(3)[0], "hello?")
        await until(lambda: took(carrier, 1), within=20)

    assert carrier.read_by(STRANGER) == ["Hello!"]
