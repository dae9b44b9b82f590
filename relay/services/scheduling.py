"""Texts for later, when their time has come: each gets the next place in its leg and leaves like any other, unless the
account's daily cap is reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.core.closing import Stopped
from relay.core.envelope import Envelope
from relay.core.errors import KeyMissing, Tampered
from relay.core.model import Reason, State
from relay.storage import caps, scheduling, suppressions
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database, Transaction
from relay.storage.scheduling import Placed, Ripe
from relay.vault.vault import Vault

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Scheduling:
    """``queued`` hears of buckets with new work."""

    database: Database
    configuration: Configuration
    vault: Vault
    queued: Callable[[int], Awaitable[None]]

    async def release(self, bucket: int) -> int:
        """Queue a small batch of the texts whose time has come; says how many."""
        async with self.database.single() as tx:
            due = await scheduling.due(tx, bucket, limit=_BATCH)
        if not due:
            return 0
        accounts = (await self.configuration.current()).accounts
        released = await self.database.run(
            lambda tx: self._release(tx, bucket, list(due), list(due.values()), accounts)
        )
        if released:
            await self.queued(bucket)
        return released

    async def _release(
        self,
        tx: Transaction,
        bucket: int,
        message_ids: Sequence[UUID],
        session_ids: Sequence[UUID],
        accounts: Mapping[UUID, Account],
    ) -> int:
        """Says how many did not have to wait any longer."""
        legs = await scheduling.lock_sessions(tx, bucket, session_ids)
        ripe = await scheduling.ripe(tx, bucket, message_ids, list(legs))
        allowance = await caps.allowance(
            tx, bucket, [accounts[account_id] for account_id in {t.account_id for t in ripe}]
        )
        placed: list[Placed] = []
        over: list[Stopped] = []
        for text in ripe:
            if not allowance.take(text.account_id):
                over.append(Stopped(text.message_id, State.REFUSED, Reason.RATE_LIMITED))
                continue
            legs[text.session_id] += 1
            placed.append(Placed(text.message_id, legs[text.session_id], self._sealed_anew(text)))
        await caps.count(tx, bucket, allowance)
        if over:
            await suppressions.stop(tx, bucket, over)
        return len(over) + (await scheduling.release(tx, bucket, placed, legs) if placed else 0)

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
