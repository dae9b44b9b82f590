"""Which events the account's endpoints have been given, told by a mark beside them; and events as endpoints are told of
them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from relay.core.webhooks import NOT_TOLD, Happened
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("numbering")


async def looked_to(tx: Transaction, bucket: int) -> datetime | None:
    """How far the events of a bucket were looked through; None = never yet."""
    found: datetime | None = await tx.fetchval(_SQL["looked_to"], bucket)
    return found


@dataclass(frozen=True, slots=True)
class Look:
    """One step through the events of a bucket. ``last``: where it ended; None = there is nothing further on. ``seen``:
    how many there were, of whatever account; ``ids``: those that were looked for."""

    last: UUID | None
    seen: int
    ids: Sequence[UUID]


async def look(tx: Transaction, bucket: int, since: Mapping[UUID, datetime], *, behind: UUID, limit: int) -> Look:
    """Look through the next events, in the order of their ids, for such as have no number. ``since``: accounts, and
    since when they have endpoints."""
    args = (behind, limit, list(NOT_TOLD), list(since), list(since.values()))
    row = await tx.fetchrow(_SQL["look"], bucket, *args)
    return Look(row["last"], row["seen"], row["fresh"]) if row else Look(None, 0, [])


async def begin(tx: Transaction, bucket: int, until: datetime) -> None:
    """Nobody else gives numbers in this bucket until the transaction ends. The next look begins there."""
    await tx.execute(_SQL["begin"], bucket, until)


async def lock(tx: Transaction, bucket: int) -> None:
    """The same; where the next look begins stays."""
    await tx.execute(_SQL["lock"], bucket, tx.now)


async def without_number(tx: Transaction, bucket: int, event_ids: Sequence[UUID]) -> list[Happened]:
    """Those of these events that have no number, in the order of their ids."""
    return [Happened(**row) for row in await tx.fetch(_SQL["facts"], bucket, event_ids)]


async def count_on(tx: Transaction, bucket: int, needs: Mapping[UUID, int]) -> dict[UUID, int]:
    """Take so many numbers of each session; returns the last of each."""
    if not needs:
        return {}
    rows = await tx.fetch(_SQL["count_on"], bucket, list(needs), list(needs.values()))
    return {row["session_id"]: row["last"] for row in rows}


async def number(tx: Transaction, bucket: int, numbers: Mapping[UUID, int | None]) -> None:
    """Note the numbers of events."""
    await tx.execute(_SQL["number"], bucket, list(numbers), list(numbers.values()))


async def read(tx: Transaction, bucket: int, event_ids: Sequence[UUID]) -> list[Happened]:
    """Events as they are told, newest first; none that are forgotten."""
    return [_with_number(dict(row)) for row in await tx.fetch(_SQL["read"], bucket, event_ids)]


def _with_number(values: dict[str, Any]) -> Happened:
    return Happened(sequence=values.pop("n"), **values)


async def page(
    tx: Transaction,
    bucket: int,
    account_id: UUID,
    *,
    before: UUID,
    limit: int,
    event_type: str | None,
    session_id: UUID | None,
) -> Look:
    """Look through so many events before this one for those of an account, newest first."""
    args = (account_id, before, limit, list(NOT_TOLD), event_type, session_id)
    row = await tx.fetchrow(_SQL["page"], bucket, *args)
    return Look(row["last"], row["seen"], row["ids"]) if row else Look(None, 0, [])
