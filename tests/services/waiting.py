"""Waiting for what another task, process or transaction does, by looking again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(is_so: Callable[[], Awaitable[object]], *, within: float = 5.0) -> None:
    """Return as soon as it is so. Raises AssertionError when it is not within so many seconds."""
    give_up = time.monotonic() + within
    while not await is_so():
        assert time.monotonic() < give_up, "it never came"
        await asyncio.sleep(0.01)
