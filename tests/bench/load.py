"""Texts by the thousand: made and signed beforehand, posted either as fast as they are answered or each at its own time."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.acceptance.webhooks import text_webhook
from tests.bench.lines import Lines, post
from tests.bench.talks import POOLS, Talk, pairings

_TRY_AGAIN = 0.1  # seconds, where a text was not taken


@dataclass(slots=True)
class Said:
    """A text and what became of its webhook. Times are wall clock seconds; ``acked`` 0 = never."""

    serial: int
    talk: Talk
    request: bytes
    due: float = 0.0
    posted: float = 0.0
    acked: float = 0.0


@dataclass(slots=True)
class Load:
    """``answers`` counts what webhooks were answered; 0 stands for a lost connection."""

    said: list[Said] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    began: float = 0.0
    ended: float = 0.0


def talks(sessions: int, *, seed: int, pools: int = POOLS) -> list[Talk]:
    """Both directions of so many sessions, in no order."""
    found = [talk for pairing in pairings(sessions, pools=pools) for talk in pairing.talks()]
    random.Random(seed).shuffle(found)
    return found


def texts(inbound: str, chosen: Sequence[Talk], count: int, *, first: int = 1) -> list[Said]:
    """So many texts in turn from everybody, with serial numbers from ``first``."""
    return [_text(inbound, chosen[n % len(chosen)], first + n) for n in range(count)]


def _text(inbound: str, talk: Talk, serial: int) -> Said:
    words = f"{serial} see you at the corner in ten minutes, by the clock"
    webhook = text_webhook(inbound, sid=f"SM{serial:032x}", sender=talk.sender, number=talk.number, text=words)
    return Said(serial, talk, post(inbound, *webhook))


async def flood(inbound: str, said: list[Said], *, lines: int) -> Load:
    """Post all of them, as fast as they are answered over so many connections."""
    load = Load(said, began=time.time())
    await _post_all(inbound, load, lines=lines, rate=None)
    return load


async def open_loop(inbound: str, said: list[Said], *, rate: float, lines: int = 64) -> Load:
    """Post each at its own time, ``rate`` a second, whatever became of those before it."""
    load = Load(said, began=time.time())
    await _post_all(inbound, load, lines=lines, rate=rate)
    return load


async def _post_all(inbound: str, load: Load, *, lines: int, rate: float | None) -> None:
    """Until every text is acknowledged: one that is not taken is posted again, as carriers do."""
    connections = Lines(inbound, lines)
    await connections.open()
    loop, left, done = asyncio.get_running_loop(), len(load.said), asyncio.Event()

    def ask(said: Said) -> None:
        said.posted = said.posted or time.time()
        connections.ask(said.request, lambda status: heard(said, status))

    def heard(said: Said, status: int) -> None:
        nonlocal left
        load.answers[status] += 1
        if status == 204:
            said.acked = load.ended = time.time()
            left -= 1
            if not left:
                done.set()
        elif status == 503:
            loop.call_later(_TRY_AGAIN, ask, said)
        else:  # nothing under test may answer anything else: the run is over
            done.set()

    began = time.time()
    for n, said in enumerate(load.said):
        said.due = began + n / rate if rate else began
        if rate and (wait := said.due - time.time()) > 0:
            await asyncio.sleep(wait)
        ask(said)
        if not rate and n % 256 == 255:
            await asyncio.sleep(0)
    await done.wait()
    connections.close()
