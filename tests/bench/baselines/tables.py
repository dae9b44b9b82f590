"""The tables that all baselines share: made, filled, and asked how much is still to be done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

SCHEMA = Path(__file__).with_name("schema.sql")

_COUNT_PAIRS = """
    insert into cycle.pair (n, number, phone)
    select row_number() over (order by number, phone), number, phone from conversation
"""


async def furnish(dsn: str, conversations: Iterable[tuple[str, str, str, str]]) -> None:
    """Make the tables in an empty database and load (number, phone, other_number, other_phone) into it."""
    async with _connected(dsn) as connection, connection.transaction():
        await connection.execute(SCHEMA.read_text())
        await connection.copy_records_to_table(
            "conversation", records=conversations, columns=("number", "phone", "other_number", "other_phone")
        )
        await connection.execute(_COUNT_PAIRS)
        # Before the first statement is prepared: a plan made for an empty table is kept for as long as its connection.
        await connection.execute("analyze conversation, cycle.pair")


async def pending(dsn: str) -> int:
    """How many messages the carrier has not accepted yet. Reads the whole table: not a thing to ask under load."""
    async with _connected(dsn) as connection:
        count: int = await connection.fetchval("select count(*) from message where state = 'received'")
        return count


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
