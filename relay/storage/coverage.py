"""Rows, their events and the entries of those, as they are compared: read in steps, and nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from relay.core.coverage import Expected, Sealed, Stood
from relay.core.ids import first_id_at
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("coverage")
_INSTANT = timedelta(milliseconds=1)  # ids tell the time no finer
_SEED = timedelta(hours=25)  # what an id was made from may be so much older than what it is of


@dataclass(frozen=True, slots=True)
class Rows:
    """One step through a table. ``last`` None: there are no more. ``unsent``: texts that have begun to leave more often than they
    have attempts."""

    found: Sequence[Stood]
    last: UUID | None
    unsent: int = 0


async def rows(tx: Transaction, table: str, bucket: int, account_id: UUID, *, behind: UUID, limit: int) -> Rows:
    """The next rows of an account in a bucket, in the order of their ids."""
    read = []
    for name in ("messages", "sessions", "verifications", "numbers", "holds", "keys", "links"):
        if name == table:
            read = await tx.fetch(_SQL[name], bucket, account_id, behind, limit)
    found = [Stood(row["id"], row["word"], row["began"], row["ended"]) for row in read]
    unsent = sum(row["counted"] > row["attempts"] for row in read) if table == "messages" else 0
    return Rows(found, found[-1].id if found else None, unsent)


async def missing(tx: Transaction, bucket: int, account_id: UUID, wanted: Sequence[Expected]) -> list[Expected]:
    """Those of these events that are not there."""
    left = await _not_then(tx, bucket, account_id, wanted)
    return await _never(tx, bucket, account_id, left) if left else []


async def _not_then(tx: Transaction, bucket: int, account_id: UUID, wanted: Sequence[Expected]) -> list[Expected]:
    dated = [(n, one, one.at) for n, one in enumerate(wanted) if one.at is not None]
    there = await tx.fetch(
        _SQL["told_then"],
        bucket,
        account_id,
        [n for n, _, _ in dated],
        [first_id_at(bucket, at) for _, _, at in dated],
        [first_id_at(bucket, at + _INSTANT) for _, _, at in dated],
        [one.types[0] for _, one, _ in dated],
        [one.types[-1] for _, one, _ in dated],
        [one.subject for _, one, _ in dated],
        [at for _, _, at in dated],
    )
    told = {row["n"] for row in there}
    return [one for n, one in enumerate(wanted) if n not in told]


async def _never(tx: Transaction, bucket: int, account_id: UUID, wanted: Sequence[Expected]) -> list[Expected]:
    types = sorted({name for one in wanted for name in one.types})
    subjects = sorted({one.subject for one in wanted if one.subject})
    earliest = first_id_at(bucket, min(one.since for one in wanted) - _SEED)
    read = await tx.fetch(_SQL["told_ever"], bucket, account_id, earliest, types, subjects)
    dated = {(row["type"], row["subject"], row["at"]) for row in read}
    ever = {(row["type"], row["subject"]) for row in read}
    return [
        one
        for one in wanted
        if not any(
            (name, one.subject, one.at) in dated if one.at else (name, one.subject) in ever for name in one.types
        )
    ]


async def events(tx: Transaction, bucket: int, account_id: UUID, *, behind: UUID, limit: int) -> list[Sealed]:
    """The next events of an account in a bucket, in the order of their ids; of their entries nothing is known yet."""
    read = await tx.fetch(_SQL["events"], bucket, account_id, behind, limit)
    return [Sealed(row["id"], row["type"], row["at"], row["is_marked"], entry=None) for row in read]


async def entries(tx: Transaction, bucket: int, account_id: UUID, event_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What the log says of these events: their types, empty where that is erased."""
    read = await tx.fetch(_SQL["entries"], bucket, account_id, event_ids)
    return {row["event_id"]: row["type"] for row in read}
