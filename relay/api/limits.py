"""How many requests a key may make: so many in each second, counted in this process."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key may still do in this second."""

    limit: int
    used: int
    reset_in: int = 1  #: seconds

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def headers(self) -> dict[str, str]:
        """What tells the caller, on refusals too."""
        return {
            "ratelimit-limit": str(self.limit),
            "ratelimit-remaining": str(max(0, self.limit - self.used)),
            "ratelimit-reset": str(self.reset_in),
        }


@dataclass(slots=True)
class _Window:
    began: float
    used: int


class Limits:
    """Fixed windows of one second, by the monotonic clock."""

    def __init__(self, per_second: float) -> None:
        self._most = max(1, math.floor(per_second))
        self._windows: dict[UUID, _Window] = {}

    def spend(self, key_id: UUID) -> Allowance:
        """Count a request, and say what is left after it."""
        now = time.monotonic()
        window = self._windows.get(key_id)
        if window is None or now - window.began >= 1.0:
            window = self._windows[key_id] = _Window(now, 0)
        window.used += 1
        return Allowance(self._most, window.used)
