"""Opt-outs: the person's row in a bucket, the account's list of them, and the way of a STOP to every pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.arrival import Party
from relay.core.closing import Stopped, Unsent
from relay.storage import queries
from relay.storage.database import Row, Transaction
from relay.storage.sessions import stopped_columns, unsent_from

_SQL = queries.load("suppressions")


@dataclass(frozen=True, slots=True)
class OptChange:
    """A STOP (``opted_out``) or START of one person, to be known in every pool of the account. ``id`` names its fanout row
    and lies in the bucket where it arrived."""

    id: UUID
    account_id: UUID
    party_index: bytes
    key_id: int
    opted_out: bool
    arrived_at: datetime
    others: tuple[Party, ...] = ()

    @property
    def party(self) -> Party:
        return Party(self.party_index, self.key_id, self.others)


async def is_opted_out(tx: Transaction, bucket: int, party_index: bytes) -> bool:
    return bool(await tx.fetchval(_SQL["is_opted_out"], bucket, party_index))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person has said last, and when."""

    opted_out: bool
    changed_at: datetime


async def lock_person(tx: Transaction, bucket: int, party_index: bytes) -> Wish | None:
    """A person's last wish in a bucket, kept from changing; None when they have never said any."""
    row = await tx.fetchrow(_SQL["lock_person"], bucket, party_index)
    return Wish(**row) if row and row["changed_at"] else None


async def change_person(tx: Transaction, bucket: int, change: OptChange, *, with_event: bool) -> bool:
    """Make a change known in one bucket, whatever came before it and however often; says whether it was news."""
    event_id = tx.new_id(bucket) if with_event else None
    row = await tx.fetchrow(
        _SQL["change_person"],
        bucket,
        change.arrived_at,
        change.party_index,
        change.key_id,
        change.opted_out,
        event_id,
        change.account_id,
    )
    return row is not None


async def unsent_to(tx: Transaction, bucket: int, party: Party) -> list[Unsent]:
    """What waits to be sent to a person whose row is locked; locked too."""
    return unsent_from(await tx.fetch(_SQL["unsent_to"], bucket, party.indexes))


async def stop(tx: Transaction, bucket: int, stopped: Sequence[Stopped]) -> None:
    """Keep texts from leaving; nothing happens to those that are under way or have ended."""
    await tx.fetch(_SQL["stop"], bucket, tx.now, *stopped_columns(tx, bucket, stopped))


async def begin_fanout(tx: Transaction, bucket: int, change: OptChange) -> None:
    await tx.execute(
        _SQL["begin_fanout"],
        bucket,
        change.id,
        change.account_id,
        change.party_index,
        change.key_id,
        change.opted_out,
        change.arrived_at,
        [other.index for other in change.others],
        [other.key_id for other in change.others],
    )


async def standing_fanouts(tx: Transaction, bucket: int, party: Party) -> list[OptChange]:
    return [_change(row) for row in await tx.fetch(_SQL["standing_fanout"], bucket, party.indexes)]


async def old_fanouts(tx: Transaction, bucket: int, *, before: datetime, limit: int) -> list[OptChange]:
    return [_change(row) for row in await tx.fetch(_SQL["old_fanouts"], bucket, before, limit)]


def _change(row: Row) -> OptChange:
    values = dict(row)
    indexes, key_ids = values.pop("other_indexes"), values.pop("other_key_ids")
    return OptChange(**values, others=tuple(map(Party, indexes, key_ids)))


async def end_fanout(tx: Transaction, bucket: int, change_id: UUID) -> None:
    await tx.execute(_SQL["end_fanout"], bucket, change_id)


async def suppress(tx: Transaction, account_bucket: int, change: OptChange) -> None:
    await tx.execute(
        _SQL["suppress"],
        account_bucket,
        change.account_id,
        change.party_index,
        change.key_id,
        change.opted_out,
        change.arrived_at,
    )


@dataclass(frozen=True, slots=True)
class OptedOut:
    """Somebody whom an account must not text, since when."""

    party_index: bytes
    key_id: int
    changed_at: datetime


async def suppressed(tx: Transaction, account_bucket: int, account_id: UUID) -> list[OptedOut]:
    """Everybody whom an account must not text."""
    return [OptedOut(**row) for row in await tx.fetch(_SQL["suppressed"], account_bucket, account_id)]


async def copy_people(tx: Transaction, pool_bucket: int, people: Sequence[OptedOut]) -> None:
    """Tell a new pool whom the account must not text. What the pool knows better already stays."""
    columns = [[p.party_index for p in people], [p.key_id for p in people], [p.changed_at for p in people]]
    await tx.execute(_SQL["copy_people"], pool_bucket, *columns)


async def forget_answers(tx: Transaction, bucket: int, *, before: datetime, limit: int) -> int:
    """Forget when automatic answers were given; says how many."""
    return len(await tx.fetch(_SQL["forget_answers"], bucket, before, limit))
