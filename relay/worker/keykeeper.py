"""Keeps the keys of a process up to date, and (where it may) the keyring itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from relay import logs, metrics
from relay.core.keys import PRUNED_EVERY, SEALS_FOR
from relay.services.rotation import Rotation

_LEARN_EVERY = 2.0  # seconds; a key begins to seal this much later than it might, and never earlier
_ROTATE_EVERY = 60.0
_PRUNE_EVERY = PRUNED_EVERY.total_seconds()


class KeyKeeper:
    """``rotates``: make the keys of weeks and days, and destroy those that are over. One keyring file may be kept by many. What
    other keys are needed for takes a look at every person and every event: that is done when somebody says so."""

    def __init__(self, rotation: Rotation, *, rotates: bool) -> None:
        self._rotation = rotation
        self._steps: list[tuple[str, float, Callable[[], Awaitable[object]]]] = [
            ("learn", _LEARN_EVERY, rotation.learn),
            ("tell", _ROTATE_EVERY, rotation.tell),
        ]
        if rotates:
            self._steps += [
                ("rotate", _ROTATE_EVERY, rotation.rotate),
                ("prune", _PRUNE_EVERY, lambda: rotation.prune(SEALS_FOR)),
            ]

    async def run(self) -> None:
        """For ever. What fails is tried again at its next turn: the keys that are there go on sealing."""
        due = dict.fromkeys((name for name, _, _ in self._steps), time.monotonic())
        while True:
            for name, period, step in self._steps:
                if time.monotonic() >= due[name]:
                    await self._do(name, step)
                    due[name] = time.monotonic() + period
            await asyncio.sleep(_LEARN_EVERY / 2)

    async def _do(self, name: str, step: Callable[[], Awaitable[object]]) -> None:
        try:
            await step()
        except Exception as error:
            metrics.alarms.labels("keys_not_kept").inc()
            logs.trouble("keys_not_kept", error, step=name)
