"""Which keys there are, who has them, and which one seals. The keys themselves are elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from relay.core.keys import KeyName, Published, Purpose
from relay.storage import queries
from relay.storage.database import Row, Transaction

_SQL = queries.load("keyring")
_LONG_GONE = timedelta(hours=1)


async def answers(tx: Transaction) -> dict[KeyName, bytes]:
    """What the keys that have not been destroyed answer to the keyring's question."""
    return {_name(row): row["answer"] for row in await tx.fetch(_SQL["published"]) if not row["destroyed"]}


async def published(tx: Transaction) -> list[Published]:
    """Every key that there ever was."""
    return [
        Published(_name(row), row["use_from"], row["in_use"], row["in_use_since"], row["destroyed"])
        for row in await tx.fetch(_SQL["published"])
    ]


async def publish(
    tx: Transaction, answers: Mapping[KeyName, bytes], use_from: Mapping[KeyName, datetime | None], *, in_use: bool
) -> None:
    """Make keys known; of two with the same number the first one stays."""
    names = sorted(answers)
    columns = [[n.purpose for n in names], [n.id for n in names], [answers[n] for n in names]]
    await tx.execute(_SQL["publish"], in_use, *columns, [use_from.get(n) for n in names])


async def report(
    tx: Transaction, owner: UUID, lasting: timedelta, holds: Collection[KeyName], seals: Collection[KeyName]
) -> None:
    """Say which keys this process has, and which it seals with."""
    names = ([str(n) for n in sorted(held)] for held in (holds, seals))
    await tx.execute(_SQL["report"], owner, tx.now + lasting, *names)


async def put_in_use(tx: Transaction) -> None:
    """Let those keys seal whose time has come and which everybody has."""
    await tx.execute(_SQL["put_in_use"], tx.now)


async def forget_holder(tx: Transaction, owner: UUID) -> None:
    """This process is leaving: nobody waits for it any more."""
    await tx.execute(_SQL["forget_holders"], owner, tx.now - _LONG_GONE)


@dataclass(frozen=True, slots=True)
class Holders:
    """Of the processes that are alive: how many there are, have a key, and seal with it."""

    alive: int
    have: int
    seal: int


async def holders(tx: Transaction, name: KeyName) -> Holders:
    row = await tx.fetchrow(_SQL["holders"], tx.now, str(name))
    return Holders(**row) if row else Holders(0, 0, 0)


async def destroy(tx: Transaction, name: KeyName) -> bool:
    """Note that a key is gone for good; False when it was noted before, or when it still seals."""
    return await tx.fetchval(_SQL["destroy"], tx.now, name.purpose, name.id) is not None


async def give_up(tx: Transaction, name: KeyName) -> None:
    """Note that a key is gone for good, whatever this database thought of it."""
    await tx.execute(_SQL["give_up"], tx.now, name.purpose, name.id)


@dataclass(frozen=True, slots=True)
class Untold:
    """Something about a key that the accounts' logs do not say yet."""

    name: KeyName
    type: str
    at: datetime


async def untold(tx: Transaction) -> list[Untold]:
    """What has happened to keys since the accounts were last told."""
    found: list[Untold] = []
    for row in await tx.fetch(_SQL["untold"]):
        if row["in_use_since"] and not row["told_of_use"]:
            found.append(Untold(_name(row), "keyring.rotated", row["in_use_since"]))
        if row["destroyed_at"] and not row["told_of_end"]:
            found.append(Untold(_name(row), "keyring.destroyed", row["destroyed_at"]))
    return found


async def tell(tx: Transaction, bucket: int, account_id: UUID, event_id: UUID, news: Untold) -> None:
    """Write it into one account's log; the same id again changes nothing."""
    await tx.execute(_SQL["tell"], bucket, account_id, event_id, news.type, news.at)


async def told(tx: Transaction, all_told: Sequence[Untold]) -> None:
    for news in all_told:
        of_use = news.type == "keyring.rotated"
        await tx.execute(_SQL["told"], news.name.purpose, news.name.id, of_use, not of_use)


def _name(row: Row) -> KeyName:
    return KeyName(Purpose(row["purpose"]), row["key_id"])
