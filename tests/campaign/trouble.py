"""What goes wrong during a run: processes die at named points and at random, stop, stall, believe another time; PostgreSQL
goes away in several ways; the carrier answers badly or not at all; the same webhook comes fifty times at once.

``Keeper`` watches over the places of a world and starts whoever ended again. ``Trouble`` goes through every deed at least
once and then goes on at random.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from tests.campaign.campaign import CALM, Run
from tests.campaign.child import POINTS, STALL
from tests.campaign.customer import HOOK_TIMEOUT
from tests.campaign.history import Deed

PLACES = ("api 1", "api 2", "worker 1")
SKEWS = ("0", "600", "-600")
_AWAY = ("relay: the database does not answer", "relay: The database cannot be reached")
_MILDLY = 4.0  # times rarer than before, once as many have died as was wanted
_LEASE_AND_MORE = 3.0  # seconds: a process that is stopped for so long has lost its leases


@dataclass(slots=True)
class Keeper:
    """Keeps a process of Relay in every place. Each is armed with a crash point of its own and believes another time."""

    run: Run
    places: tuple[str, ...] = PLACES
    crash: bool = True
    armed: float = 1.0  #: share of the processes that get a point to die at
    enough: float = math.inf  #: kills after which most of the time is left to the texts
    extra: Mapping[str, str] = field(default_factory=dict)
    skews: tuple[str, ...] = SKEWS
    pauses_at: str = ""  #: a point at which the first process stops, for ``pause_for`` seconds
    pause_for: float = _LEASE_AND_MORE
    kills: int = 0
    struck: Counter[str] = field(default_factory=Counter)
    ended_badly: list[str] = field(default_factory=list)
    _points: Iterator[str] = field(init=False)
    _expected: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        points = list(POINTS)
        self.run.chance.shuffle(points)
        self._points = itertools.cycle(points)

    @property
    def has_killed_enough(self) -> bool:
        return self.kills >= self.enough

    async def begin(self) -> None:
        for n, place in enumerate(self.places):
            self._start(place, self.skews[n % len(self.skews)])
        await self.all_ready()

    async def all_ready(self) -> None:
        """Wait until there is a working process in every place."""
        for n, place in enumerate(self.places):
            child = self.run.world.children[place]
            child.signal(signal.SIGCONT)
            if child.process.poll() is not None:
                self._start(place, self.skews[n % len(self.skews)])
        for place in self.places:
            await self.run.world.ready(place)

    async def watch(self) -> None:
        """Start again what has ended, let go on what was stopped at a point."""
        while True:
            for n, place in enumerate(self.places):
                child = self.run.world.children[place]
                if child.process.poll() is not None:
                    self._look_at_the_dead(place)
                    self._start(place, self.skews[n % len(self.skews)])
                elif self.pauses_at and not child.paused and child.struck():
                    child.paused = True
                    asyncio.get_running_loop().call_later(self.pause_for, child.signal, signal.SIGCONT)
            await asyncio.sleep(0.05)

    def expect_end(self, place: str) -> None:
        """Somebody is ending this process in order."""
        self._expected.add(self.run.world.children[place].process.pid)

    def _start(self, place: str, skew: str) -> None:
        extra = {"CAMPAIGN_SKEW": skew, **self.extra}
        if self.pauses_at and place == self.places[0]:
            extra["CAMPAIGN_PAUSE"] = f"{self.pauses_at}:{self.run.chance.randrange(10, 30)}"
        if self.crash and not self.has_killed_enough and self.run.chance.random() < self.armed:
            # Few points are reached often; those that are reached seldom strike the first time.
            point = next(self._points)
            often = point.startswith(("ingest", "door", "send", "mark", "receipt", "webhook"))
            extra["CAMPAIGN_CRASH"] = f"{point}:{self.run.chance.randrange(1, 120) if often else 1}"
        self.run.world.start(place, extra=extra)

    def _look_at_the_dead(self, place: str) -> None:
        child = self.run.world.children[place]
        point, code = child.struck(), child.process.returncode
        if code == -signal.SIGKILL:
            self.kills += 1
            self.struck[point or "at random"] += 1
            self.run.history.deeds.append(Deed(time.time(), f"{place} killed: {point or 'at random'}"))
        elif code == 1 and _could_not_start(child.log.read_text(errors="replace")):
            return
        elif child.process.pid not in self._expected or code != 0:
            self.ended_badly.append(f"{place} ended with {code}: {child.log.read_text(errors='replace')[-600:]}")


@dataclass(slots=True)
class Trouble:
    """Every deed in turn, then any; between two of them ``pause`` seconds."""

    keeper: Keeper
    pause: float = 0.5
    kill_every: float = 2.5
    outage: float = 5.0  #: seconds for which PostgreSQL is away once
    done: Counter[str] = field(default_factory=Counter)

    async def __call__(self, run: Run) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.keeper.watch())
            group.create_task(self._kill(run))
            for name in itertools.chain(DEEDS, self._any(run)):
                await self._do(run, name)

    def _any(self, run: Run) -> Iterator[str]:
        while True:
            yield run.chance.choice(tuple(DEEDS))

    async def _kill(self, run: Run) -> None:
        """Whatever else is going on, somebody dies every few seconds."""
        while True:
            mildly = _MILDLY if self.keeper.has_killed_enough else 1.0
            await asyncio.sleep(mildly * self.kill_every * (0.5 + run.chance.random()))
            run.world.children[_anybody(run)].signal(signal.SIGKILL)

    async def _do(self, run: Run, name: str) -> None:
        run.history.deeds.append(Deed(time.time(), name))
        self.done[name] += 1
        await DEEDS[name](run, self)
        await asyncio.sleep(self.pause * (0.5 + run.chance.random()))

    async def calm_down(self) -> None:
        """After the last deed: every place has a working process that nobody is about to kill."""
        keeper, world = self.keeper, self.keeper.run.world
        for place in keeper.places:
            child = world.children[place]
            child.signal(signal.SIGCONT)
            child.signal(signal.SIGKILL)
            child.process.wait()
            world.start(place, extra=keeper.extra)
        for place in keeper.places:
            await world.ready(place)


def _could_not_start(log: str) -> bool:
    """It was started while PostgreSQL was away, and said so."""
    return '"ready"' not in log and any(words in log for words in _AWAY)


def _anybody(run: Run) -> str:
    alive = [place for place, child in run.world.children.items() if child.process.poll() is None]
    return run.chance.choice(alive or list(run.world.children))


async def _stop_and_go_on(run: Run, _: Trouble) -> None:
    """Longer than its leases last: somebody else has its buckets by then."""
    child = run.world.children[_anybody(run)]
    child.signal(signal.SIGSTOP)
    await asyncio.sleep(_LEASE_AND_MORE)
    child.signal(signal.SIGCONT)


async def _stall(run: Run, _: Trouble) -> None:
    """A process that has only just begun has no handler yet, and would die of the signal."""
    child = run.world.children[_anybody(run)]
    if b'"ready"' in child.log.read_bytes():
        child.signal(signal.SIGUSR2)
        await asyncio.sleep(STALL)


async def _end_in_order(run: Run, trouble: Trouble) -> None:
    place = _anybody(run)
    child = run.world.children[place]
    if b'"ready"' not in child.log.read_bytes() or child.process.poll() is not None:
        return
    trouble.keeper.expect_end(place)
    began = time.monotonic()
    child.signal(signal.SIGTERM)
    while child.process.poll() is None and time.monotonic() - began < 25:  # noqa: ASYNC110 - another process ends
        await asyncio.sleep(0.05)
    if time.monotonic() - began > 20:
        trouble.keeper.ended_badly.append(f"{place} took {time.monotonic() - began:.0f} s to end")


async def _postgres_dies(run: Run, _: Trouble) -> None:
    run.world.server.kill(signal.SIGKILL)
    await asyncio.sleep(0.1)
    run.world.restart_postgres()


async def _postgres_stops_at_once(run: Run, trouble: Trouble) -> None:
    """PostgreSQL's own emergency stop; it comes back after a while."""
    run.world.server.kill(signal.SIGQUIT)
    await asyncio.sleep(trouble.outage)
    run.world.restart_postgres()


async def _connections_lost(run: Run, _: Trouble) -> None:
    connection = await asyncpg.connect(run.world.server.dsn)
    await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'relay'")
    await connection.close()


async def _table_locked(run: Run, _: Trouble) -> None:
    """Longer than anybody waits for a lock: connections are all in use, and what cannot be stored is not acknowledged."""
    connection = await asyncpg.connect(run.world.server.dsn)
    async with connection.transaction():
        await connection.execute("lock table inbox_key, outbox in exclusive mode")
        await asyncio.sleep(2.5)
    await connection.close()


async def _migrated(run: Run, _: Trouble) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", "migrate", env={**os.environ, **run.world.environment}, stdout=subprocess.DEVNULL
    )
    if await process.wait() != 0:
        raise AssertionError("relay migrate failed while Relay was running")


async def _fifty_copies(run: Run, _: Trouble) -> None:
    run.crowd.burst = 50


async def _strange_webhooks(run: Run, _: Trouble) -> None:
    """Forged texts, receipts for nobody, receipts that were tampered with: none may be answered 2xx."""
    hooks = f"{run.world.url}/hooks/{run.world.connection}"
    for path in ("inbound", "receipts/" + "A" * 80, "receipts/%00", "voice"):
        with_signature = {"x-twilio-signature": "bm90IHJlYWxseSBhIHNpZ25hdHVyZQ=="}
        try:
            async with run.crowd.http.post(
                f"{hooks}/{path}", data=b"From=%2B12025550199", headers=with_signature
            ) as answer:
                if answer.status not in {403, 503}:
                    raise AssertionError(f"a forged webhook was answered {answer.status}")
        except (aiohttp.ClientError, OSError, TimeoutError):
            continue


async def _customer_away(run: Run, _: Trouble) -> None:
    """The marketplace's server fails at everything, for longer than a hook is waited for."""
    if (customer := run.world.customer) is None:
        return
    customer.is_away = True
    await asyncio.sleep(HOOK_TIMEOUT + 1.0)
    customer.is_away = False


def _weather(seconds: float, **faults: Any) -> Callable[[Run, Trouble], Awaitable[None]]:
    async def bad(run: Run, _: Trouble) -> None:
        await run.world.weather(**faults)
        await asyncio.sleep(seconds)
        await run.world.weather(**{name: CALM[name] for name in faults})

    return bad


DEEDS: dict[str, Callable[[Run, Trouble], Awaitable[None]]] = {
    "stop past the lease": _stop_and_go_on,
    "stall": _stall,
    "end in order": _end_in_order,
    "postgres dies": _postgres_dies,
    "postgres away": _postgres_stops_at_once,
    "connections lost": _connections_lost,
    "tables locked": _table_locked,
    "migrate": _migrated,
    "fifty copies": _fifty_copies,
    "strange webhooks": _strange_webhooks,
    "customer away": _customer_away,
    "answers swallowed": _weather(3.0, swallow_rate=0.1),
    "answers garbled": _weather(3.0, garble_rate=0.1),
    "slow carrier": _weather(3.0, latency_ms=400),
    "errors": _weather(2.0, error_rate=0.3),
    "throttled": _weather(2.0, throttle_rate=0.5),
    "receipts twice": _weather(3.0, duplicate_rate=0.5),
    "receipts reordered": _weather(3.0, reorder=True),
    "receipts missing": _weather(3.0, drop_receipts=True),
    "nothing listed": _weather(3.0, unlisted=True, swallow_rate=0.05),
}
