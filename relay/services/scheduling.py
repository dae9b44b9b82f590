"""Texts for later, when their time has come: each gets the next place in its leg and leaves like any other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.core.envelope import Envelope
from relay.core.errors import KeyMissing, Tampered
from relay.storage import scheduling
from relay.storage.database import Database, Transaction
from relay.storage.scheduling import Placed, Ripe
from relay.vault.vault import Vault

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Scheduling:
    """``queued`` hears of buckets with new work."""

    database: Database
    vault: Vault
    queued: Callable[[int], Awaitable[None]]

    async def release(self, bucket: int) -> int:
        """Queue a small batch of the texts whose time has come; says how many."""
        async with self.database.single() as tx:
            due = await scheduling.due(tx, bucket, limit=_BATCH)
        if not due:
            return 0
        released = await self.database.run(lambda tx: self._release(tx, bucket, list(due), list(due.values())))
        if released:
            await self.queued(bucket)
        return released

    async def _release(
        self, tx: Transaction, bucket: int, message_ids: Sequence[UUID], session_ids: Sequence[UUID]
    ) -> int:
        legs = await scheduling.lock_sessions(tx, bucket, session_ids)
        placed: list[Placed] = []
        for text in await scheduling.ripe(tx, bucket, message_ids, list(legs)):
            legs[text.session_id] += 1
            placed.append(Placed(text.message_id, legs[text.session_id], self._sealed_anew(text)))
        return await scheduling.release(tx, bucket, placed, legs) if placed else 0

    def _sealed_anew(self, text: Ripe) -> Envelope:
        """Under the key of the day. What cannot be opened stays as it is: whoever sends it will say so.

        Raises KeyMissing where another process may be able to.
        """
        envelopes = self.vault.envelopes
        try:
            letter = envelopes.open(text.account_id, text.message_id, text.envelope)
        except KeyMissing:
            raise
        except Tampered:
            return text.envelope
        return envelopes.seal(text.account_id, text.message_id, letter)
