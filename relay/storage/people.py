"""The same person under another key: found under the old one, known under the new one from then on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from relay.core.arrival import Party
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("people")


async def agree(tx: Transaction, bucket: int, names: Iterable[bytes]) -> None:
    """Take turns with whoever names the same until the transaction ends. Names are hashes under the oldest key, which
    everybody has, so that all use the same ones whatever key is in use."""
    unique = list(set(names))
    if unique:
        await tx.execute(_SQL["agree"], bucket, tx.now, unique)


async def forget_turns(tx: Transaction, bucket: int, *, before: datetime, limit: int) -> int:
    """Forget who took turns; says how many."""
    return len(await tx.fetch(_SQL["forget_turns"], bucket, before, limit))


async def recognise(tx: Transaction, bucket: int, parties: Sequence[Party]) -> None:
    """Know these people under the index that they have now, and nobody else by it meanwhile. Comes before anything that reads or
    writes them; costs nothing while there is one key."""
    aliased = [party for party in parties if party.others]
    if not aliased:
        return
    await agree(tx, bucket, (party.oldest for party in aliased))
    new = {other.index: party for party in aliased for other in party.others}
    known = [row["party_index"] for row in await tx.fetch(_SQL["known_before"], bucket, list(new))]
    if known:
        await tx.execute(_SQL["lock_seats"], bucket, known)
        await tx.execute(
            _SQL["supersede"], bucket, known, [new[i].index for i in known], [new[i].key_id for i in known]
        )


async def recognise_pair(
    tx: Transaction, bucket: int, parties: Sequence[Party], pair_index: bytes, others: Sequence[bytes]
) -> None:
    """The same for what two people left cooling together. After ``recognise``."""
    if others:
        await tx.execute(_SQL["supersede_pairs"], bucket, [p.index for p in parties], list(others), pair_index)


async def recognise_suppression(tx: Transaction, account_bucket: int, account_id: UUID, party: Party) -> None:
    """The same for a person's opt-out in their account's list."""
    if party.others:
        await agree(tx, account_bucket, [party.oldest])
        now = (party.index, party.key_id)
        await tx.execute(_SQL["supersede_suppression"], account_bucket, account_id, party.indexes[1:], *now)


async def change_superseded(tx: Transaction, bucket: int, party: Party, at: datetime, *, opted_out: bool) -> None:
    """A wish counts for what was already on its way under an old key as well."""
    if party.others:
        await tx.execute(_SQL["change_superseded"], bucket, at, opted_out, party.indexes[1:])
