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
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.campaign import burst, crashes, cut_scene, failover, scenes, selftest
from tests.campaign.outcome import Outcome, record

#: 1,000,000 texts and 1,000 kills, in parts that one machine's memory can hold.
_PARTS, _PART, _PART_SLACK = 10, partial(crashes.Goal, 100_000, 100, 3600.0), 1.8

Scene = Callable[[Path, int, bool], Coroutine[Any, Any, Outcome]]

_CUT = ("inbound", "born", "send")
_CUT_ALL = ("open", "inbound", "born", "send", "receipt", "close", "stop", "seal", "forget")

SCENES: dict[str, Scene] = {
    "cut": lambda at, _, full: cut_scene.cut(at, _CUT_ALL if full else _CUT),
    "swallowed": lambda at, seed, full: scenes.swallowed(at, seed=seed, texts=10_000 if full else 1_200),
    "load": lambda at, seed, full: scenes.load(
        at, seed=seed, rate=300.0 if full else 150.0, seconds=600.0 if full else 15.0
    ),
    "burst": lambda at, seed, full: burst.burst(
        at, seed=seed, rate=3000.0 if full else 1000.0, seconds=10.0 if full else 3.0
    ),
    "outage": lambda at, seed, full: scenes.outage(
        at, seed=seed, away=60.0 if full else 5.0, queued=10_000 if full else 2_000
    ),
    "failover": lambda at, seed, full: failover.failover(
        at, seed=seed, texts=6_000 if full else 1_500, rate=200.0 if full else 120.0
    ),
    "disk": lambda at, seed, _: scenes.disk_full(at, seed=seed),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="0 = from the clock; a failing run names its own")
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--within", type=float, default=230.0, help="seconds of talking at most")
    parser.add_argument("--rate", type=float, default=150.0, help="texts a second")
    parser.add_argument("--slack", type=float, default=1.0, help="how much rarer than usual processes are killed")
    parser.add_argument("--selftest", action="store_true", help="plant bugs; each must be caught")
    parser.add_argument("--bug", help="with --selftest: only this one")
    parser.add_argument("--scene", nargs="+", choices=[*SCENES, "all"], default=[], help="instead of the campaign")
    parser.add_argument("--full", action="store_true", help="as long as the promises say")
    parser.add_argument("--parts", type=int, default=_PARTS, help="with --full: of the campaign's ten parts, so many")
    parser.add_argument("--record", action="store_true", help="write what is seen into docs/reliability.md")
    parser.add_argument("--keep", type=Path, help="a folder for histories and logs")
    chosen = parser.parse_args()
    seed = chosen.seed or int(time.time())
    with tempfile.TemporaryDirectory(prefix="campaign-") as temporary:
        place = (chosen.keep or Path(temporary)) / f"seed-{seed}"
        wrong = [asyncio.run(_play(name, make, chosen)) for name, make in _runs(chosen, place, seed)]
    sys.exit(1 if any(wrong) else 0)


def _runs(chosen: argparse.Namespace, place: Path, seed: int) -> Iterator[tuple[str, Coroutine[Any, Any, Outcome]]]:
    if chosen.selftest:
        yield "selftest", selftest.selftest(place, seed=seed, only=chosen.bug)
        return
    for name in SCENES if "all" in chosen.scene else chosen.scene:
        yield name, SCENES[name](place / name, seed, chosen.full)
    if chosen.full and not chosen.scene:
        for part in range(chosen.parts):
            goal = _PART(rate=chosen.rate, slack=max(chosen.slack, _PART_SLACK))
            yield "crashes, long", crashes.campaign(place / f"part-{part}", seed=seed + part, goal=goal)
    elif not chosen.scene:
        goal = crashes.Goal(chosen.texts, chosen.kills, chosen.within, chosen.rate, chosen.slack)
        yield "crashes", crashes.campaign(place, seed=seed, goal=goal)


async def _play(name: str, run: Coroutine[Any, Any, Outcome], chosen: argparse.Namespace) -> bool:
    """Returns whether anything was wrong."""
    began = time.monotonic()
    print(f"{name}:", flush=True)
    outcome = await run
    print(f"  {outcome.figures} [{time.monotonic() - began:.0f} s]")
    for line in outcome.wrong:
        print(f"  WRONG {line}")
    if chosen.record:
        record(name, outcome)
    return bool(outcome.wrong)


main()
