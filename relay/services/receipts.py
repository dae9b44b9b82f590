"""Takes receipts: a provider's later word on a message, matched by the token in the address it calls."""

from __future__ import annotations

from dataclasses import dataclass

from relay import metrics
from relay.core.ids import bucket_of
from relay.core.model import State
from relay.providers.base import Receipt, ReceiptWord
from relay.storage import outbox
from relay.storage.database import Database
from relay.vault.tokens import AttemptToken

_STATES = {
    ReceiptWord.ACCEPTED: State.ACCEPTED,
    ReceiptWord.DELIVERED: State.DELIVERED,
    ReceiptWord.UNDELIVERED: State.UNDELIVERED,
}


@dataclass(frozen=True, slots=True)
class Receipts:
    """Whatever comes late, early, twice or out of order moves a message forward or not at all."""

    database: Database

    async def take(self, token: AttemptToken, receipt: Receipt) -> State | None:
        """Write a receipt; returns the message's new state, or None when it was no news."""
        metrics.receipts.labels(receipt.word).inc()
        word = _STATES.get(receipt.word)
        if word is None:
            return None
        told = outbox.ReceiptOf(token.message_id, token.attempt_id, word, receipt.reason)
        bucket = bucket_of(token.message_id)
        moved = await self.database.run(lambda tx: outbox.write_receipts(tx, bucket, [told]))
        return moved.get(token.message_id)
