"""``python -m tests.bench``: figures of this version on this machine. Prints them; asserts nothing about time."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from relay.cli.schema import migrate_now
from relay.storage.embedded import find_binaries, start_embedded
from tests.acceptance.installation import installed
from tests.bench.steady import NUMBERS, Figures, percentile, steady

RATE, CARRIER_MS, NUMBER_RATE = 100.0, 50, 5.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="20 s instead of 60")
    seconds = 20.0 if parser.parse_args().short else 60.0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with start_embedded(place / "postgres", binaries=find_binaries()) as server:
            figures = asyncio.run(_measure(place, server.dsn, seconds))
    _show(figures)


async def _measure(folder: Path, dsn: str, seconds: float) -> Figures:
    await migrate_now(dsn)
    async with installed(folder, dsn, numbers=NUMBERS, rate=NUMBER_RATE) as place:
        await place.weather(latency_ms=CARRIER_MS)
        await place.api(worker=True)
        return await steady(place, rate=RATE, seconds=seconds)


def _show(figures: Figures) -> None:
    print(
        f"{RATE:.0f} texts/s for {figures.seconds:.0f} s over {len(NUMBERS)} numbers of {NUMBER_RATE:.0f} segments/s,"
        f" pacing on, carrier answering in {CARRIER_MS} ms, everything sealed"
    )
    for name, values in (("ack", figures.acks), ("relay", figures.relays)):
        shares = "  ".join(f"p{share * 100:g} {percentile(values, share) * 1000:7.1f} ms" for share in (0.5, 0.9, 0.99))
        print(f"{name:6} {shares}")
    print(f"texts {figures.texts}, refused {figures.refused}, lost {figures.lost}, doubled {figures.doubled}")


main()
