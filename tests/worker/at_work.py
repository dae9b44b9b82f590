"""A worker at work, as one process has it, with a slow carrier at the far end and much for both to do.

The sending loop, its leases and its wakeup are real; only the provider's socket is a stand-in. The danger
is a test that looks too early: wait for what there is to see.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs

import httpx

from relay.services.inbound.departures import Closed
from relay.storage.configuration import Configuration, Pool
from relay.wiring import Relay
from relay.worker.leases import Leases
from relay.worker.sender import Sender, SenderSettings
from tests.services.carrier import answered, refusal
from tests.services.people import phone
from tests.services.rig import Rig, Talk, start_talk


@dataclass(slots=True)
class SlowCarrier:
    """Takes ``latency`` seconds over every text, and notes how many it had in hand at once, and when each came."""

    latency: float = 0.02
    taken: list[tuple[str, str, str]] = field(default_factory=list)  #: from, to, text
    came: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  #: by the number it came from
    in_hand: int = 0
    most_in_hand: int = 0
    too_fast: set[str] = field(default_factory=set)  #: numbers whose next text is turned away
    unforeseen: set[str] = field(default_factory=set)  #: numbers whose next text meets an error that no adapter knows

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        form = parse_qs(request.content.decode())
        sender, to, text = form["From"][0], form["To"][0], form["Body"][0]
        self.came[sender].append(time.monotonic())
        self.in_hand += 1
        self.most_in_hand = max(self.most_in_hand, self.in_hand)
        await asyncio.sleep(self.latency)
        self.in_hand -= 1
        if sender in self.too_fast:
            self.too_fast.discard(sender)
            return refusal(20429, 429)
        if sender in self.unforeseen:
            self.unforeseen.discard(sender)
            raise RuntimeError
        self.taken.append((sender, to, text))
        return answered(201, {"sid": f"SM{len(self.taken):032x}", "status": "queued"})

    def read_by(self, person: str) -> list[str]:
        return [text for _, to, text in self.taken if to == person]


@dataclass(slots=True)
class Worker:
    """A sender and its leases, as one process has them."""

    leases: Leases
    sender: Sender
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def stop(self) -> None:
        await self.sender.drain()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.leases.release()


@asynccontextmanager
async def working(
    relay: Relay, *, sockets: int = 16, lasting: float = 5.0, idle_poll: float = 1.0
) -> AsyncIterator[Worker]:
    """A worker at work on every bucket. It hears no hints of other processes: that takes ``relay.wakeup.listen``."""
    leases = Leases(
        relay.database,
        Configuration(relay.database),
        lasting=timedelta(seconds=lasting),
        taken=relay.wakeup.now,
    )
    relay.wakeup.served_here = lambda bucket: leases.get(bucket) is not None
    settings = SenderSettings(sockets=sockets, busy_poll=0.1, idle_poll=idle_poll)
    sender = Sender(
        relay.database, relay.configuration, relay.sending, leases=leases, wakeup=relay.wakeup, settings=settings
    )
    leases.busy = sender.busy
    relay.inbound.gate = sender.departures
    worker = Worker(leases, sender, [asyncio.create_task(run) for run in (leases.run(), sender.run())])
    try:
        yield worker
    finally:
        relay.inbound.gate = Closed
        await worker.stop()


async def talks_in(rig: Rig, pool: Pool, count: int, *, start: int = 0) -> list[Talk]:
    """So many sessions between people who have only one each."""
    people = range(start, start + 2 * count, 2)
    return [await start_talk(rig, pool=pool, one=phone(n), other=phone(n + 1)) for n in people]


async def fill(rig: Rig, talks: list[Talk], count: int) -> None:
    """Each first person sends so many texts, all of one pool in one batch."""
    batch = [talk.arrived(f"{n}") for n in range(count) for talk in talks]
    await rig.relay.inbound.take(talks[0].bucket, batch)


async def all_sent(rig: Rig) -> bool:
    return not await rig.rows("select 1 from outbox")


async def idle(carrier: SlowCarrier) -> bool:
    return carrier.in_hand == 0


async def took(carrier: SlowCarrier, count: int) -> bool:
    return len(carrier.taken) >= count


async def in_hand(carrier: SlowCarrier) -> bool:
    return carrier.in_hand > 0


async def holds(worker: Worker, bucket: int) -> bool:
    return worker.leases.get(bucket) is not None
