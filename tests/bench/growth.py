"""What size costs: more bindings, more or fewer pools, a long history, a long queue, many sessions, a long log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import asyncpg

from tests.bench.bulk_closing import bulk_closing
from tests.bench.customers import customers
from tests.bench.evidence import evidence
from tests.bench.load import flood, talks, texts
from tests.bench.measure import Bench, percentile
from tests.bench.opening import Opening
from tests.bench.place import Place, Wanted, relay_place
from tests.bench.runs import Result

#: Open sessions; each has two bindings.
SIZES = (5_000, 500_000, 2_500_000)
POOLS = (1, 64, 1024)
_TEXTS, _LINES, _ROUNDS = 10_000, 512, 3
_HISTORY_ROUNDS, _HISTORY_TEXTS = 10, 100_000
_QUEUED = 100_000
_SLOW_MS = 5_000  # a carrier that lets them pile up

Told = Callable[[str], None]


async def by_bindings(folder: Path, told: Told) -> list[Result]:
    """The same load over more and more open sessions."""
    results = []
    for count in SIZES:
        told(f"{2 * count:,} bindings")
        results.append(await _at(folder / str(count), f"relay, {2 * count:,} bindings", Wanted(sessions=count)))
    return _with_ratios(results)


async def by_pools(folder: Path, told: Told) -> list[Result]:
    """The same numbers in one pool, in 64, and in a pool each."""
    results = []
    for pools in POOLS:
        told(f"{pools} pools")
        wanted = Wanted(sessions=20_000, pools=pools)
        results.append(await _at(folder / str(pools), f"relay, {pools:,} pools", wanted))
    return _with_ratios(results)


async def _at(folder: Path, name: str, wanted: Wanted) -> Result:
    result = Result(name)
    async with relay_place(folder, wanted) as place:
        bench = Bench(place)
        await bench.saturated(_TEXTS // 5, lines=_LINES)
        for _ in range(_ROUNDS):
            await _round(bench, _TEXTS, result)
    return result


async def _round(bench: Bench, count: int, result: Result) -> None:
    figures = await bench.saturated(count, lines=_LINES)
    result.rates.append(figures.rate)
    result.broken += figures.broken


def _with_ratios(results: list[Result]) -> list[Result]:
    for result in results[1:]:
        result.notes[f"to {results[0].name.removeprefix('relay, ')}"] = f"{result.rate / results[0].rate:.2f}"
    return results


async def history(folder: Path, told: Told) -> list[Result]:
    """A million texts, one round after the other: speed over a growing history, and the memory of the one process."""
    result, held = Result(f"relay, {_HISTORY_ROUNDS * _HISTORY_TEXTS:,} texts"), []
    async with relay_place(folder, Wanted(sessions=20_000)) as place:
        bench = Bench(place)
        held.append(_megabytes(place))
        for n in range(_HISTORY_ROUNDS):
            told(f"texts {n * _HISTORY_TEXTS:,} to {(n + 1) * _HISTORY_TEXTS:,}")
            await _round(bench, _HISTORY_TEXTS, result)
            held.append(_megabytes(place))
    result.notes["resident at the start and after each hundred thousand, MB"] = " ".join(f"{mb:.0f}" for mb in held)
    result.notes["texts/s, first and last three rounds"] = (
        f"{median(result.rates[:3]):.0f} and {median(result.rates[-3:]):.0f}"
    )
    return [result]


async def queue(folder: Path, told: Told) -> list[Result]:
    """A carrier so slow that a hundred thousand texts wait: they wait in the database."""
    told(f"{_QUEUED:,} queued texts")
    result = Result(f"relay, {_QUEUED:,} queued texts")
    async with relay_place(folder, Wanted(sessions=20_000, latency_ms=_SLOW_MS)) as place:
        before = _megabytes(place)
        load = await flood(place.inbound, texts(place.inbound, talks(20_000, seed=1), _QUEUED), lines=_LINES)
        result.rates.append(_QUEUED / (load.ended - load.began))
        await asyncio.sleep(5.0)
        waiting = _QUEUED - (await place.left())[0]
        result.notes[f"resident before, and with {waiting:,} waiting, MB"] = f"{before:.0f} {_megabytes(place):.0f}"
    return [result]


async def over_http(folder: Path, told: Told) -> list[Result]:
    """Sessions opened, and read, over HTTP."""
    results = []
    async with relay_place(folder, Wanted(sessions=10_000)) as place:
        opening = Opening(place)
        for clients in (1, 16):
            for what, work in (("sessions opened", opening.sessions), ("sessions read", opening.reads)):
                told(f"{what}, clients: {clients}")
                seconds, took = await work(clients)
                result = Result(f"relay, {what}, clients: {clients}", [len(took) / seconds])
                p50, p99 = (percentile(took, share) * 1000 for share in (0.5, 0.99))
                result.notes["answered"] = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
                results.append(result)
    return results


async def sealing(folder: Path, told: Told) -> list[Result]:
    """With events sealed into the audit log, and without, in turns."""
    programs = {"relay, events sealed": "relay", "relay, nothing sealed": "tests.bench.unsealed"}
    results = {name: Result(name) for name in programs}
    for n in range(_ROUNDS):
        for name, program in programs.items():
            told(f"{name}, round {n + 1} of {_ROUNDS}")
            wanted = Wanted(sessions=20_000, program=program)
            async with relay_place(folder / f"{n}-{program}", wanted) as place:
                bench = Bench(place)
                await bench.saturated(_TEXTS // 5, lines=_LINES)
                await _round(bench, 2 * _TEXTS, results[name])
                results[name].notes["events, and sealed ones, at the end"] = await _sealed(place)
    sealed, bare = results.values()
    sealed.notes["to nothing sealed"] = f"{sealed.rate / bare.rate:.2f}"
    return [sealed, bare]


async def _sealed(place: Place) -> str:
    connection = await asyncpg.connect(place.server.dsn)
    try:
        events, sealed = [
            await connection.fetchval(f"select count(*) from {name}") for name in ("event", "sealed_event")
        ]
        return f"{events:,}, {sealed:,}"
    finally:
        await connection.close()


def _megabytes(place: Place) -> float:
    return place.resident()["relay 1"] / 1e6


RUNS: Mapping[str, Callable[[Path, Told], Awaitable[list[Result]]]] = {
    "bindings": by_bindings,
    "pools": by_pools,
    "history": history,
    "queue": queue,
    "http": over_http,
    "sealing": sealing,
    "evidence": evidence,
    "customers": customers,
    "bulkclose": bulk_closing,
}


async def growth(folder: Path, told: Told, only: Sequence[str]) -> list[Result]:
    """These runs, one after the other."""
    return [result for name in only for result in await RUNS[name](folder / name, told)]
