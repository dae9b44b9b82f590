"""How many requests a key may make: so many in each second, counted in this process."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from uuid import UUID

from relay.core.errors import TooMany


@dataclass(slots=True)
class _Window:
    began: float
    used: int


class Limits:
    """Fixed windows of one second, by the monotonic clock."""

    def __init__(self, per_second: float) -> None:
        self._most = max(1, math.floor(per_second))
        self._windows: dict[UUID, _Window] = {}

    def spend(self, key_id: UUID) -> dict[str, str]:
        """Count a request; returns the ``RateLimit-*`` headers that tell the caller. Raises TooMany."""
        now = time.monotonic()
        window = self._windows.get(key_id)
        if window is None or now - window.began >= 1.0:
            window = self._windows[key_id] = _Window(now, 0)
        window.used += 1
        if window.used > self._most:
            raise TooMany(retry_after=1)
        return {
            "ratelimit-limit": str(self._most),
            "ratelimit-remaining": str(self._most - window.used),
            "ratelimit-reset": "1",
        }
