"""The database's time without asking for it each time: one reading, carried forward for at most a second by a counter of this
machine that nobody sets and that runs on while the machine sleeps.

A reading counts only when it came quickly, so that two processes never differ by more than twice that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

MAX_AGE = 1.0  # seconds that a reading is carried forward
_QUICK = 0.025  # seconds: an answer that took longer says too little about the moment it was given


def counter() -> float:
    """Seconds on a clock that only runs forward, time asleep included where the system can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Clock:
    """What this process knows of the database's time. ``counter`` is this module's, but for tests."""

    def __init__(self, counter: Callable[[], float] = counter) -> None:
        self.counter = counter
        self._time: datetime | None = None
        self._at = 0.0

    def now(self) -> datetime | None:
        """The database's time; None when it has to be asked again."""
        age = self.counter() - self._at
        return self._time + timedelta(seconds=age) if self._time is not None and age < MAX_AGE else None

    def heard(self, told: datetime, asked: float) -> None:
        """The database told its time, having been asked at ``asked`` (on ``counter``)."""
        took = self.counter() - asked
        if took <= _QUICK:
            self._time, self._at = told, asked + took / 2
