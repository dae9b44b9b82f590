"""What size costs: the same load over more and more bindings, and what each process holds in memory meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import Bench
from tests.bench.place import Wanted, relay_place
from tests.bench.runs import Result

#: Open sessions; each has two bindings.
SIZES = (5_000, 500_000, 2_500_000)
_TEXTS, _LINES = 10_000, 512
_MEMORY_ROUNDS, _MEMORY_TEXTS = 10, 20_000


async def growth(folder: Path, told: Callable[[str], None]) -> list[Result]:
    """Throughput by size, and memory after rounds of texts."""
    results = []
    for sessions in SIZES:
        told(f"{2 * sessions:,} bindings")
        results.append(await _at_size(folder / str(sessions), sessions))
    told("memory")
    results.append(await _memory(folder / "memory"))
    return results


async def _at_size(folder: Path, sessions: int) -> Result:
    result = Result(f"relay, {2 * sessions:,} bindings")
    async with relay_place(folder, Wanted(sessions=sessions)) as place:
        bench = Bench(place)
        await bench.saturated(_TEXTS // 5, lines=_LINES)
        for _ in range(3):
            figures = await bench.saturated(_TEXTS, lines=_LINES)
            result.rates.append(figures.rate)
            result.broken += figures.broken
    return result


async def _memory(folder: Path) -> Result:
    """Resident memory of the one process: at the start, and after each round."""
    result, held = Result("relay, memory"), []
    async with relay_place(folder, Wanted(sessions=20_000)) as place:
        bench = Bench(place)
        held.append(place.resident()["relay 1"])
        for _ in range(_MEMORY_ROUNDS):
            figures = await bench.saturated(_MEMORY_TEXTS, lines=_LINES)
            held.append(place.resident()["relay 1"])
            result.rates.append(figures.rate)
            result.broken += figures.broken
    result.notes["resident, MB"] = " ".join(f"{size / 1e6:.0f}" for size in held)
    return result
