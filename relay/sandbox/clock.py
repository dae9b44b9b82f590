"""The sandbox's clock: the one offset that is added where the database's time is read, and the carrier's beside it.

It only goes forward. The order of the steps is the point: the offset is written down first, because rows dated in the
future would otherwise be met by a relay that has forgotten how they got there; and a jump makes every lease look lapsed,
so the leases are renewed before the next text has to wait for that.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from relay.core.errors import InvalidInput, Problem, StorageUnavailable
from relay.sandbox.control import Control
from relay.storage.database import Database

_FARTHEST = 10 * 365 * 86400  # seconds


@dataclass(frozen=True, slots=True)
class Clock:
    """``remember`` writes the offset (seconds) down; ``renew`` renews the leases."""

    database: Database
    carrier: Control
    remember: Callable[[float], None]
    renew: Callable[[], Awaitable[None]]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def advance(self, seconds: float) -> None:
        """Move on by so many seconds. Raises InvalidInput, CarrierAway."""
        async with self._turn:
            offset = self.database.clock_offset.total_seconds() + seconds
            if not (math.isfinite(seconds) and seconds >= 0 and offset <= _FARTHEST):
                raise InvalidInput(Problem("advance", "invalid", "must be seconds, forward, within ten years in all"))
            self.remember(offset)
            await self.carrier.configure(now_offset_s=offset)
            self.database.clock_offset = timedelta(seconds=offset)
            with suppress(StorageUnavailable):  # they are renewed all the time, only not at once
                await self.renew()

    async def read(self) -> dict[str, object]:
        """The offset in seconds, and the time that it makes. Raises StorageUnavailable."""
        now = await self.database.now()
        return {"offset": self.database.clock_offset.total_seconds(), "now": now.isoformat().replace("+00:00", "Z")}
