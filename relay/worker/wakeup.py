"""When to look into a bucket: at once when somebody says that it has work, else from time to time.

A NOTIFY is a hint and may be lost; the poll is what can be relied on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from relay import logs
from relay.storage.database import Database

CHANNEL = "relay_due"


class Wakeup:
    """The times at which buckets want to be looked at (monotonic)."""

    def __init__(self) -> None:
        self.served_here: Callable[[int], bool] = lambda _: False
        self.beside: Callable[[int], None] = lambda _: None  #: hears of new work, too
        self._at: dict[int, float] = {}
        self._changed = asyncio.Event()

    async def hint(self, bucket: int, database: Database) -> None:
        """There is new work in this bucket: look at once, or tell whichever process owns it."""
        if self.served_here(bucket):
            self._tell(bucket)
        else:
            await database.notify(CHANNEL, str(bucket))

    def now(self, bucket: int) -> None:
        """Look into this bucket at once."""
        self.at(bucket, 0.0)

    def at(self, bucket: int, when: float) -> None:
        """Look into this bucket at ``when``, or earlier if that was planned."""
        planned = self._at.get(bucket)
        if planned is None or when < planned:
            self._at[bucket] = when
            self._changed.set()

    def due(self) -> list[int]:
        """The buckets whose time has come; each is forgotten until it is planned again."""
        now = time.monotonic()
        due = [bucket for bucket, when in self._at.items() if when <= now]
        for bucket in due:
            del self._at[bucket]
        return due

    async def wait(self, *, at_most: float) -> None:
        """Sleep until the next bucket is due or planned anew."""
        self._changed.clear()
        first = min(self._at.values(), default=float("inf"))
        pause = min(at_most, first - time.monotonic())
        if pause > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def listen(self, database: Database) -> None:
        """Hear the hints of other processes, for ever."""
        while True:
            try:
                async with database.listen(CHANNEL, self._hear) as lost:
                    await lost.wait()
            except Exception as error:  # a login refused for a while must not end this for good
                logs.trouble("not_listening", error)
            await asyncio.sleep(1.0)

    def _hear(self, payload: str) -> None:
        if payload.isdecimal():
            self._tell(int(payload))

    def _tell(self, bucket: int) -> None:
        self.now(bucket)
        self.beside(bucket)
