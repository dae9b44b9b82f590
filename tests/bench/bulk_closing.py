"""A hundred thousand sessions closed by one request, while people in twenty thousand others go on texting; and the same with a
process killed half-way. Nobody else may notice, and each is closed once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.bench.measure import Bench, Figures, percentile
from tests.bench.place import Place, Wanted, peak_of, relay_place
from tests.bench.runs import Result
from tests.bench.seed import NAMED
from tests.bench.talks import POOLS

COUNT, TALKING = 100_000, 20_000
RATE, SECONDS, TURNS = 100.0, 10.0, 3  # texts a second, seconds of a turn, turns before anything is closed
_OFTEN = 0.25  # seconds
_WITHIN = 1800.0
_PATH = "/v1/sessions/bulk-close"
_BODY = {"filter": {"unique_name_prefix": NAMED}}

Told = Callable[[str], None]


async def bulk_closing(folder: Path, told: Told, count: int = COUNT) -> list[Result]:
    """In one bucket with the texts, spread over all of them, and with a process killed half-way."""
    results = [await _beside_texts(folder / str(pools), told, count, pools) for pools in (1, POOLS)]
    return [*results, await _killed(folder / "killed", told, count)]


async def _beside_texts(folder: Path, told: Told, count: int, pools: int) -> Result:
    result = Result(f"relay, {count:,} sessions closed at {RATE:.0f} texts/s, {_of(pools)}")
    told(f"{count:,} sessions are made, {_of(pools)}")
    async with relay_place(folder, Wanted(TALKING, pools, named=count)) as place, _asking(place) as request:
        bench, pid = Bench(place), place.processes["relay 1"]
        await bench.saturated(2_000, lines=64)
        quiet = [await bench.steady(RATE, SECONDS) for _ in range(TURNS)]
        before = place.resident()["relay 1"]
        told(f"{count:,} sessions are closed, {_of(pools)}")
        await request.ask("first")
        watching, busy = asyncio.create_task(request.watched()), []
        while not watching.done():
            busy.append(await bench.steady(RATE, SECONDS))
        await watching
        result.notes["resident before, and at most, MB"] = f"{before / 1e6:.0f} {peak_of(pid) / 1e6:.0f}"
        result.broken += [promise for one in [*quiet, *busy] for promise in one.broken]
        _compare(result, quiet, busy[:-1] or busy)  # the last turn outlasts it
        await request.judge(result, count)
    return result


async def _killed(folder: Path, told: Told, count: int) -> Result:
    """Two processes share the buckets; one of them is killed when half is done. Nobody texts: carriers would see the kill."""
    result = Result(f"relay, {count:,} sessions closed, one of two processes killed half-way")
    told(f"{count:,} sessions are made, for two processes")
    wanted = Wanted(TALKING, named=count, processes=2)
    async with relay_place(folder, wanted) as place, _asking(place) as request:
        told(f"{count:,} sessions are closed by two processes")
        await request.ask("first")
        await request.watched(until=count // 2)
        os.kill(place.processes["relay 1"], signal.SIGKILL)
        result.notes["closed when it was killed"] = f"{request.seen[-1].closed:,}"
        await request.watched()
        await request.judge(result, count)
    return result


def _of(pools: int) -> str:
    return f"{pools} pool{'s' * (pools > 1)}"


def _compare(result: Result, quiet: list[Figures], busy: list[Figures]) -> None:
    """How long texts took before anything was closed, and meanwhile."""
    for what in ("acks", "relays"):
        before, meanwhile = ([took for one in turns for took in getattr(one, what)] for turns in (quiet, busy))
        for share in (0.5, 0.99, 1.0):
            was, became = (percentile(times, share) * 1000 for times in (before, meanwhile))
            name = f"{what}, {f'p{share * 100:.0f}' if share < 1 else 'slowest'}"
            result.notes[name] = f"{was:.1f} ms before, {became:.1f} ms meanwhile, ratio {became / was:.2f}"


@dataclass(frozen=True, slots=True)
class _Seen:
    """``at``: seconds since it was asked for. ``oldest``: seconds that the oldest transaction had been open, as of then."""

    at: float
    closed: int
    done: bool
    oldest: float
    waiting: int  #: transactions that waited for a lock


@dataclass(slots=True)
class _Request:
    """One request to close them all, and what was seen of it."""

    api: httpx.AsyncClient
    database: asyncpg.Connection[asyncpg.Record]
    seen: list[_Seen] = field(default_factory=list)
    asked: dict[str, Any] = field(default_factory=dict)
    took: float = 0.0
    _began: float = 0.0

    async def ask(self, key: str) -> dict[str, Any]:
        """Ask for it; the same key again is the same request."""
        began = time.monotonic()
        answer = await self.api.post(_PATH, json=_BODY, headers={"idempotency-key": key})
        if answer.status_code != 202:
            raise AssertionError(f"it was answered {answer.status_code}")
        if not self.asked:
            self.asked, self._began, self.took = answer.json(), began, time.monotonic() - began
        found: dict[str, Any] = answer.json()
        return found

    async def watched(self, until: int | None = None) -> None:
        """Look at its progress until it is done, or so many are closed."""
        while not self._is_over(until):
            if time.monotonic() > self._began + _WITHIN:
                raise AssertionError(f"not done within {_WITHIN:.0f} s")
            await asyncio.sleep(_OFTEN)
            self.seen.append(await self._look())

    def _is_over(self, until: int | None) -> bool:
        last = self.seen[-1] if self.seen else None
        return last is not None and (last.done or (until is not None and last.closed >= until))

    async def _look(self) -> _Seen:
        now, row = await self._progress(self.asked["id"]), await self.database.fetchrow(_BUSY)
        assert row is not None
        return _Seen(time.monotonic() - self._began, now["closed"], now["done"], row["oldest"], row["waiting"])

    async def _progress(self, asked_id: str) -> dict[str, Any]:
        while True:
            try:
                answer = await self.api.get(f"{_PATH}/{asked_id}")
            except httpx.TransportError:  # a process was killed
                await asyncio.sleep(_OFTEN)
                continue
            found: dict[str, Any] = answer.raise_for_status().json()
            return found

    async def judge(self, result: Result, count: int) -> None:
        """Say how it went, ask twice more, and count what is in the tables."""
        last = self.seen[-1]
        result.rates.append(count / last.at)
        result.notes["answered, and done, in"] = f"{self.took * 1000:.0f} ms, {last.at:.0f} s"
        result.notes["of its time, until so much was closed"] = _quarters(self.seen, count)
        result.notes["oldest transaction, and most that waited for a lock"] = (
            f"{max(s.oldest for s in self.seen) * 1000:.0f} ms, {max(s.waiting for s in self.seen)}"
        )
        closed = [s.closed for s in self.seen]
        if closed != sorted(closed):
            result.broken.append("its progress went back")
        result.broken += [*await self._asked_again(count), *await self._counted(count)]

    async def _asked_again(self, count: int) -> list[str]:
        again, anew = await self.ask("first"), await self.ask("second")
        first = await self._progress(self.asked["id"])
        for _ in range(100):
            if (second := await self._progress(anew["id"]))["done"]:
                break
            await asyncio.sleep(_OFTEN)
        wanted = {"matched": count, "closed": count, "remaining": 0, "done": True}
        wrong = ["the same request was taken for another"] * (again != self.asked)
        wrong += ["it says other than that all were closed"] * any(first[name] != is_ for name, is_ in wanted.items())
        return wrong + ["another request found something left"] * (second["matched"] != 0 or not second["done"])

    async def _counted(self, count: int) -> list[str]:
        row = await self.database.fetchrow(_LEFT)
        assert row is not None
        wanted = {"open": TALKING, "closed": count, "events": count, "told": count, "phones": 0, "held": 0}
        return [f"{name}: {row[name]} instead of {is_}" for name, is_ in wanted.items() if row[name] != is_]


@asynccontextmanager
async def _asking(place: Place) -> AsyncIterator[_Request]:
    headers = {"authorization": f"Bearer {place.key}"}
    database = await asyncpg.connect(place.server.dsn)
    async with httpx.AsyncClient(base_url=place.url, headers=headers, timeout=60) as client:
        yield _Request(client, database)
    await database.close()


def _quarters(seen: list[_Seen], count: int) -> str:
    """Seconds until each quarter was closed: even when the rate stays the same."""
    return " ".join(f"{next(s.at for s in seen if s.closed >= count * n / 4):.0f}" for n in (1, 2, 3, 4))


_BUSY = """
select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)::float8 as oldest,
       count(*) filter (where wait_event_type = 'Lock') as waiting
  from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
"""
_LEFT = """
with s as (select id, status, unique_name from session)
select (select count(*) from s where status = 'open' and unique_name is null) as open,
       (select count(*) from s where status = 'closed' and unique_name is not null) as closed,
       count(*) as events, count(distinct session_id) as told,
       (select count(*) from participant p join s on s.id = p.session_id
         where s.status = 'closed' and p.sealed_phone is not null) as phones,
       (select count(*) from binding b join s on s.id = b.session_id
         where s.status = 'closed' and b.held_until = 'infinity') as held
  from event where type = 'session.closed'
"""
