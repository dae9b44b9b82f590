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
    used_by_others, passed = time.process_time() - used, time.monotonic() - asked
    if more := longer(worked, used=used_by_others, passed=passed, at_most=at_most):
        await asyncio.sleep(more)


def longer(worked: float, *, used: float, passed: float, at_most: float) -> float:
    """For how many seconds more it gives way, when others have used so many of a processor while so many passed."""
    return min(at_most, worked / _SHARE) if used > _BUSY * passed else 0.0
