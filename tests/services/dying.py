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


async def dies_before(rig: Rig, stop: Coroutine[Any, Any, object], hold: str, *args: object) -> None:
    """The same, cut off further on: where it needs the row that ``hold`` takes as soon as the arrival is written."""
    async with rig.relay.database.transaction() as holding:
        async with rig.relay.database.transaction() as first:
            await first.execute("lock table suppression")
            dying = asyncio.create_task(stop)
            await until(lambda: first.fetch("select 1 from fanout"))
            await until(lambda: first.fetch("select 1 from pg_locks where not granted"))
            await holding.execute(hold, *args)
        await until(lambda: holding.fetch(_WAITS_FOR_A_ROW))
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying


async def dies_while_forgetting(rig: Rig, erasure: Coroutine[Any, Any, object]) -> None:
    """An erasure that is decided, and gets no further: a message that is to go is locked."""
    async with rig.relay.database.transaction() as tx:
        await tx.execute("select 1 from message where state = 'accepted' for update")
        dying = asyncio.create_task(erasure)
        await until(lambda: tx.fetch("select 1 from pg_locks where not granted"))
        dying.cancel()
        with suppress(asyncio.CancelledError):
            await dying


#: Somebody waits for a row, and nobody for the table of the first hold any more.
_WAITS_FOR_A_ROW = """
select 1 where exists (select 1 from pg_locks where not granted and locktype in ('transactionid', 'tuple'))
           and not exists (select 1 from pg_locks where not granted and locktype = 'relation')
"""
