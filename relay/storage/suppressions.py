"""Opt-outs: the person's row in a bucket, the account's list of them, and the way of a STOP to every pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.arrival import Party
from relay.core.closing import Stopped, Unsent
from relay.core.model import Reason
from relay.core.optouts import OptOutSource
from relay.storage import queries
from relay.storage.database import Row, Transaction
from relay.storage.endings import stopped_columns, unsent_from

_SQL = queries.load("suppressions")


@dataclass(frozen=True, slots=True)
class OptChange:
    """A STOP (``opted_out``) or START of one person, to be known in every pool of the account. ``id`` names its fanout row
    and lies in the bucket where it arrived; in the account's list it names the opt-out. ``reason``: one of ``core.optouts``.
    """

    id: UUID
    account_id: UUID
    party_index: bytes
    key_id: int
    opted_out: bool
    arrived_at: datetime
    others: tuple[Party, ...] = ()
    source: OptOutSource = OptOutSource.PERSON
    reason: str | None = None

    @property
    def told_as(self) -> str | None:
        """The reason that its event has. A person's own STOP and START need none."""
        return Reason.CARRIER_OPTED_OUT if self.source is OptOutSource.CARRIER else self.reason

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
    return bool(await change_people(tx, bucket, [change], with_event=with_event))


async def change_people(tx: Transaction, bucket: int, changes: Sequence[OptChange], *, with_event: bool) -> set[bytes]:
    """The same for changes of one account and one kind. Returns the indexes of the people for whom it was news."""
    newest = _one_each(changes)
    event_ids = tx.new_ids(bucket, len(newest)) if with_event else [None] * len(newest)
    rows = await tx.fetch(
        _SQL["change_people"],
        bucket,
        *_in_common(newest),
        [c.party_index for c in newest],
        [c.key_id for c in newest],
        [c.arrived_at for c in newest],
        event_ids,
        [c.told_as for c in newest],
    )
    return {row["party_index"] for row in rows}


def _one_each(changes: Sequence[OptChange]) -> list[OptChange]:
    """The newest of each person's: a statement takes one row for each."""
    newest = {c.party_index: c for c in sorted(changes, key=lambda c: c.arrived_at)}
    return list(newest.values())


def _in_common(changes: Sequence[OptChange]) -> tuple[UUID, bool]:
    """Account and kind. Raises ValueError when they are not all the same."""
    [common] = {(c.account_id, c.opted_out) for c in changes}
    return common


async def unsent_to(tx: Transaction, bucket: int, *parties: Party) -> list[Unsent]:
    """What waits to be sent to people whose rows are locked; locked too."""
    indexes = [index for party in parties for index in party.indexes]
    return unsent_from(await tx.fetch(_SQL["unsent_to"], bucket, indexes))


async def unsent_confirmations(tx: Transaction, bucket: int, *parties: Party) -> list[Unsent]:
    """Confirmations of STOP that wait to be sent to people whose rows are locked; locked too."""
    indexes = [index for party in parties for index in party.indexes]
    return unsent_from(await tx.fetch(_SQL["unsent_confirmations"], bucket, indexes))


async def stop(tx: Transaction, bucket: int, stopped: Sequence[Stopped]) -> None:
    """Keep texts from leaving; nothing happens to those that are under way or have ended."""
    await tx.fetch(_SQL["stop"], bucket, tx.now, *stopped_columns(tx, bucket, stopped))


async def begin_fanout(tx: Transaction, bucket: int, *changes: OptChange) -> None:
    """Note that changes of one account and one kind are on their way to every pool."""
    each = len(changes[0].others)  # the keyring's other keys are the same for everybody
    others = [other for c in changes for other in c.others]
    if len(others) != each * len(changes):
        raise ValueError("these people were named under different keyrings")
    await tx.execute(
        _SQL["begin_fanouts"],
        bucket,
        *_in_common(changes),
        *_columns(changes),
        each,
        [other.index for other in others],
        [other.key_id for other in others],
    )


def _columns(changes: Sequence[OptChange]) -> tuple[list[object], ...]:
    rows = [(c.id, c.party_index, c.key_id, c.arrived_at, str(c.source), c.reason) for c in changes]
    return tuple(map(list, zip(*rows, strict=True)))


async def carriers_word(tx: Transaction, bucket: int, message_id: UUID, attempt_id: UUID) -> OptChange | None:
    """That whoever a text went to had opted out when it was sent: whatever they have said since then is newer. None when nobody
    can tell any more who that was."""
    row = await tx.fetchrow(_SQL["whom"], bucket, message_id, attempt_id)
    if row is None:
        return None
    who = row["account_id"], row["party_index"], row["key_id"]
    return OptChange(tx.new_id(bucket), *who, True, row["begun_at"], source=OptOutSource.CARRIER)


async def standing_fanouts(tx: Transaction, bucket: int, party: Party) -> list[OptChange]:
    return [_change(row) for row in await tx.fetch(_SQL["standing_fanout"], bucket, party.indexes)]


async def old_fanouts(tx: Transaction, bucket: int, *, before: datetime, limit: int) -> list[OptChange]:
    return [_change(row) for row in await tx.fetch(_SQL["old_fanouts"], bucket, before, limit)]


def _change(row: Row) -> OptChange:
    values = dict(row)
    indexes, key_ids = values.pop("other_indexes"), values.pop("other_key_ids")
    values["source"] = OptOutSource(values["source"])
    return OptChange(**values, others=tuple(map(Party, indexes, key_ids)))


async def end_fanout(tx: Transaction, bucket: int, *change_ids: UUID) -> None:
    await tx.execute(_SQL["end_fanouts"], bucket, list(change_ids))


async def suppress(tx: Transaction, account_bucket: int, *changes: OptChange) -> None:
    """Write changes of one kind into their account's list."""
    newest = _one_each(changes)
    await tx.execute(_SQL["suppress"], account_bucket, *_in_common(newest), *_columns(newest))


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of an account's list; of whom, it does not say."""

    id: UUID
    since: datetime
    source: OptOutSource
    reason: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What the list says of somebody: their last wish, and whose word it is."""

    opted_out: bool
    listed: Listed


async def lock_listed(
    tx: Transaction, account_bucket: int, account_id: UUID, indexes: Sequence[bytes]
) -> dict[bytes, Standing]:
    """What the list says of people, kept from changing. Who never said anything is missing."""
    rows = await tx.fetch(_SQL["lock_listed"], account_bucket, account_id, list(indexes))
    return {row["party_index"]: Standing(row["opted_out"], _listed(row)) for row in rows}


async def listed(
    tx: Transaction, account_bucket: int, account_id: UUID, *, before: UUID | None, limit: int
) -> list[Listed]:
    """The newest lines of a list that are older than ``before``."""
    return [_listed(row) for row in await tx.fetch(_SQL["listed"], account_bucket, account_id, before, limit)]


def _listed(row: Row) -> Listed:
    return Listed(row["id"], row["changed_at"], OptOutSource(row["source"]), row["reason"])


async def among(tx: Transaction, account_bucket: int, account_id: UUID, indexes: Sequence[bytes]) -> set[bytes]:
    """Those of these people who have opted out."""
    return {row["party_index"] for row in await tx.fetch(_SQL["among"], account_bucket, account_id, list(indexes))}


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
