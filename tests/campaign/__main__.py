"""``python -m tests.campaign``: Relay under every fault, judged from outside. Exit code 1 when a promise was broken.

Without options: the campaign of kills and texts. ``--selftest`` plants bugs that must be caught; ``--scene`` plays one scene,
or all of them with ``--scene all``; ``--full`` makes everything as long as the promises say, and takes hours.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.campaign import crashes, failover, scenes, selftest

Scene = Callable[[Path, int, bool], Awaitable[list[str]]]

SCENES: dict[str, Scene] = {
    "swallowed": lambda folder, seed, full: scenes.swallowed(folder, seed=seed, texts=10_000 if full else 2_000),
    "load": lambda folder, seed, full: scenes.load(
        folder, seed=seed, rate=300.0 if full else 150.0, seconds=600 if full else 15
    ),
    "burst": lambda folder, seed, full: scenes.burst(
        folder, seed=seed, rate=3000.0 if full else 1000.0, seconds=10 if full else 3
    ),
    "outage": lambda folder, seed, full: scenes.outage(
        folder, seed=seed, away=60 if full else 5, queued=10_000 if full else 2_000
    ),
    "failover": lambda folder, seed, full: failover.failover(
        folder, seed=seed, texts=6_000 if full else 1_500, rate=200.0 if full else 120.0
    ),
    "disk": lambda folder, seed, _: scenes.disk_full(folder, seed=seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="0 = from the clock; a failing run names its own")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--within", type=float, default=200.0, help="seconds of talking at most")
    parser.add_argument("--rate", type=float, default=150.0, help="texts a second")
    parser.add_argument("--selftest", action="store_true", help="plant bugs; each must be caught")
    parser.add_argument("--bug", help="with --selftest: only this one")
    parser.add_argument("--scene", choices=[*SCENES, "all"], help="one question instead of the campaign")
    parser.add_argument("--full", action="store_true", help="as long as the promises say")
    parser.add_argument("--keep", type=Path, help="a folder for histories and logs")
    chosen = parser.parse_args()
    seed = chosen.seed or int(time.time())
    with tempfile.TemporaryDirectory(prefix="campaign-") as temporary:
        wrong = asyncio.run(_play(chosen, (chosen.keep or Path(temporary)) / f"seed-{seed}", seed))
    sys.exit(1 if wrong else 0)


async def _play(chosen: argparse.Namespace, folder: Path, seed: int) -> list[str]:
    if chosen.selftest:
        return await selftest.selftest(folder, seed=seed, only=chosen.bug)
    if not chosen.scene:
        return await crashes.campaign(
            folder, seed=seed, texts=chosen.texts, kills=chosen.kills, within=chosen.within, rate=chosen.rate
        )
    wrong: list[str] = []
    for name in SCENES if chosen.scene == "all" else [chosen.scene]:
        print(f"{name}:", flush=True)
        wrong += await SCENES[name](folder / name, seed, chosen.full)
    for line in wrong:
        print(f"  WRONG {line}")
    return wrong


main()
