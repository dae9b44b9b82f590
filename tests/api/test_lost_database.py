"""The database goes away in the middle of things, at every word that is said to it, and comes back.

What was begun is then either done or not begun at all, and the same request, sent again, ends in the same single thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from relay.settings import Settings
from relay.storage import database
from relay.wiring import build
from tests.api.contract import Row, World, furnished
from tests.api.contract import CONTRACT
from tests.api.database_line import DatabaseLine, line_to
from tests.api.rig import ALICE, BOB, CAROL, NUMBERS, PUBLIC_URL, Api, behind, inbound, opening

LONGEST = 40  #: words; more than any of these requests says

Request = Callable[[Api], Any]


@asynccontextmanager
async def over_a_line(api: Api, dsn: str) -> AsyncIterator[tuple[Api, DatabaseLine]]:
    """The same account in a process of its own, whose line to the database can be cut. Everything is warm."""
    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=2, patience=1.0)
        db.clock_offset = api.rig.relay.database.clock_offset
        relay = build(Settings(public_url=PUBLIC_URL), db, api.rig.relay.vault, api.rig.relay.transport)
        async with behind(api.rig.on(relay), api.key) as cut_off:
            for _ in range(2):
                await cut_off.ask("POST", "/v1/sessions/dry-run", opening())
            yield cut_off, line
        line.mend()
        await db.close()


async def words_of(api: Api, dsn: str, request: Request) -> int:
    """How many words a request says to the database when all goes well."""
    async with over_a_line(api, dsn) as (cut_off, line):
        before = line.said
        answer = await request(cut_off)
        assert answer.status_code < 300, answer.text
        return line.said - before


async def broken(api: Api, dsn: str, request: Request, *, after: int) -> tuple[httpx.Response, httpx.Response]:
    """The answers to a request whose database is lost after so many words, and to the same one half a minute later."""
    async with over_a_line(api, dsn) as (cut_off, line):
        line.breaks_after = after
        first = await request(cut_off)
        line.mend()
        cut_off.rig.later(seconds=31)
        return first, await request(cut_off)
