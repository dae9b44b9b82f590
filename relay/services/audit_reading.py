"""What an auditor reads: the signed head, tiles, proofs, entries, which keys have signed. That they read is itself an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from relay.core import merkle
from relay.core.entries import Thing, reference
from relay.core.errors import NotFound
from relay.core.inclusion import InclusionProof
from relay.core.notes import parse_note
from relay.core.tiles import Tile, hashes_in, places_of
from relay.storage import audit_reading
from relay.storage.audit_reading import Entry, Head, SigningKey, Wanted
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class AuditReading:
    """Everything raises NotFound where it is not, or not yet."""

    database: Database

    async def note(self, account: Account, key_id: UUID) -> None:
        """Note that somebody reads with this API key. Before they get anything."""
        await self.database.run(lambda tx: audit_reading.note_read(tx, account.bucket, account.id, key_id), single=True)

    async def checkpoint(self, account: Account) -> str:
        """The signed head."""
        return (await self.database.run(partial(_head, account), single=True)).checkpoint

    async def tile(self, account: Account, tile: Tile) -> bytes:
        """A tile, as wide as it is asked for: also one that has grown since."""
        head = await self.database.run(partial(_head, account), single=True)
        if not tile.lies_in(head.size):
            raise NotFound
        kept = await self.database.run(
            lambda tx: audit_reading.tiles(tx, account.bucket, account.id, [tile.place]), single=True
        )
        return tile.cut(kept[tile.place])

    async def proof(self, account: Account, ref: str) -> str:
        """That the entry of this name is in the log, for whoever has the log's key."""
        return await self.database.run(partial(_proof, account, ref))

    async def entries(
        self, account: Account, wanted: Wanted, *, session_id: UUID | None, limit: int
    ) -> Sequence[Entry]:
        """Entries, newest first; with ``session_id`` those of a session."""
        return await self.database.run(partial(_entries, account, wanted, session_id, limit))

    async def keys(self, account: Account) -> Sequence[SigningKey]:
        """Which keys have signed, oldest first."""
        return await self.database.run(
            lambda tx: audit_reading.signing_keys(tx, account.bucket, account.id), single=True
        )


async def _head(account: Account, tx: Transaction) -> Head:
    head = await audit_reading.head(tx, account.bucket, account.id)
    if head is None:
        raise NotFound
    return head


async def _proof(account: Account, ref: str, tx: Transaction) -> str:
    head = await _head(account, tx)
    index = await audit_reading.index_of(tx, account.bucket, account.id, ref)
    if index is None or index >= head.size:  # sealed since the head was read
        raise NotFound
    spans = merkle.inclusion_spans(index, head.size)
    kept = await audit_reading.tiles(tx, account.bucket, account.id, places_of(spans))
    path = tuple(merkle.proof(spans, hashes_in(kept)))
    return InclusionProof(index, path, parse_note(head.checkpoint)).written()


async def _entries(
    account: Account, wanted: Wanted, session_id: UUID | None, limit: int, tx: Transaction
) -> Sequence[Entry]:
    head = await audit_reading.head(tx, account.bucket, account.id)
    if head is None:
        return []
    if session_id is not None:
        wanted = replace(wanted, session_ref=reference(head.reference_key, Thing.SESSION, session_id))
    return await audit_reading.entries(tx, account.bucket, account.id, wanted, limit=limit)
