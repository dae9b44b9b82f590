"""Is the net whole? One bug after the other is planted, and each must be caught by the promise that it breaks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relay.core.model import OnAmbiguous
from tests.campaign.campaign import NOTICES, Plan, Run, running, talk
from tests.campaign.checker import judge
from tests.campaign.crowd import Manners
from tests.campaign.outcome import Outcome
from tests.campaign.planted import BUGS, Bug
from tests.campaign.trouble import Keeper
from tests.campaign.world import Shape

PLACES = ("api 1", "api 2")
_SECONDS = 6.0
_TRIES = 2  # a bug that needs bad luck to show may have had none in six seconds


async def selftest(folder: Path, *, seed: int, only: str | None = None) -> Outcome:
    """Plant every bug, or one. Without any bug nothing may be caught."""
    missed: list[str] = []
    two_at_once = asyncio.Semaphore(2)

    async def look(n: int, name: str, bug: Bug | None) -> None:
        async with two_at_once:
            began = time.monotonic()
            for attempt in range(_TRIES if bug else 1):
                broken = await _caught(folder / f"bug-{n}-{attempt}", seed + attempt, name, bug)
                is_right = any(promise in bug.breaks for promise in broken) if bug else not broken
                if is_right:
                    break
        if not is_right:
            missed.append(name)
        told = ", ".join(f"{promise} ({len(found)})" for promise, found in broken.items()) or "nothing"
        verdict = f"{'ok    ' if is_right else 'MISSED'} {name}: {told}" + (" at the second try" if attempt else "")
        print(f"  {verdict} [{time.monotonic() - began:.1f} s]", flush=True)

    cases: dict[str, Bug | None] = {"(no bug)": None, **BUGS}
    chosen = [(n, name, bug) for n, (name, bug) in enumerate(cases.items()) if only in (None, name)]
    await asyncio.gather(*(look(*case) for case in chosen))
    bugs = sum(bug is not None for _, _, bug in chosen)
    figures = f"{bugs - len([name for name in missed if name in BUGS])} of {bugs} planted bugs caught"
    return Outcome(figures, [f"not caught: {name}" for name in missed])


async def _caught(folder: Path, seed: int, name: str, bug: Bug | None) -> dict[str, list[str]]:
    """What the checker says about a short run with this bug, in the trouble in which it shows."""
    trouble: Mapping[str, Any] = bug.trouble if bug else {"kills": 2, "customer": True, "pools": 4}
    shape = Shape(
        pools=trouble.get("pools", 2),
        numbers=12,
        rate=trouble.get("rate", 50.0),
        policy=OnAmbiguous(trouble.get("policy", "park")),
        customer=trouble.get("customer", False),
    )
    manners = Manners(
        talkers=20, turns=trouble.get("turns", 10), stops=0.3, copies=0.1, rate=trouble.get("texts", 100.0)
    )
    seconds = trouble.get("seconds", _SECONDS)
    plan = Plan(seed, 10_000, seconds, shape=shape, manners=manners, settle_within=8.0)
    async with running(plan, folder) as run:
        planted = {"CAMPAIGN_BUG": name} if bug else {}
        skews = (str(trouble.get("skew", 0)), "0")
        keeper = Keeper(
            run,
            PLACES,
            crash=False,
            extra={**planted, **trouble.get("environment", {})},
            skews=skews,
            pauses_at=trouble.get("pause", ""),
            pause_for=trouble.get("pause_for", 0.0),
        )
        await keeper.begin()

        async def make(run: Run) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(keeper.watch())
                group.create_task(_make(run, trouble))

        await talk(run, make, enough=lambda: False, calm=keeper.all_ready)
        return judge(run.history, notices=NOTICES)


async def _make(run: Run, trouble: Mapping[str, Any]) -> None:
    if "weather" in trouble:
        await run.world.weather(**trouble["weather"])
    kills = int(trouble.get("kills", 0))
    for n in range(kills):
        await asyncio.sleep(_SECONDS / (kills + 1))
        run.world.children[PLACES[n % 2]].signal(9)
    if trouble.get("postgres_dies"):
        for _ in range(2):
            await asyncio.sleep(_SECONDS / 3)
            run.world.server.kill()
            run.world.restart_postgres()
    await asyncio.Event().wait()
