"""Takes receipts: a provider's later word on a message, matched by the token in the address it calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from relay import metrics
from relay.core import bouncing
from relay.core.ids import bucket_of
from relay.core.model import MessageKind, Reason, State
from relay.providers.base import Receipt, ReceiptWord
from relay.storage import bounces, outbox, suppressions
from relay.storage.coalescer import Coalescer
from relay.storage.configuration import Connection
from relay.storage.database import Database, Transaction
from relay.storage.outbox import Moved, ReceiptOf
from relay.storage.suppressions import OptChange
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.tokens import AttemptToken

_STATES = {
    ReceiptWord.ACCEPTED: State.ACCEPTED,
    ReceiptWord.DELIVERED: State.DELIVERED,
    ReceiptWord.UNDELIVERED: State.UNDELIVERED,
}


@dataclass(slots=True)
class Receipts:
    """Whatever comes late, early, twice or out of order moves a message forward or not at all. ``spread`` carries an opt-out
    to every pool."""

    database: Database
    copies: CarrierCopies
    spread: Callable[[OptChange], Awaitable[None]]
    _batches: Coalescer[ReceiptOf, State | None] = field(init=False)

    def __post_init__(self) -> None:
        # The statement takes one receipt per message.
        self._batches = Coalescer(self._write, alone=lambda told: told.message_id)

    async def take(self, connection: Connection, token: AttemptToken, receipt: Receipt) -> State | None:
        """Write a receipt; returns the message's new state, or None when it was no news."""
        metrics.receipts.labels(receipt.word).inc()
        word = _STATES.get(receipt.word)
        if word is None:
            return None
        copy = self.copies.of(connection, token.attempt_id, receipt.provider_id)
        told = ReceiptOf(token.message_id, token.attempt_id, word, receipt.reason, copy)
        if told.reason is Reason.CARRIER_OPTED_OUT:
            return await self._opted_out(bucket_of(token.message_id), told)
        return await self._batches.do(bucket_of(token.message_id), told)

    async def _opted_out(self, bucket: int, told: ReceiptOf) -> State | None:
        """A receipt that tells of an opt-out goes to every pool before the provider is told that all is well."""
        state, change = await self.database.run(lambda tx: _write_opt_out(tx, bucket, told))
        if change is not None:
            await self.spread(change)
        return state

    async def _write(self, bucket: int, receipts: Sequence[ReceiptOf]) -> list[State | None]:
        moved = await self.database.run(lambda tx: outbox.write_receipts(tx, bucket, receipts), single=True)
        notices = [told for told in receipts if _is_last_word_on_a_notice(moved.get(told.message_id))]
        if notices:
            await self.database.run(lambda tx: _count_bounces(tx, bucket, notices))
        return [moved[told.message_id].state if told.message_id in moved else None for told in receipts]


def _is_last_word_on_a_notice(moved: Moved | None) -> bool:
    return moved is not None and moved.kind is MessageKind.NOTICE and moved.state is not State.ACCEPTED


async def _count_bounces(tx: Transaction, bucket: int, notices: Sequence[ReceiptOf]) -> None:
    """Whether notices reach their people's phones. A hint: it is counted after the receipt itself is stored."""
    whose = await bounces.recipients(tx, bucket, [told.message_id for told in notices])
    counted = await bounces.lock(tx, bucket, whose.values())
    for told in notices:
        who = whose.get(told.message_id)
        news = bouncing.after(counted[who], told.word, told.reason, tx.now) if who in counted else None
        if who is not None and news is not None:
            counted[who] = news.count
            await bounces.write(tx, bucket, who, news)


async def _write_opt_out(tx: Transaction, bucket: int, told: ReceiptOf) -> tuple[State | None, OptChange | None]:
    """Write it with the way to every pool; when it is no news, find what still stands of that way."""
    moved = await outbox.write_receipts(tx, bucket, [told])
    change = await suppressions.carriers_word(tx, bucket, told.message_id, told.attempt_id)
    state = moved[told.message_id].state if moved else None
    if change is None:
        return state, None
    if moved:
        await suppressions.begin_fanout(tx, bucket, change)
        return state, change
    standing = await suppressions.standing_fanouts(tx, bucket, change.party)
    return None, standing[-1] if standing else None
