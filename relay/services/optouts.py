"""STOP, START and HELP: what a person says to Relay and not to the other person.

A STOP is known in the arriving bucket at once and in every pool of the account before the provider gets its 2xx. What
crosses buckets is done in steps that may be repeated in any order: the newest of a person's wishes wins everywhere. The
``fanout`` row stands as long as some pool may not know; whoever finds it finishes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from relay import logs, metrics
from relay.core import delivery
from relay.core.arrival import ArrivedText, Party
from relay.core.closing import unwanted
from relay.core.envelope import Letter
from relay.core.ids import IdKind, bucket_of, public
from relay.core.keywords import Keyword
from relay.core.model import MessageKind, Reason, State
from relay.core.notices import Phrase, say
from relay.core.segments import segments
from relay.providers.base import Adapter
from relay.storage import accounts, inbox, messages, people, sessions, suppressions
from relay.storage.configuration import Account, Configuration, Directory
from relay.storage.database import Database, Transaction
from relay.storage.inbox import InboxKey
from relay.storage.suppressions import OptChange
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.vault import Vault

_AT_ONCE = 200  # changes left by a crash
_MOMENT = timedelta(microseconds=1)  # a wish is newer than the one before it, even when the clock was set back


@dataclass(frozen=True, slots=True)
class _Heard:
    """What the arriving bucket made of a command: a change to spread, and whether an answer waits to be sent."""

    is_command: bool
    change: OptChange | None = None
    queued: bool = False


@dataclass(frozen=True, slots=True)
class OptOuts:
    """Takes commands, and spreads what a carrier or the account told us. ``queued`` hears of buckets with new work."""

    database: Database
    configuration: Configuration
    vault: Vault
    adapters: dict[str, Adapter]
    queued: Callable[[int], Awaitable[None]]
    copies: CarrierCopies

    async def take(self, arrived: ArrivedText) -> bool:
        """Carry out a command; False when it is none after all (START from somebody who never opted out)."""
        directory = await self.configuration.current()
        heard = await self.database.run(lambda tx: self._hear(tx, arrived, directory))
        if heard.change is not None:
            await self.spread(heard.change)
        if heard.queued:
            await self.queued(arrived.bucket)
        return heard.is_command

    async def spread(self, *changes: OptChange) -> None:
        """Make changes of one account and one kind, begun in one bucket, known everywhere; then forget that they were under way.
        May be repeated.

        The list of pools is read after the account's own rows were committed: a pool that is made at the same time either
        is in the list or copies those rows.
        """
        directory = await self.configuration.current()
        account, arrived_in = directory.accounts[changes[0].account_id], bucket_of(changes[0].id)
        await self.database.run(partial(_suppress, account.bucket, changes))
        async with self.database.transaction() as tx:
            buckets = await accounts.pool_buckets(tx, account.id)
        for bucket in sorted({*buckets, arrived_in}):
            await self.database.run(partial(_spread_to, bucket, changes))
        ids = [change.id for change in changes]
        await self.database.run(lambda tx: suppressions.end_fanout(tx, arrived_in, *ids))

    async def finish_old(self, bucket: int, *, older_than: float) -> int:
        """Spread what a crash left behind for longer than so many seconds; says how many."""
        async with self.database.transaction() as tx:
            before = tx.now - delivery.seconds(older_than)
            left = await suppressions.old_fanouts(tx, bucket, before=before, limit=_AT_ONCE)
        alike: dict[tuple[UUID, bool], list[OptChange]] = {}
        for change in left:
            alike.setdefault((change.account_id, change.opted_out), []).append(change)
        for changes in alike.values():
            await self.spread(*changes)
        return len(left)

    async def _hear(self, tx: Transaction, arrived: ArrivedText, directory: Directory) -> _Heard:
        if arrived.party is None or arrived.keyword is None:
            return _Heard(is_command=False)
        await people.recognise(tx, arrived.bucket, [arrived.party])
        if arrived.keyword is Keyword.START and not await self._acts(tx, arrived, arrived.party):
            return _Heard(is_command=False)
        connection = directory.connections[arrived.connection_id]
        copy = self.copies.of(connection, tx.new_id(arrived.bucket), arrived.provider_id)
        recorded = await inbox.record(tx, arrived.bucket, [InboxKey.of(arrived, copy)])
        if recorded.altered:
            metrics.alarms.labels("altered_duplicate").inc()
            logs.note("altered_duplicate", level="warning", connection=public(IdKind.CONNECTION, arrived.connection_id))
        if not recorded.new:
            return await _finish_first(tx, arrived, arrived.party)
        if arrived.keyword is Keyword.HELP:
            return await self._help(tx, arrived, arrived.party, directory)
        return await self._opt(tx, arrived, arrived.party, directory)

    async def _acts(self, tx: Transaction, arrived: ArrivedText, party: Party) -> bool:
        """START means something to a person who has opted out, and when this very START is only repeated."""
        if await suppressions.is_opted_out(tx, arrived.bucket, party.index):
            return True
        return bool(await suppressions.standing_fanouts(tx, arrived.bucket, party))

    async def _opt(self, tx: Transaction, arrived: ArrivedText, party: Party, directory: Directory) -> _Heard:
        stop = arrived.keyword is Keyword.STOP
        known = await suppressions.lock_person(tx, arrived.bucket, party.index)
        changed = known is None or known.opted_out is not stop
        change = OptChange(
            tx.new_id(arrived.bucket),
            arrived.account_id,
            party.index,
            party.key_id,
            opted_out=stop,
            arrived_at=tx.now if known is None else max(tx.now, known.changed_at + _MOMENT),
            others=party.others,
        )
        await _apply(tx, arrived.bucket, [change], with_event=changed)
        await suppressions.begin_fanout(tx, arrived.bucket, change)
        rows = [self._consumed(tx, arrived, Reason.OPTED_OUT if stop else Reason.BLOCKED_BY_RULE)]
        adapter = self.adapters[directory.connections[arrived.connection_id].provider]
        if stop and changed and not adapter.capabilities.answers_stop:
            return _Heard(True, change, await self._answer(tx, arrived, Phrase.STOPPED, rows, directory))
        await messages.write(tx, arrived.bucket, rows)
        return _Heard(True, change)

    async def _help(self, tx: Transaction, arrived: ArrivedText, party: Party, directory: Directory) -> _Heard:
        await sessions.meet(tx, arrived.bucket, [(party.index, party.key_id)])
        rows = [self._consumed(tx, arrived, Reason.BLOCKED_BY_RULE)]
        wanted = [(arrived.number_id, party.index, str(Phrase.HELP))] if arrived.number_id else []
        if await inbox.claim_answers(tx, arrived.bucket, wanted):
            return _Heard(True, None, await self._answer(tx, arrived, Phrase.HELP, rows, directory))
        await messages.write(tx, arrived.bucket, rows)
        return _Heard(True)

    def _consumed(self, tx: Transaction, arrived: ArrivedText, reason: Reason) -> messages.NewMessage:
        """The command's own metadata: it came, and it went to nobody."""
        return messages.NewMessage(
            id=tx.new_id(arrived.bucket),
            account_id=arrived.account_id,
            kind=MessageKind.RELAY,
            state=State.REFUSED,
            segments=segments(arrived.text).count,
            reason=reason,
        )

    async def _answer(
        self,
        tx: Transaction,
        arrived: ArrivedText,
        phrase: Phrase,
        rows: list[messages.NewMessage],
        directory: Directory,
    ) -> bool:
        """Write the command's row and an answer to its sender; says whether there is one to be sent."""
        if arrived.number_id is None or arrived.sender is None or arrived.party is None:
            await messages.write(tx, arrived.bucket, rows)
            return False
        words = _words(directory.accounts[arrived.account_id], phrase)
        answer = messages.NewMessage(
            id=tx.new_id(arrived.bucket),
            account_id=arrived.account_id,
            kind=MessageKind.STOP_REPLY if phrase is Phrase.STOPPED else MessageKind.NOTICE,
            state=State.QUEUED,
            segments=segments(words).count,
        )
        row = messages.NewOutboxRow(
            message=answer,
            party_index=arrived.party.index,
            number_id=arrived.number_id,
            envelope=self.vault.envelopes.seal(answer.account_id, answer.id, Letter(arrived.sender, words)),
            deadline_at=delivery.deadline(answer.kind, tx.now),
        )
        await messages.write(tx, arrived.bucket, [*rows, answer], [row])
        return True


async def _finish_first(tx: Transaction, arrived: ArrivedText, party: Party) -> _Heard:
    """A repeated webhook: if its fan-out still stands, it is finished before the provider is told that all is well."""
    standing = await suppressions.standing_fanouts(tx, arrived.bucket, party)
    return _Heard(True, standing[-1] if standing else None)


async def _apply(tx: Transaction, bucket: int, changes: Sequence[OptChange], *, with_event: bool) -> None:
    """Change people's rows in one bucket and refuse what waits for them there and is not wanted, or not true, any more."""
    await people.recognise(tx, bucket, [change.party for change in changes])
    news = await suppressions.change_people(tx, bucket, changes, with_event=with_event)
    for change in changes:
        await people.change_superseded(tx, bucket, change.party, change.arrived_at, opted_out=change.opted_out)
    whose = [change.party for change in changes if change.party_index in news]
    if not whose:
        return
    opted_out = changes[0].opted_out
    unsent = await (suppressions.unsent_to if opted_out else suppressions.unsent_confirmations)(tx, bucket, *whose)
    if gone := unwanted(unsent, opted_out=opted_out):
        await suppressions.stop(tx, bucket, gone)


async def _suppress(account_bucket: int, changes: Sequence[OptChange], tx: Transaction) -> None:
    for change in changes:
        await people.recognise_suppression(tx, account_bucket, change.account_id, change.party)
    await suppressions.suppress(tx, account_bucket, *changes)


async def _spread_to(bucket: int, changes: Sequence[OptChange], tx: Transaction) -> None:
    """Where a person's own STOP arrived this is no news any more; another's word about one is, and has its event there."""
    await _apply(tx, bucket, changes, with_event=bucket == bucket_of(changes[0].id))


def _words(account: Account, phrase: Phrase) -> str:
    return say(
        phrase,
        language=account.language,
        own_words=account.notices,
        programme=account.programme,
        contact=account.help_contact,
    )
