"""Open-loop load on real processes: so many texts a second, each due at its own time, whatever became of those before.

What is printed: how long the carrier waited for its answer (ack), and how long a text took from the moment it was due to
the moment the carrier had accepted it (relay). Both on one clock of one machine. Nothing is asserted: these are figures.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx

from tests.acceptance.installation import Installation

AREAS = (202, 415, 212, 312, 305, 206, 617, 512, 503, 702, 720, 813, 919, 704, 614, 317, 216, 313, 404, 214)
NUMBERS = [f"+1{area}55501{n:02}" for area in AREAS for n in range(10)]
PEOPLE = [f"+1{area}55501{n:02}" for area in AREAS for n in range(50, 100)]


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds. ``lost`` and ``doubled`` are counted against the carrier's ledger."""

    texts: int
    seconds: float
    acks: Sequence[float]
    relays: Sequence[float]
    refused: int
    lost: int
    doubled: int


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


async def steady(place: Installation, *, rate: float, seconds: float, sessions: int = 400) -> Figures:
    """Send ``rate`` texts a second for so long, in turn from every person of as many sessions."""
    senders = await _open(place, sessions)
    total = int(rate * seconds)
    hooks = []
    for i in range(total):
        sender, number = senders[i % len(senders)]
        hooks.append(place.webhook(sender, number, f"text {i}"))
    due, acks, statuses = await _fire(hooks, rate)
    ledger = await _drain(place, total)
    arrived = {row["text"]: datetime.fromisoformat(row["at"]).timestamp() for row in ledger}
    relays = [arrived[f"text {i}"] - due[i] for i in range(total) if f"text {i}" in arrived]
    return Figures(
        texts=total,
        seconds=seconds,
        acks=acks,
        relays=relays,
        refused=sum(status != 204 for status in statuses),
        lost=total - len(arrived),
        doubled=len(ledger) - len(arrived),
    )


async def _open(place: Installation, count: int) -> list[tuple[str, str]]:
    """Sessions of neighbours; every person and the number that they text."""
    senders = []
    for i in range(count):
        one, other = PEOPLE[2 * i % len(PEOPLE)], PEOPLE[(2 * i + 1) % len(PEOPLE)]
        _, first, second = await place.open(one, other, geo_match="any")
        senders += [(one, first), (other, second)]
    random.Random(1).shuffle(senders)  # neighbours share an area code, and so the few numbers of it
    return senders


async def _fire(
    hooks: Sequence[tuple[str, dict[str, str], bytes]], rate: float
) -> tuple[list[float], list[float], list[int]]:
    """Post each hook at its own time; returns when each was due (wall clock), how long each waited, and the answers."""
    loop = asyncio.get_running_loop()
    begin, wall = loop.time() + 0.2, time.time() + 0.2
    acks = [0.0] * len(hooks)
    statuses = [0] * len(hooks)

    async def post(i: int, client: httpx.AsyncClient) -> None:
        url, headers, body = hooks[i]
        statuses[i] = (await client.post(url, headers=headers, content=body)).status_code
        acks[i] = loop.time() - (begin + i / rate)

    limits = httpx.Limits(max_connections=32, max_keepalive_connections=32)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client, asyncio.TaskGroup() as group:
        for i in range(len(hooks)):
            await asyncio.sleep(max(0.0, begin + i / rate - loop.time()))
            group.create_task(post(i, client))
    return [wall + i / rate for i in range(len(hooks))], acks, statuses


async def _drain(place: Installation, wanted: int, *, within: float = 30.0) -> list[dict[str, str]]:
    deadline = time.monotonic() + within
    ledger = await place.ledger()
    while len(ledger) < wanted and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        ledger = await place.ledger()
    return ledger
