"""What is measured against what. All builds get the same texts, people and numbers, and one after the other the whole machine.

Rounds are interleaved and their medians taken, because machines are shared and drift. Relay runs as it is delivered: signed
webhooks, recognised copies, sealed texts, order, pacing, attempts, events and receipts are all on.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from relay.storage.embedded import start_embedded
from tests.bench.baselines import tables
from tests.bench.baselines.builds import HTTP_ALONE, NAIVE, VENDOR, Build
from tests.bench.baselines.pgbench import CYCLE, CYCLE_50, Script, pgbench
from tests.bench.measure import Bench, Figures, percentile
from tests.bench.place import Place, Wanted, baseline_place, binaries, relay_place
from tests.bench.talks import pairings

_LINES = 512  # webhooks that a carrier has on the way at once
_SLOW_DISK = {"commit_delay": "1000", "commit_siblings": "0"}  # a stand-in: each commit takes a millisecond more
_MANY_SOCKETS = {"RELAY_SOCKETS": "400"}  # a carrier that answers in 100 ms needs more of them

Opened = AbstractAsyncContextManager[Place]


@dataclass(slots=True)
class Result:
    """One row: texts a second by round, and what else was seen. ``broken`` is empty when every promise held."""

    name: str
    rates: list[float] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return median(self.rates) if self.rates else float("nan")


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything. Texts are chosen so that no run is over before it is under way."""

    rounds: int
    sessions: int
    relay: int
    naive: int
    vendor: int
    slow: tuple[int, int]  #: texts with a carrier that takes 100 ms: Relay's, the vendors' sample's
    steady: tuple[float, float]  #: texts a second, seconds
    burst: tuple[float, float]
    pgbench: int  #: seconds


SHORT = Size(1, 5_000, 3_000, 1_500, 0, (0, 0), (100.0, 8.0), (0.0, 0.0), 3)
CORE = Size(3, 50_000, 8_000, 4_000, 2_000, (5_000, 300), (500.0, 20.0), (3000.0, 10.0), 5)


async def core(folder: Path, size: Size, told: Callable[[str], None]) -> list[Result]:
    """All builds, interleaved."""
    found: dict[str, Result] = {}
    for turn in range(size.rounds):
        for name, run in [*_compared(size), *(_once(size) if turn == size.rounds - 1 else [])]:
            told(f"round {turn + 1} of {size.rounds}: {name}")
            result = found.setdefault(name, Result(name))
            await run(folder / f"{turn}-{name.replace(' ', '-')}", result)
    return list(found.values())


Step = tuple[str, Callable[[Path, Result], Awaitable[None]]]


def _compared(size: Size) -> list[Step]:
    """What ratios are made of: measured in every round."""
    wanted = Wanted(sessions=size.sessions)
    steps: list[Step] = [
        ("pgbench, one by one", lambda at, result: _pgbench(at, result, CYCLE, size)),
        ("pgbench, in fifties", lambda at, result: _pgbench(at, result, CYCLE_50, size)),
        ("relay", lambda at, r: _flooded(relay_place(at, wanted), r, size.relay)),
        ("HTTP alone", lambda at, r: _flooded(baseline_place(at, HTTP_ALONE, wanted), r, size.relay)),
    ]
    if _has(NAIVE):
        steps.append(("naive async", lambda at, r: _flooded(baseline_place(at, NAIVE, wanted), r, size.naive)))
    if size.vendor and _has(VENDOR):
        steps.append(("vendors' sample", lambda at, r: _flooded(baseline_place(at, VENDOR, wanted), r, size.vendor)))
    return steps


def _once(size: Size) -> list[Step]:
    """What stands for itself, or is far enough away: measured in the last round."""
    wanted, far = Wanted(sessions=size.sessions), Wanted(size.sessions, latency_ms=100, settings=_MANY_SOCKETS)
    steps: list[Step] = [("relay, steady", lambda at, r: _steadily(relay_place(at, wanted), r, *size.steady))]
    if size.burst[1]:
        two = Wanted(sessions=size.sessions, processes=2)
        slow = Wanted(sessions=size.sessions, postgres=_SLOW_DISK)
        steps += [
            ("relay, burst", lambda at, r: _steadily(relay_place(at, wanted), r, *size.burst)),
            ("relay, two processes", lambda at, r: _flooded(relay_place(at, two), r, size.relay)),
            ("relay, slow disk", lambda at, r: _flooded(relay_place(at, slow), r, size.relay)),
            ("relay, carrier 100 ms", lambda at, r: _flooded(relay_place(at, far), r, size.slow[0])),
        ]
        if _has(VENDOR):
            vendor = ("vendors' sample, carrier 100 ms", size.slow[1])
            steps.append((vendor[0], lambda at, r: _flooded(baseline_place(at, VENDOR, far), r, vendor[1])))
    return steps


def _has(build: Build) -> bool:
    missing = [name for name in build.needs if importlib.util.find_spec(name) is None]
    if missing:
        print(f"SKIPPED [1] bench, {build.name}: {', '.join(missing)} not installed (extra `bench`)")
    return not missing


async def _flooded(opened: Opened, result: Result, count: int) -> None:
    async with opened as place:
        bench = Bench(place)
        await bench.saturated(count // 5, lines=_LINES)  # connections, statements and caches are there by then
        figures = await bench.saturated(count, lines=_LINES)
    result.rates.append(figures.rate)
    result.broken += figures.broken
    result.notes["CPU per text"] = ", ".join(f"{name} {used:.0f} us" for name, used in sorted(figures.cpu.items()))


async def _steadily(opened: Opened, result: Result, rate: float, seconds: float) -> None:
    async with opened as place:
        bench = Bench(place)
        await bench.saturated(500, lines=64)
        figures = await bench.steady(rate, seconds)
    result.rates.append(figures.rate)
    result.broken += figures.broken
    result.notes[f"{rate:.0f}/s for {seconds:.0f} s"] = _latencies(figures)


def _latencies(figures: Figures) -> str:
    found = [
        f"{name} p50 {percentile(values, 0.5) * 1000:.1f} ms, p99 {percentile(values, 0.99) * 1000:.1f} ms"
        for name, values in (("answered", figures.acks), ("relayed", figures.relays))
    ]
    return "; ".join([*found, ", ".join(f"{status} x {n}" for status, n in sorted(figures.answers.items()))])


async def _pgbench(folder: Path, result: Result, script: Script, size: Size) -> None:
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with start_embedded(folder / "postgres", binaries=binaries()) as server:
        talks = (talk for pairing in pairings(size.sessions) for talk in pairing.talks())
        await tables.furnish(server.dsn, ((t.number, t.sender, t.shown, t.recipient) for t in talks))
        rate = await asyncio.to_thread(
            pgbench, server.dsn, script, clients=16, seconds=size.pgbench, binaries=binaries()
        )
    result.rates.append(rate)
