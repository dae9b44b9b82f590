"""What an operator wants to know of the database server, and of the processes that work on it. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("checkup")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """A server, and the servers that copy it."""

    version: str
    is_standby: bool
    copies: int
    commit_waits_for_a_copy: bool


async def server(tx: Transaction) -> ServerFacts:
    """Facts about the server at the other end. Works on a database without any table of ours."""
    (row,) = await tx.fetch(_SQL["server"])
    return ServerFacts(**row)


async def workers(tx: Transaction, buckets: Iterable[int]) -> int:
    """How many processes hold at least one of these buckets now."""
    count: int = await tx.fetchval(_SQL["workers"], tx.now, sorted(buckets))
    return count
