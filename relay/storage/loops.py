"""Loops: how often the same was said, how much was said, and texts that are parked for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.delivery import MAY_STAND_PARKED
from relay.core.ids import first_id_at
from relay.core.loops import WINDOW
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("loops")


@dataclass(frozen=True, slots=True)
class Same:
    """The same said to the same person from the same number: ``fingerprint`` is a keyed hash of who said what to which number."""

    number_id: UUID
    party_index: bytes
    fingerprint: bytes

    @property
    def kind(self) -> str:
        """The name under which it is counted."""
        return f"said:{self.fingerprint.hex()}"


@dataclass(frozen=True, slots=True)
class Repeats:
    """How many have come now that repeat one that was said at ``before``, and is not counted where no other repeats it."""

    before: datetime
    now: int


async def count_repeats(tx: Transaction, bucket: int, more: Mapping[Same, Repeats]) -> dict[Same, int]:
    """Count them; returns how many there have been within the minute that began with the first."""
    by_kind = {(same.number_id, same.party_index, same.kind): same for same in more}
    rows = await tx.fetch(
        _SQL["count_repeats"],
        bucket,
        tx.now - WINDOW,
        [same.number_id for same in more],
        [same.party_index for same in more],
        [same.kind for same in more],
        [repeats.now for repeats in more.values()],
        [repeats.before for repeats in more.values()],
    )
    return {by_kind[row["number_id"], row["party_index"], row["kind"]]: row["n"] for row in rows}


async def said_lately(tx: Transaction, bucket: int, session_ids: Iterable[UUID]) -> dict[tuple[UUID, UUID], int]:
    """How many texts people have sent within a minute, by session and whom they were for."""
    since = first_id_at(bucket, tx.now - WINDOW)
    rows = await tx.fetch(_SQL["said_lately"], bucket, list(session_ids), since)
    return {(row["session_id"], row["to_participant"]): row["n"] for row in rows}


async def said_by(tx: Transaction, bucket: int, party_indexes: Iterable[bytes]) -> dict[bytes, int]:
    """How many texts people have sent within a minute, to whomever."""
    since = first_id_at(bucket, tx.now - WINDOW)
    rows = await tx.fetch(_SQL["said_by"], bucket, list(party_indexes), since)
    return {row["party_index"]: row["n"] for row in rows}


async def park(tx: Transaction, bucket: int, message_ids: Sequence[UUID]) -> None:
    """Park texts that nothing has been tried with yet."""
    event_ids = tx.new_ids(bucket, len(message_ids))
    await tx.fetch(_SQL["park"], bucket, tx.now, tx.now + MAY_STAND_PARKED, list(message_ids), event_ids)
