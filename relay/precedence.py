"""Texts go first: what is in no hurry gives way between its steps to whatever else this process does."""

from __future__ import annotations

import asyncio
import math
import time

_LOOK = 0.01  # seconds for which it sleeps to see what else there is to do
_BUSY = 0.5  # of a processor, by everything else in this process
_SHARE = 0.05  # of the time for what gives way, where there is so much else


async def give_way(worked: float, *, at_most: float = math.inf) -> None:
    """Sleep for a moment, and for longer where others work much meanwhile: by how long this has ``worked`` (seconds),
    ``at_most`` so long (seconds)."""
    asked, used = time.monotonic(), time.process_time()
    await asyncio.sleep(_LOOK)
    if time.process_time() - used > _BUSY * (time.monotonic() - asked):
        await asyncio.sleep(min(at_most, worked / _SHARE))
