"""Notices that did not reach a person's phone, counted in the person's row, where the guarded door looks."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from relay.core.bouncing import Bounces
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("bounces")


async def recipients(tx: Transaction, bucket: int, message_ids: Iterable[UUID]) -> dict[UUID, bytes]:
    """To whom these texts went, as a party index; not those outside of any session, for nobody can tell any more."""
    rows = await tx.fetch(_SQL["recipients"], bucket, list(message_ids))
    return {row["id"]: row["party_index"] for row in rows}


async def lock(tx: Transaction, bucket: int, party_indexes: Iterable[bytes]) -> dict[bytes, int]:
    """How many notices in a row have not reached each of these people; held until it is written anew."""
    rows = await tx.fetch(_SQL["lock"], bucket, list(set(party_indexes)))
    return {row["party_index"]: row["bounces"] for row in rows}


async def write(tx: Transaction, bucket: int, party_index: bytes, bounces: Bounces) -> None:
    await tx.execute(_SQL["write"], bucket, party_index, bounces.count, bounces.silent_until)
