"""The same account in another process of Relay, whose line to the database a test can watch and cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from relay.settings import read_settings
from relay.storage import database
from relay.wiring import build
from tests.api.database_line import DatabaseLine, line_to
from tests.api.rig import PUBLIC_URL, Api, behind, opening
from tests.services.people import phone


@asynccontextmanager
async def over_a_line(api: Api, dsn: str) -> AsyncIterator[tuple[Api, DatabaseLine]]:
    """Everything that a process keeps in memory is fresh when it is handed out."""
    async with line_to(dsn) as line:
        db = await database.connect(line.dsn, connections=2, patience=1.0)
        db.clock_offset = api.rig.relay.database.clock_offset
        relay = build(read_settings(public_url=PUBLIC_URL), db, api.rig.relay.vault, api.rig.relay.transport)
        async with behind(replace(api.rig, relay=relay), api.key) as cut_off:
            await cut_off.ask("POST", "/v1/sessions/dry-run", opening(phone(500), phone(501)))
            yield cut_off, line
        line.mend()
        await db.close()
