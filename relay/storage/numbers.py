"""Numbers: what is fixed about them in the reference table, what changes in their pool's bucket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from relay.core.assignment import PoolNumber
from relay.core.errors import Conflict
from relay.core.model import NumberState
from relay.core.phone import NumberFacts, calling_code
from relay.storage import queries
from relay.storage.configuration import Number
from relay.storage.database import Transaction

_CONFIGURATION = queries.load("configuration")
_SQL = queries.load("numbers")


@dataclass(frozen=True, slots=True)
class NewNumber:
    """A number to be imported. ``rate`` in segments per second."""

    id: UUID
    account_id: UUID
    account_bucket: int
    pool_id: UUID
    connection_id: UUID
    facts: NumberFacts
    rate: float
    state: NumberState


async def add(tx: Transaction, bucket: int, new: NewNumber) -> None:
    """Store a number in a pool of this bucket. Raises Conflict ``number_taken``."""
    facts = new.facts
    try:
        await tx.execute(
            _CONFIGURATION["add_number"],
            new.id,
            new.account_id,
            new.pool_id,
            new.connection_id,
            facts.e164,
            facts.country,
            facts.area_code,
            facts.kind,
            new.rate,
            tx.now,
        )
    except asyncpg.UniqueViolationError:
        raise Conflict("this number has been imported already", code="number_taken") from None
    await tx.execute(_CONFIGURATION["remember_unknown"], new.account_id, facts.e164, new.account_bucket)
    await tx.execute(_SQL["add_state"], bucket, new.id, new.account_id, new.state, tx.now, tx.new_id(bucket))
    await tx.execute(_CONFIGURATION["bump"])


async def change_state(tx: Transaction, bucket: int, number_id: UUID, account_id: UUID, *, state: NumberState) -> None:
    await tx.execute(_SQL["change_state"], bucket, number_id, account_id, state, tx.now, tx.new_id(bucket))


async def change_rate(tx: Transaction, number_id: UUID, account_id: UUID, rate: float) -> None:
    await tx.execute(_CONFIGURATION["change_rate"], number_id, account_id, rate)
    await tx.execute(_CONFIGURATION["bump"])


async def remove(tx: Transaction, bucket: int, number: Number) -> bool:
    """Remove a number that nobody holds; says whether it went. Where its texts were recorded is remembered."""
    gone = await tx.fetchval(_SQL["remove_state"], bucket, number.id, number.account_id, tx.now, tx.new_id(bucket))
    if gone is None:
        return False
    await tx.execute(_CONFIGURATION["remember_former"], number.account_id, number.e164, bucket)
    await tx.execute(_CONFIGURATION["remove_number"], number.id, number.account_id)
    await tx.execute(_CONFIGURATION["bump"])
    return True


async def states(tx: Transaction, bucket: int) -> dict[UUID, NumberState]:
    """The state of every number of a bucket."""
    return {row["number_id"]: NumberState(row["state"]) for row in await tx.fetch(_SQL["states"], bucket)}


async def choosable(tx: Transaction, bucket: int, rented: Sequence[Number]) -> list[PoolNumber]:
    """A pool's numbers as they can be chosen from now."""
    known = await states(tx, bucket)
    return [
        PoolNumber(n.id, n.country, n.area_code, known.get(n.id, NumberState.DRAINING), calling_code(n.e164))
        for n in rented
    ]


async def lock_states(tx: Transaction, bucket: int, number_ids: Sequence[UUID]) -> dict[UUID, NumberState]:
    """The states of a few numbers, kept from changing until this transaction ends."""
    rows = await tx.fetch(_SQL["lock_states"], bucket, sorted(number_ids))
    return {row["number_id"]: NumberState(row["state"]) for row in rows}


async def in_use(tx: Transaction, bucket: int, number_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many people hold each number, open or cooling."""
    rows = await tx.fetch(_SQL["in_use"], bucket, list(number_ids))
    return {row["number_id"]: row["people"] for row in rows}


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How full a pool is."""

    open_sessions: int
    busiest_person: int


async def pool_use(
    tx: Transaction, bucket: int, *, account_id: UUID, pool_id: UUID, number_ids: Sequence[UUID]
) -> PoolUse:
    sessions = await tx.fetchval(_SQL["open_sessions"], bucket, account_id, pool_id)
    busiest = await tx.fetchval(_SQL["busiest"], bucket, account_id, list(number_ids))
    return PoolUse(sessions, busiest)
