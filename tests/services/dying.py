"""Work whose process dies halfway: begun in earnest, held up at a table that another transaction has locked, and cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from tests.services.rig import Rig
from tests.services.waiting import until


async def dies_after_arrival(rig: Rig, stop: Coroutine[Any, Any, object]) -> None:
    """A STOP that is written where it arrived, and gets no further: the account's list of opt-outs is locked."""
    async with rig.relay.database.transaction() as tx:
        await tx.execute("lock table suppression")
        dying = asyncio.create_task(stop)
        await until(lambda: tx.fetch("select 1 from fanout"))
        await until(lambda: tx.fetch("select 1 from pg_locks where not granted"))
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying
