"""Far more than can be sent, for a while: everything is stored or answered 503, and all of it leaves in the end.

Each text comes at its own time, whatever became of those before it. What is not taken is said again, as carriers do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.lines import Lines, post
from tests.campaign.campaign import Plan, Run, running
from tests.campaign.crowd import Crowd, Manners
from tests.campaign.history import Said
from tests.campaign.outcome import Outcome
from tests.campaign.scenes import PLACES, answers, ended, pairs
from tests.campaign.trouble import Keeper
from tests.campaign.world import Shape

_LINES = 1500  # texts that a carrier has on the way to us at once
_AGAIN = 0.5  # seconds until a carrier tries again what was not taken


async def burst(folder: Path, *, seed: int, rate: float, seconds: float) -> Outcome:
    """So many texts a second for so long."""
    shape = Shape(pools=16, numbers=60, rate=20.0)
    plan = Plan(seed, 0, seconds, shape=shape, manners=Manners(talkers=0), settle_within=600.0)
    async with running(plan, folder) as run:
        keeper = Keeper(run, PLACES, crash=False, skews=("0",))
        await keeper.begin()
        senders = await pairs(run.crowd, 300)
        barrage = Barrage(run, senders, int(rate * seconds))
        stored = await barrage.fire(rate)
        wrong = await ended(run, keeper, "burst") + barrage.wrong()
        drained = run.seconds["settling"]
    count = len(barrage.said)
    figures = (
        f"{count} texts, {rate:.0f}/s wanted, {count / stored:.0f}/s stored, all of them after {stored:.1f} s,"
        f" gone {drained:.1f} s later; {answers(run)}"
    )
    return Outcome(figures, wrong)


class Barrage:
    """Texts that are signed and ready before the first of them is fired."""

    def __init__(self, run: Run, senders: Sequence[tuple[Any, str, str]], count: int) -> None:
        self._run = run
        self.said = [self._text(run.crowd, *senders[n % len(senders)]) for n in range(count)]
        self._requests = {said.sid: post(run.world.inbound, *run.crowd.webhook(said)) for said in self.said}
        self._left = count
        self._lines = Lines(run.world.url, _LINES)
        self._done = asyncio.Event()

    def _text(self, crowd: Crowd, opened: Any, sender: str, number: str) -> Said:
        sid = f"SM{crowd.chance.getrandbits(128):032x}"
        return Said(sid, "text", opened.session, sender, number, crowd.words(), 0.0)

    async def fire(self, rate: float) -> float:
        """Fire all of it; returns the seconds until the last text was acknowledged."""
        await self._lines.open()
        self._run.history.said += self.said
        began = time.monotonic()
        for n, said in enumerate(self.said):
            if (wait := began + n / rate - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            said.asked = time.time()
            self._ask(said)
            if n % 64 == 0:
                await asyncio.sleep(0)
        await self._done.wait()
        self._lines.close()
        return time.monotonic() - began

    def _ask(self, said: Said) -> None:
        said.tries += 1
        self._lines.ask(self._requests[said.sid], lambda status: self._heard(said, status))

    def _heard(self, said: Said, status: int) -> None:
        self._run.crowd.answers[status] += 1
        if status in {0, 503}:
            asyncio.get_running_loop().call_later(_AGAIN, self._ask, said)
            return
        if status != 204:  # nobody comes again after such an answer, and the run will be told so
            self._done.set()
            return
        said.acked = time.time()
        self._run.crowd.acked += 1
        self._left -= 1
        if not self._left:
            self._done.set()

    def wrong(self) -> list[str]:
        """Each 503 and each lost connection is a text that was said again."""
        tries = sum(said.tries for said in self.said)
        refused = sum(n for status, n in self._run.crowd.answers.items() if status != 204)
        if tries - len(self.said) == refused:
            return []
        return [f"burst: {tries} tries for {len(self.said)} texts, but {refused} of them were refused"]
