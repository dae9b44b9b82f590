"""``relay migrate``."""

from __future__ import annotations

import asyncio

from relay.cli.running import database as database_of
from relay.cli.running import out, settings_or_exit, told
from relay.storage import database, migrate


async def migrate_now(dsn: str) -> list[str]:
    """Bring a database up to this version; returns what was applied."""
    db = await database.connect(dsn, connections=4)
    try:
        return await migrate.migrate(db)
    finally:
        await db.close()


def command() -> None:
    """Bring the database's schema up to this version. May be run at any time, by several at once."""
    settings = settings_or_exit()
    with told(), database_of(settings) as dsn:
        applied = asyncio.run(migrate_now(dsn))
    for name in applied:
        out.print(f"applied {name}")
    if not applied:
        out.print("nothing to do: the schema is up to date")
