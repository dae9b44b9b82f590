"""Witnesses of an account's log, and the newest cosignature of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.cosigning import MOST_WITNESSES, Word
from relay.core.ids import bucket_of
from relay.core.notes import parse_key, parse_note
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("audit_witnesses")


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness. ``key``: as it is handed over. ``word`` None: it has not signed a head yet."""

    id: UUID
    key: str
    added_at: datetime
    word: Word | None


@dataclass(frozen=True, slots=True)
class KeptLog:
    """A log's name and how many entries it has."""

    origin: str
    size: int


async def add(tx: Transaction, account_id: UUID, witness_id: UUID, key: str) -> None:
    """Add a witness, where there are not too many. One of the same id or the same key stays as it is."""
    await tx.execute(_SQL["add"], bucket_of(witness_id), account_id, witness_id, key, tx.now, MOST_WITNESSES)


async def listed(tx: Transaction, bucket: int, account_id: UUID) -> list[Witness]:
    """All of an account, oldest first. Raises EvidenceRefused when what is kept cannot be read."""
    rows = await tx.fetch(_SQL["list"], bucket, account_id)
    return [
        Witness(
            row["id"],
            row["key"],
            row["added_at"],
            None
            if row["size"] is None
            else _word(row["key"], row["size"], row["checkpoint"], row["signature"], row["signed_at"]),
        )
        for row in rows
    ]


def _word(key: str, size: int, checkpoint: str, signature: str, at: datetime) -> Word:
    note = parse_note(checkpoint)
    (line,) = parse_note(f"{note.text}\n{signature}").signatures
    return Word(parse_key(key), size, note, line, at)


async def words(tx: Transaction, bucket: int, account_id: UUID) -> list[Word]:
    """The newest of each witness that has signed a head."""
    return [witness.word for witness in await listed(tx, bucket, account_id) if witness.word is not None]


async def remove(tx: Transaction, account_id: UUID, witness_id: UUID) -> bool:
    """Remove a witness with its cosignature; says whether there was one."""
    return await tx.fetchval(_SQL["remove"], bucket_of(witness_id), account_id, witness_id) is not None


async def take(tx: Transaction, account_id: UUID, taken: Sequence[tuple[UUID, Word]]) -> None:
    """Keep what witnesses have said, each in its own row, but not in the place of something newer."""
    for witness_id, word in taken:
        what = (word.size, word.note.written(), word.signature.written(), word.at)
        await tx.execute(_SQL["take"], bucket_of(witness_id), account_id, witness_id, *what)


async def log(tx: Transaction, bucket: int, account_id: UUID) -> KeptLog | None:
    """None = nothing is sealed yet."""
    row = await tx.fetchrow(_SQL["log"], bucket, account_id)
    return KeptLog(**row) if row else None
