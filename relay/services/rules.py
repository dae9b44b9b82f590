"""Carries out a pool's keyword rules: the text goes to nobody, the marketplace learns of it, its sender may get a reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay import logs, metrics
from relay.core import delivery
from relay.core.arrival import ArrivedText, Party
from relay.core.envelope import Letter
from relay.core.ids import IdKind, public
from relay.core.keywords import folded
from relay.core.model import MessageKind, Reason, State
from relay.core.notices import is_automatic
from relay.core.rules import REPLY_AT_MOST_EVERY, Rule
from relay.core.segments import segments
from relay.storage import caps, inbox, messages, people, rules, sessions, suppressions
from relay.storage.configuration import Configuration, Directory
from relay.storage.database import Database, Transaction
from relay.storage.inbox import InboxKey
from relay.storage.messages import NewMessage, NewOutboxRow
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class _Sender:
    """Who sent the word. ``session_id`` and ``participant_id`` None: they are in no session on this number."""

    party: Party
    number_id: UUID
    phone: str
    session_id: UUID | None
    participant_id: UUID | None


@dataclass(frozen=True, slots=True)
class KeywordRules:
    """``queued`` hears of buckets with new work."""

    database: Database
    configuration: Configuration
    vault: Vault
    queued: Callable[[int], Awaitable[None]]
    copies: CarrierCopies

    async def take(self, arrived: ArrivedText, rule: Rule) -> bool:
        """Carry a rule out; False when nobody could be answered, and it is a text like any other."""
        if arrived.party is None or arrived.number_id is None or arrived.sender is None or arrived.from_own_number:
            return False
        directory = await self.configuration.current()
        if await self.database.run(partial(self._carry_out, arrived, rule, directory)):
            await self.queued(arrived.bucket)
        return True

    async def _carry_out(self, arrived: ArrivedText, rule: Rule, directory: Directory, tx: Transaction) -> bool:
        """Says whether a reply waits to be sent."""
        sender = await _sender(tx, arrived)
        copy = self.copies.of(
            directory.connections[arrived.connection_id], tx.new_id(arrived.bucket), arrived.provider_id
        )
        recorded = await inbox.record(tx, arrived.bucket, [InboxKey.of(arrived, copy)])
        if recorded.altered:
            metrics.alarms.labels("altered_duplicate").inc()
            logs.note("altered_duplicate", level="warning", connection=public(IdKind.CONNECTION, arrived.connection_id))
        if not recorded.new:
            return False
        rows = [_consumed(tx, arrived, sender)]
        replying = [directory.accounts[arrived.account_id]] if rule.reply else []
        allowance = await caps.allowance(tx, arrived.bucket, replying)
        replies = [self._reply(tx, arrived, rule, sender)] if await _may_reply(tx, arrived, rule, directory) else []
        if replies and not allowance.take(arrived.account_id):
            rows, replies = [*rows, *(row.message.over_cap() for row in replies)], []
        await messages.write(tx, arrived.bucket, [*rows, *(row.message for row in replies)], replies)
        await caps.count(tx, arrived.bucket, allowance)
        if rule.event:
            pool_id = directory.numbers[sender.number_id].pool_id
            await rules.matched(tx, rows[0], rule.id_in(pool_id))
        return bool(replies)

    def _reply(self, tx: Transaction, arrived: ArrivedText, rule: Rule, sender: _Sender) -> NewOutboxRow:
        message = NewMessage(
            id=tx.new_id(arrived.bucket),
            account_id=arrived.account_id,
            kind=MessageKind.NOTICE,
            state=State.QUEUED,
            segments=segments(rule.reply).count,
            session_id=sender.session_id,
            recipient_id=sender.participant_id,
        )
        envelope = self.vault.envelopes.seal(message.account_id, message.id, Letter(sender.phone, rule.reply))
        deadline = delivery.deadline(message.kind, tx.now)
        return NewOutboxRow(message, sender.party.index, sender.number_id, envelope, deadline)


async def _sender(tx: Transaction, arrived: ArrivedText) -> _Sender:
    """The sender, with the session that their binding on this number names."""
    if arrived.party is None or arrived.number_id is None or arrived.sender is None:
        raise ValueError("a rule is carried out for people on numbers of ours")
    await people.recognise(tx, arrived.bucket, [arrived.party])
    pair = arrived.number_id, arrived.party.index
    locked = await inbox.lock_sessions(tx, arrived.bucket, [pair])
    seated = await inbox.people(tx, arrived.bucket, [session.id for session in locked])
    seat = next((s for s in seated if s.bound and (s.participant.number_id, s.participant.party_index) == pair), None)
    await sessions.meet(tx, arrived.bucket, [(arrived.party.index, arrived.party.key_id)])
    where = (None, None) if seat is None else (seat.session_id, seat.participant.id)
    return _Sender(arrived.party, arrived.number_id, arrived.sender, *where)


async def _may_reply(tx: Transaction, arrived: ArrivedText, rule: Rule, directory: Directory) -> bool:
    """At most once a minute, to nobody who has opted out, and never to what a relay says by itself."""
    if not rule.reply or arrived.party is None or arrived.number_id is None:
        return False
    if is_automatic(arrived.text, directory.accounts[arrived.account_id].notices):
        return False
    if await suppressions.is_opted_out(tx, arrived.bucket, arrived.party.index):
        return False
    wanted = [(arrived.number_id, arrived.party.index, f"rule:{folded(rule.keyword)}")]
    return bool(await inbox.claim_answers(tx, arrived.bucket, wanted, every=REPLY_AT_MOST_EVERY))


def _consumed(tx: Transaction, arrived: ArrivedText, sender: _Sender) -> NewMessage:
    """The text's own metadata: it came, and it went to nobody."""
    metrics.refusals.labels(Reason.BLOCKED_BY_RULE).inc()
    return NewMessage(
        id=tx.new_id(arrived.bucket),
        account_id=arrived.account_id,
        kind=MessageKind.RELAY,
        state=State.REFUSED,
        segments=segments(arrived.text).count,
        session_id=sender.session_id,
        sender_id=sender.participant_id,
        reason=Reason.BLOCKED_BY_RULE,
    )
