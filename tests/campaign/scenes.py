"""Runs with one question each: answers that never come, a steady load, PostgreSQL away, a full disk."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from relay.core.model import OnAmbiguous
from tests.campaign.campaign import NOTICES, Plan, Run, complaints, running, talk
from tests.campaign.crowd import Crowd, Manners
from tests.campaign.history import NEVER
from tests.campaign.outcome import Outcome
from tests.campaign.trouble import Keeper
from tests.campaign.world import PEOPLE, Shape

PLACES = ("api 1", "api 2")


async def swallowed(folder: Path, *, seed: int, texts: int) -> Outcome:
    """Of every hundred sends that the carrier accepts, five are never answered; with receipts and without."""
    wrong: list[str] = []
    shown: list[str] = []
    for policy in OnAmbiguous:
        for receipts in (True, False):
            name = f"{policy}, receipts {'on' if receipts else 'off'}"
            # What can be searched for is found; only what cannot puts `resend` to the test.
            lasting = {"drop_receipts": not receipts, "unlisted": policy == "resend"}
            plan = Plan(
                seed, texts // 4, 120.0, shape=Shape(policy=policy), manners=Manners(stops=0.0), lasting=lasting
            )
            weather = {"swallow_rate": 0.05, **lasting}
            async with _played(plan, folder / name.replace(", ", "-").replace(" ", "-"), weather=weather) as run:
                wrong += complaints(run, name)
                withheld, doubled = run.history.swallowed, _doubled(run)
                states = [message.state for message in run.history.messages]
            if withheld == 0 or (doubled == 0 and policy == "resend" and not receipts):
                wrong.append(f"{name}: {withheld} answers swallowed, {doubled} doubled: this run shows nothing")
            shown.append(
                f"{name}: {run.crowd.acked} texts, {withheld} answers swallowed, {doubled} doubled,"
                f" {states.count('parked')} parked"
            )
    return Outcome("; ".join(shown), wrong)


async def load(folder: Path, *, seed: int, rate: float, seconds: float) -> Outcome:
    """A steady load over 1,000 numbers in 64 pools, everybody's pace kept."""
    shape = Shape(pools=64, numbers=16, rate=5.0)
    manners = Manners(talkers=240, rate=rate, stops=0.02)
    plan = Plan(seed, int(rate * seconds), seconds + 60, shape=shape, manners=manners, settle_within=120.0)
    async with _played(plan, folder) as run:
        wrong = complaints(run, "load")
        took = [said.acked - said.asked for said in run.history.said if said.acked < NEVER]
        left = {entry.text: entry.at for entry in run.history.ledger}
        relayed = [left[said.text] - said.asked for said in run.history.said if said.text in left]
        talked = run.seconds["talking"]
    figures = (
        f"{run.crowd.acked} texts in {talked:.0f} s, {run.crowd.acked / talked:.0f}/s;"
        f" acknowledged p50 {_ms(took, 0.5)}, p99 {_ms(took, 0.99)};"
        f" relayed p50 {_ms(relayed, 0.5)}, p99 {_ms(relayed, 0.99)}; {answers(run)}"
    )
    return Outcome(figures, wrong)


async def outage(folder: Path, *, seed: int, away: float, queued: int) -> Outcome:
    """Texts pile up while nobody sends, PostgreSQL goes away and comes back: how soon is it all right again?"""
    shape = Shape(pools=8, numbers=60, rate=50.0)
    plan = Plan(seed, queued, 120.0, shape=shape, manners=Manners(talkers=0), settle_within=120.0)
    async with running(plan, folder) as run:
        world = run.world
        world.start("api 1", arguments=["--api-only"])
        await world.ready("api 1")
        senders = await pairs(run.crowd, 200)
        gate = asyncio.Semaphore(32)

        async def say(n: int) -> None:
            async with gate:
                await run.crowd.say(*senders[n % len(senders)])

        await asyncio.gather(*(say(n) for n in range(queued)))
        world.server.kill()
        await asyncio.sleep(away)
        world.restart_postgres()
        back = time.monotonic()
        await say(0)
        first = time.monotonic() - back
        world.start("worker 1")
        began = time.monotonic()
        wrong = await ended(run, Keeper(run, ("api 1", "worker 1"), crash=False), "outage")
        drained = time.monotonic() - began
    if first > 10 or drained > 60:
        wrong.append(f"outage: first 2xx after {first:.1f} s, drained after {drained:.1f} s")
    figures = (
        f"away {away:.0f} s: first 2xx {first:.1f} s after its return; {queued} queued texts gone {drained:.1f} s later"
    )
    return Outcome(figures, wrong)


async def disk_full(folder: Path, *, seed: int) -> Outcome:
    """PostgreSQL's disk is full for a while: what cannot be stored is not acknowledged, and nothing that was is lost."""
    if os.geteuid() != 0:
        return _skipped("only root can make a small disk")
    disk = _made(folder / "world")
    if await _ran("mount", "-t", "tmpfs", "-o", "size=280m,mode=711", "tmpfs", str(disk)) != 0:
        return _skipped("mounting is not allowed here")
    try:
        return await _fill_disk(disk, seed)
    finally:
        await _ran("umount", "-l", str(disk))


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


async def _ran(*command: str) -> int:
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.DEVNULL)
    return await process.wait()


async def _fill_disk(disk: Path, seed: int) -> Outcome:
    plan = Plan(seed, 1500, 60.0, manners=Manners(rate=100.0, stops=0.0))
    async with running(plan, disk) as run:
        keeper = Keeper(run, PLACES, crash=False, skews=("0",))
        await keeper.begin()

        async def fill(run: Run) -> None:
            await asyncio.sleep(3)
            ballast = disk / "ballast"
            with ballast.open("wb", buffering=0) as file:
                try:
                    while file.write(b"\0" * 1_000_000):
                        pass
                except OSError:
                    pass
            await asyncio.sleep(5)
            ballast.unlink()
            await _keep_postgres_up(run)

        await talk(run, fill, enough=lambda: run.crowd.acked >= plan.texts, calm=keeper.all_ready)
        wrong = complaints(run, "disk full")
    if not run.crowd.answers[503]:
        wrong.append("disk full: it never was, nothing was answered 503")
    return Outcome(f"{run.crowd.acked} texts acknowledged, full for 5 s; {answers(run)}", wrong)


def _skipped(why: str) -> Outcome:
    print(f"SKIPPED [1] campaign, full disk: {why}")
    return Outcome(f"skipped: {why}")


async def _keep_postgres_up(run: Run) -> None:
    """A server that cannot write its log ends itself; somebody starts it again."""
    while True:
        try:
            await run.world.query("select 1")
        except Exception:
            run.world.server.kill()
            run.world.restart_postgres()
        await asyncio.sleep(0.5)


@asynccontextmanager
async def _played(plan: Plan, folder: Path, *, weather: Mapping[str, Any] | None = None) -> AsyncIterator[Run]:
    """A run with two processes and nothing wrong but the weather."""
    async with running(plan, folder) as run:
        keeper = Keeper(run, PLACES, crash=False, skews=("0",))
        await keeper.begin()

        async def bad_weather(run: Run) -> None:
            await run.world.weather(**(weather or {}))
            await asyncio.Event().wait()

        await talk(run, bad_weather, enough=_so_many(run.crowd, plan.texts), calm=keeper.all_ready)
        yield run


def _so_many(crowd: Crowd, texts: int) -> Callable[[], bool]:
    return lambda: crowd.acked >= texts


async def ended(run: Run, keeper: Keeper, name: str) -> list[str]:
    """Nobody says anything more: wait, look, judge."""

    async def nothing(_: Run) -> None:
        return

    await talk(run, nothing, enough=lambda: True, calm=keeper.all_ready)
    return complaints(run, name)


async def pairs(crowd: Crowd, count: int) -> list[tuple[Any, str, str]]:
    """So many sessions between neighbours; whoever texts which number in them."""
    found: list[tuple[Any, str, str]] = []
    for n in range(count):
        opened = await crowd.open(PEOPLE[2 * n], PEOPLE[2 * n + 1])
        if opened is None:
            raise AssertionError("no number was free")
        found += [(opened, opened.phones[slot], opened.numbers[slot]) for slot in (0, 1)]
    return found


def answers(run: Run) -> str:
    """How webhooks were answered; 0 stands for no answer at all."""
    return "webhooks answered " + ", ".join(f"{status} x {n}" for status, n in sorted(run.crowd.answers.items()))


def _doubled(run: Run) -> int:
    texts = [entry.text for entry in run.history.ledger if entry.text not in NOTICES]
    return len(texts) - len(set(texts))


def _ms(values: list[float], share: float) -> str:
    ordered = sorted(values)
    return f"{ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000:.0f} ms" if ordered else "none"
