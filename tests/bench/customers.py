"""What slow customers cost others: an endpoint that never answers and a hook that answers at its deadline, and the texts of
pools that have neither. With them and without, in turns, in one place."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from tests.bench.lines import length_of
from tests.bench.measure import Bench, Figures, percentile
from tests.bench.place import Place, Wanted, relay_place
from tests.bench.runs import Result
from tests.bench.talks import NUMBERS, POOLS, number

RATES = (200.0, 500.0)  # texts a second
SECONDS, ROUNDS = 10.0, 3
_DEADLINE = 1  # seconds, of the hook
_HEARD_OF = 3.0  # seconds after which every process knows of a change
_ALLOW = b'{"action":"allow"}'


async def customers(
    folder: Path,
    told: Callable[[str], None],
    *,
    rates: tuple[float, ...] = RATES,
    seconds: float = SECONDS,
    rounds: int = ROUNDS,
) -> list[Result]:
    """The same load with quiet customers and with disturbing ones; only texts of pools without a hook count."""
    wanted = Wanted(sessions=20_000, settings={"RELAY_LOOPBACK_WEBHOOKS": "true"})
    results = []
    async with relay_place(folder, wanted) as place, _listening() as url, _api(place) as api:
        bench = Bench(place, apart=frozenset(number(n) for n in range(NUMBERS // POOLS)))
        disturbance = _Disturbance(api, url)
        await bench.saturated(2_000, lines=64)
        for rate in rates:
            seen = _Seen()
            for turn in range(2 * rounds):
                told(f"{rate:.0f} texts/s, turn {turn + 1} of {2 * rounds}")
                if turn % 2:
                    async with disturbance.going_on():
                        seen.disturbed.append(await bench.steady(rate, seconds))
                else:
                    seen.quiet.append(await bench.steady(rate, seconds))
            results.append(seen.result(rate))
    return results


@dataclass(slots=True)
class _Seen:
    """Of each turn."""

    quiet: list[Figures] = field(default_factory=list)
    disturbed: list[Figures] = field(default_factory=list)

    def result(self, rate: float) -> Result:
        everything = [*self.quiet, *self.disturbed]
        result = Result(f"relay, {rate:.0f}/s beside slow customers", [one.rate for one in self.disturbed])
        result.broken += [promise for one in everything for promise in one.broken]
        for what, times in (("acknowledged", _acks), ("relayed", _relays)):
            for share in (0.5, 0.99):
                quiet, disturbed = (_median(turns, times, share) for turns in (self.quiet, self.disturbed))
                result.notes[f"{what} p{share * 100:.0f}"] = (
                    f"{quiet:.1f} ms without, {disturbed:.1f} ms with, ratio {disturbed / quiet:.2f}"
                )
        apart = [took for one in self.disturbed for took in one.apart]
        result.notes["relayed by the pool with the hook, p50"] = f"{percentile(apart, 0.5) * 1000:.0f} ms, {len(apart)}"
        return result


def _acks(figures: Figures) -> list[float]:
    return list(figures.acks)


def _relays(figures: Figures) -> list[float]:
    return list(figures.relays)


def _median(turns: list[Figures], times: Callable[[Figures], list[float]], share: float) -> float:
    """Milliseconds."""
    return median(percentile(times(one), share) for one in turns) * 1000


@dataclass(frozen=True, slots=True)
class _Disturbance:
    """``url``: where the slow customers stand."""

    api: httpx.AsyncClient
    url: str

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        hook = {"url": f"{self.url}/late", "timeout": _DEADLINE, "on_timeout": "allow"}
        made = (await self._call("POST", "/v1/webhooks", {"url": f"{self.url}/never"}))["id"]
        await self._call("PATCH", "/v1/pools/pool 0", {"hooks": {"intercept": hook}})
        await asyncio.sleep(_HEARD_OF)
        try:
            yield
        finally:
            await self._call("PATCH", "/v1/pools/pool 0", {"hooks": {"intercept": None}})
            await self._call("DELETE", f"/v1/webhooks/{made}")
            await asyncio.sleep(_HEARD_OF)

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.api.request(method, path, json=body)
        if answer.status_code >= 300:
            raise AssertionError(f"{method} {path} was answered {answer.status_code}")
        return answer.json() if answer.content else None


@asynccontextmanager
async def _api(place: Place) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {place.key}"}
    async with httpx.AsyncClient(base_url=place.url, headers=headers, timeout=30) as client:
        yield client


@asynccontextmanager
async def _listening() -> AsyncIterator[str]:
    """The customers' server, on loopback; yields its address."""
    open_calls: set[asyncio.Task[None]] = set()

    def take(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.create_task(_serve(reader, writer))
        open_calls.add(task)
        task.add_done_callback(open_calls.discard)

    server = await asyncio.start_server(take, "127.0.0.1", 0, backlog=1024)
    try:
        yield "http://{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        for task in list(open_calls):
            task.cancel()
        await asyncio.gather(*open_calls, return_exceptions=True)


async def _serve(reader: StreamReader, writer: StreamWriter) -> None:
    """``/late`` allows when its time is over, or nearly; anything else is not answered before the caller gives up."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(length_of(head))
        if head.startswith(b"POST /late "):
            await asyncio.sleep(_DEADLINE)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(_ALLOW), _ALLOW))
        else:
            await reader.read()
    writer.close()
