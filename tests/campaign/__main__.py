"""``python -m tests.campaign``: Relay under every fault, judged from outside. Exit code 1 when a promise was broken."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.campaign import crashes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="0 = from the clock; a failing run names its own")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--within", type=float, default=200.0, help="seconds of talking at most")
    parser.add_argument("--rate", type=float, default=150.0, help="texts a second")
    parser.add_argument("--keep", type=Path, help="a folder for histories and logs")
    chosen = parser.parse_args()
    seed = chosen.seed or int(time.time())
    with tempfile.TemporaryDirectory(prefix="campaign-") as temporary:
        folder = (chosen.keep or Path(temporary)) / f"seed-{seed}"
        found = asyncio.run(
            crashes.campaign(
                folder, seed=seed, texts=chosen.texts, kills=chosen.kills, within=chosen.within, rate=chosen.rate
            )
        )
    sys.exit(1 if found else 0)


main()
