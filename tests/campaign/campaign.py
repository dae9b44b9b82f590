"""One run: a world, a crowd that talks in it, a weather of faults, and at the end everything that can be seen from outside."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from relay.core.ids import IdKind, public
from relay.core.notices import Phrase, say
from tests.campaign.checker import judge
from tests.campaign.crowd import MARK, Crowd, Manners
from tests.campaign.customer import serving
from tests.campaign.history import Entry, History, Message
from tests.campaign.log_reader import seen_log
from tests.campaign.told_reader import see_what_was_told
from tests.campaign.world import PEOPLE, Shape, World, made

NOTICES = frozenset(say(phrase, language="en", own_words={}) for phrase in Phrase)
CALM = {
    "latency_ms": 0,
    "error_rate": 0,
    "throttle_rate": 0,
    "swallow_rate": 0,
    "garble_rate": 0,
    "duplicate_rate": 0,
    "reorder": False,
    "drop_receipts": False,
    "unlisted": False,
}
_UNSETTLED = "select count(*) from outbox where phase <> 'parked'"
_PHONE = re.compile(r"\+1\d{10}")


@dataclass(frozen=True, slots=True)
class Plan:
    """``texts``: how many to be acknowledged, ``within`` so many seconds. ``before`` runs beside the crowd until it ends."""

    seed: int
    texts: int
    within: float
    shape: Shape = field(default_factory=Shape)
    manners: Manners = field(default_factory=Manners)
    settle_within: float = 60.0
    lasting: Mapping[str, Any] = field(default_factory=dict)  #: the weather that stays until the end


@dataclass(slots=True)
class Run:
    """A run under way, for whoever makes trouble in it."""

    plan: Plan
    world: World
    crowd: Crowd
    history: History
    chance: random.Random
    seconds: dict[str, float] = field(default_factory=dict)


Trouble = Callable[[Run], Coroutine[Any, Any, None]]
Calm = Callable[[], Awaitable[None]]


@asynccontextmanager
async def running(plan: Plan, folder: Path) -> AsyncIterator[Run]:
    """A world with its crowd, nobody talking yet."""
    chance = random.Random(plan.seed)
    history = History(policy=plan.shape.policy, may_reorder=plan.shape.policy == "resend")
    timeout = aiohttp.ClientTimeout(total=8.0)
    async with AsyncExitStack() as stack:
        customer = stack.enter_context(serving(MARK)) if plan.shape.customer else None
        world = await stack.enter_async_context(made(folder, plan.shape, customer))
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        history.hooked = world.hooked
        crowd = Crowd(world, history, http, chance, plan.manners)
        yield Run(plan, world, crowd, history, random.Random(plan.seed + 1))


async def talk(run: Run, trouble: Trouble, *, enough: Callable[[], bool], calm: Calm) -> bool:
    """Let everybody talk while there is trouble; then calm, and wait until nothing is under way. False when it never ends."""
    began = time.monotonic()
    making = asyncio.create_task(trouble(run))
    run.crowd.begin()
    talking = asyncio.create_task(run.crowd.talk_until(enough, within=run.plan.within))
    await asyncio.wait((talking, making), return_when=asyncio.FIRST_COMPLETED)
    making.cancel()
    ended = await asyncio.gather(making, return_exceptions=True)
    if isinstance(ended[0], Exception):
        raise ended[0]
    await talking
    await run.world.weather(**{**CALM, **run.plan.lasting})
    await calm()
    await run.crowd.finish()
    run.seconds["talking"] = time.monotonic() - began
    is_settled = await settled(run.world, run.plan.settle_within)
    run.seconds["settling"] = time.monotonic() - began - run.seconds["talking"]
    await seen_at_the_end(run)
    return is_settled


async def settled(world: World, within: float) -> bool:
    """Wait until nothing waits to leave and nobody's fate is open, and the receipts have come."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        waiting = (await world.query(_UNSETTLED))[0][0]
        receipts = (await world.carrier.get("/healthz")).json()["receipts"]["waiting"]
        if not waiting and not receipts:
            await asyncio.sleep(1.0)
            return True
        await asyncio.sleep(0.2)
    return False


async def seen_at_the_end(run: Run) -> None:
    """The carrier's ledger and receipts, every session's messages through the API, their events, and what was leaked."""
    history, world = run.history, run.world
    told: dict[str, list[str]] = (await world.carrier.get("/control/receipts")).json()
    history.ledger = [
        Entry(row["from"], row["to"], row["text"], _clock(row["at"]), told.get(row["token"] or "", []))
        for row in await world.ledger()
    ]
    history.swallowed = (await world.carrier.get("/healthz")).json()["withheld"]
    events = await _events(world)
    gate = asyncio.Semaphore(8)

    async def read(session: str) -> list[dict[str, Any]]:
        async with gate:
            return await _messages(run, session)

    pages = await asyncio.gather(*(read(opened.session) for opened in history.opened))
    history.messages = [_message(m, events) for page in pages for m in page]
    history.log = [await seen_log(run, within=run.plan.settle_within)]
    history.leaks = [leak for log in world.logs for leak in _leaks(log)]
    if world.customer:
        await see_what_was_told(history, world, world.customer)


async def _messages(run: Run, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        path = f"/v1/sessions/{session}/messages?limit=200{cursor}"
        headers = {"authorization": f"Bearer {run.world.key}"}
        async with run.crowd.http.get(run.world.url + path, headers=headers) as answer:
            page = await answer.json()
        if answer.status == 404:
            run.history.forgotten.append(session)
            return found
        if answer.status != 200:
            raise AssertionError(f"messages of a session were answered {answer.status}")
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def _events(world: World) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for row in await world.query("select message_id, type from event where message_id is not null order by at, id"):
        found[public(IdKind.MESSAGE, row["message_id"])].append(row["type"])
    return found


def _message(shown: dict[str, Any], events: dict[str, list[str]]) -> Message:
    return Message(
        id=shown["id"],
        session=shown["session"] or "",
        kind=shown["kind"],
        sender=shown["from"] or "",
        to=shown["to"] or "",
        state=shown["state"],
        reason=shown["reason"] or "",
        events=events[shown["id"]],
    )


def _clock(written: str) -> float:
    return datetime.fromisoformat(written).timestamp()


def _leaks(log: Path) -> list[str]:
    """A person's phone or a text in what a process has logged."""
    text, people = log.read_text(errors="replace"), set(PEOPLE)
    found = [f"{log.name}: a phone" for phone in set(_PHONE.findall(text)) & people]
    return found + ([f"{log.name}: a text"] if MARK in text else [])


def complaints(run: Run, name: str) -> list[str]:
    """A line for each promise that was broken in this run, and for answers that no webhook should have got."""
    broken = judge(run.history, notices=NOTICES)
    wrong = [f"{name}: {promise} broken {len(found)} times, such as: {found[0]}" for promise, found in broken.items()]
    unknown = set(run.crowd.answers) - {0, 204, 503}
    return wrong + ([f"{name}: webhooks were answered {unknown}"] if unknown else [])
