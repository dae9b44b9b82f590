"""Sends what waits: through the guarded door, over the socket, back with the outcome.

No transaction is open while a provider is spoken to. What left and what did not is decided by the transport and the
adapter; when that cannot be known the outcome is ambiguous, and nobody sends the text again on a guess.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from relay import logs, metrics
from relay.core import bouncing, delivery
from relay.core.delivery import AmbiguityTimes, Outcome
from relay.core.envelope import Letter
from relay.core.errors import KeyMissing, StorageUnavailable, Tampered
from relay.core.ids import IdKind, public
from relay.core.model import MessageKind, Reason, State
from relay.core.optouts import OptOutSource
from relay.providers.base import Accepted, Adapter, NotSent, OutboundText, Refused
from relay.providers.transport import MayHaveLeft, NothingLeft, TooLate, Transport
from relay.storage import bounces, outbox, suppressions
from relay.storage.coalescer import Coalescer
from relay.storage.configuration import Configuration, Connection, Directory, Number
from relay.storage.database import Database, Transaction
from relay.storage.outbox import Mark, Passed
from relay.storage.suppressions import OptChange
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.sealing import Sealed
from relay.vault.tokens import AttemptToken
from relay.vault.vault import Vault

_TRY_AGAIN_AFTER = 1.0  # seconds
_NOT_LEFT = {Outcome.NOT_SENT, Outcome.NOT_BEGUN}


@dataclass(frozen=True, slots=True)
class Intent:
    """A send that has begun: its attempt is committed, nothing has left yet."""

    passed: Passed
    number: Number
    connection: Connection
    letter: Letter
    begun_at: datetime
    start_by: float  #: monotonic; later than this it must not start any more


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What became of an intent, and what the pace has to learn from it."""

    intent: Intent
    mark: Mark
    throttled_for: float | None = None  #: seconds; None when the provider did not complain about speed


@dataclass(frozen=True, slots=True)
class SendSettings:
    """``public_url`` is where providers reach us; ``base_urls`` replaces a provider's own address (sandbox only)."""

    public_url: str
    base_urls: dict[str, str] = field(default_factory=dict)
    start_within: float = 2.0
    ambiguity: AmbiguityTimes = field(default_factory=AmbiguityTimes)


@dataclass(slots=True)
class Sending:
    """``spread`` carries an opt-out that a provider told us of to every pool."""

    database: Database
    configuration: Configuration
    vault: Vault
    adapters: dict[str, Adapter]
    transport: Transport
    settings: SendSettings
    spread: Callable[[OptChange], Awaitable[None]]
    copies: CarrierCopies
    _marks: Coalescer[Mark, None] = field(init=False)

    def __post_init__(self) -> None:
        self._marks = Coalescer(self._write_marks, alone=lambda mark: mark.message_id)

    async def begin(self, bucket: int, epoch: int, message_ids: Sequence[UUID]) -> list[Intent]:
        """Take texts through the guarded door. Those that may leave come back as intents; the others have ended."""
        directory = await self.configuration.current()  # before the door: what has passed it must not be left behind
        started = time.monotonic()
        passed, now = await self._pass_door(bucket, epoch, message_ids)
        intents: list[Intent] = []
        unreadable: list[Mark] = []
        for one in passed:
            if one.state is not State.SENDING:
                metrics.refusals.labels(one.reason or Reason.UNKNOWN).inc()
                continue
            try:
                intents.append(self._intent(one, directory, now, started))
            except (Tampered, KeyError) as error:
                unreadable.append(self._unreadable(one, now, error))
        if unreadable:
            await self._surely(partial(self.mark, bucket, unreadable))
        return intents

    def _unreadable(self, passed: Passed, now: datetime, error: Exception) -> Mark:
        """What was tampered with is refused. What this process lacks the key or the configuration for has to wait."""
        logs.trouble("unreadable_outbox_row", error, message=public(IdKind.MESSAGE, passed.message_id))
        metrics.alarms.labels("unreadable_outbox_row").inc()
        if isinstance(error, Tampered) and not isinstance(error, KeyMissing):
            return Mark(passed.attempt_id, passed.message_id, Outcome.REFUSED, reason=Reason.UNKNOWN)
        due_at = _next_try(now, passed.attempts)
        return Mark(passed.attempt_id, passed.message_id, Outcome.NOT_SENT, due_at=due_at)

    async def _pass_door(self, bucket: int, epoch: int, message_ids: Sequence[UUID]) -> tuple[list[Passed], datetime]:
        """One try. If its commit may have happened unseen, the attempts are taken back: this process knows that no byte
        has left for them."""
        attempts: dict[UUID, UUID] = {}
        try:
            async with self.database.single() as tx:
                attempts = dict(zip(message_ids, tx.new_ids(bucket, len(message_ids)), strict=True))
                passed, now = await outbox.pass_door(tx, bucket, epoch, attempts), tx.now
        except StorageUnavailable:
            if attempts:
                taken_back = [Mark(attempt, message, Outcome.NOT_BEGUN) for message, attempt in attempts.items()]
                await self.take_back(bucket, taken_back)
            raise
        return passed, now

    async def take_back(self, bucket: int, attempts: Sequence[Mark]) -> None:
        """Queue again, surely, whatever of these was committed: this process knows that none of it has left."""
        await self._surely(partial(self._take_back, bucket, attempts))

    async def _take_back(self, bucket: int, marks: Sequence[Mark]) -> None:
        """Wait first for the commit that was not heard of, if it is still under way: what it writes is not there before."""

        async def work(tx: Transaction) -> dict[UUID, State]:
            await outbox.await_beginnings(tx, bucket)
            return await outbox.mark(tx, bucket, marks)

        await self._queue_after_all(bucket, marks, await self.database.run(work))

    def _intent(self, passed: Passed, directory: Directory, now: datetime, started: float) -> Intent:
        number = directory.numbers[passed.number_id]
        return Intent(
            passed=passed,
            number=number,
            connection=directory.connections[number.connection_id],
            letter=self.vault.envelopes.open(passed.account_id, passed.message_id, passed.envelope),
            begun_at=now,
            start_by=started + self.settings.start_within,
        )

    async def hand_over(self, intent: Intent, *, lease_until: float) -> HandedOver:
        """Speak to the provider. ``lease_until`` (monotonic) is compared directly before the first byte is written."""
        try:
            adapter = self.adapters[intent.connection.provider]
            request = adapter.build_send(*self._addressed(intent, adapter))
        except Exception as error:  # whatever it is, nothing has left
            logs.trouble("send_not_built", error, message=public(IdKind.MESSAGE, intent.passed.message_id))
            return self._handed(intent, Outcome.NOT_SENT)
        started = time.monotonic()
        try:
            with metrics.in_flight.track_inprogress():
                start_by = min(lease_until, intent.start_by)
                outcome = adapter.read_send(await self.transport.send(request, start_by=start_by))
        except TooLate:
            return self._handed(intent, Outcome.NOT_BEGUN)
        except NothingLeft:
            return self._handed(intent, Outcome.NOT_SENT, reason=Reason.PROVIDER_UNAVAILABLE)
        except MayHaveLeft:
            return self._handed(intent, Outcome.AMBIGUOUS)
        finally:
            metrics.send_seconds.observe(time.monotonic() - started)
        if isinstance(outcome, Accepted):
            return self._taken(intent, outcome.provider_id)
        if isinstance(outcome, Refused):
            return self._handed(intent, Outcome.REFUSED, reason=outcome.reason)
        if isinstance(outcome, NotSent):
            throttled = (outcome.retry_after or 0.0) if outcome.throttled else None
            handed = self._handed(intent, Outcome.NOT_SENT, reason=outcome.reason, retry_after=outcome.retry_after)
            return HandedOver(intent, handed.mark, throttled)
        return self._handed(intent, Outcome.AMBIGUOUS)

    def _addressed(self, intent: Intent, adapter: Adapter) -> tuple[dict[str, str], str, OutboundText]:
        connection = intent.connection
        sealed = Sealed(connection.sealed_credentials, connection.key_id)
        credentials = self.vault.credentials.open(connection.account_id, connection.id, sealed)
        token = self.vault.tokens.write(AttemptToken(intent.passed.message_id, intent.passed.attempt_id))
        hooks = f"{self.settings.public_url}/hooks/{public(IdKind.CONNECTION, connection.id)}"
        text = OutboundText(intent.number.e164, intent.letter.phone, intent.letter.text, f"{hooks}/receipts/{token}")
        return dict(credentials), self.settings.base_urls.get(adapter.name, adapter.base_url), text

    def _taken(self, intent: Intent, provider_id: str) -> HandedOver:
        handed = self._handed(intent, Outcome.ACCEPTED)
        copy = self.copies.of(intent.connection, intent.passed.attempt_id, provider_id)
        return replace(handed, mark=replace(handed.mark, copy=copy))

    def _handed(
        self, intent: Intent, outcome: Outcome, *, reason: Reason | None = None, retry_after: float | None = None
    ) -> HandedOver:
        metrics.attempts.labels(intent.connection.provider, outcome).inc()
        due_at = None
        if outcome is Outcome.NOT_SENT:
            due_at = _next_try(intent.begun_at, intent.passed.attempts, retry_after=retry_after)
        elif outcome is Outcome.AMBIGUOUS:
            due_at = self.settings.ambiguity.next_step(intent.begun_at, 0)
        refused = reason if outcome is Outcome.REFUSED else None
        mark = Mark(intent.passed.attempt_id, intent.passed.message_id, outcome, due_at=due_at, reason=refused)
        return HandedOver(intent, mark)

    async def mark(self, bucket: int, marks: Sequence[Mark]) -> None:
        """Write outcomes: they are true whoever owns the bucket by now."""
        await asyncio.gather(*(self._marks.do(bucket, mark) for mark in marks))

    async def _write_marks(self, bucket: int, marks: Sequence[Mark]) -> list[None]:
        moved = await self.database.run(lambda tx: outbox.mark(tx, bucket, marks), single=True)
        await self._queue_after_all(bucket, marks, moved)
        return [None] * len(marks)

    async def _queue_after_all(self, bucket: int, marks: Sequence[Mark], moved: Mapping[UUID, State]) -> None:
        """What has not left and did not move may have been believed ambiguous meanwhile."""
        for mark in marks:
            if mark.outcome in _NOT_LEFT and mark.message_id not in moved:
                await self.database.run(partial(_queue_after_all, bucket, mark))

    async def settle(self, bucket: int, handed: HandedOver) -> None:
        """Write one outcome; an opt-out that the provider told us of goes to every pool."""
        passed = handed.intent.passed
        if handed.mark.reason is not Reason.CARRIER_OPTED_OUT:
            await self.mark(bucket, [handed.mark])
            if passed.kind is MessageKind.NOTICE and bouncing.is_of_the_phone(handed.mark.reason):
                await self.database.run(partial(_count_bounce, bucket, passed.party_index, handed.mark.reason))
            return
        party = self.vault.indexes.of(passed.account_id, handed.intent.letter.phone)

        async def write(tx: Transaction) -> OptChange:
            begun_at = handed.intent.begun_at  # whatever the person has said since then is newer
            ids = tx.new_id(bucket), passed.account_id
            change = OptChange(*ids, party.index, party.key_id, True, begun_at, party.others, OptOutSource.CARRIER)
            await outbox.mark(tx, bucket, [handed.mark])
            await suppressions.begin_fanout(tx, bucket, change)
            return change

        await self.spread(await self.database.run(write))

    async def settle_surely(self, bucket: int, handed: HandedOver) -> None:
        """Settle, again and again while the database is away. Left undone, the send counts as ambiguous later on."""
        await self._surely(partial(self.settle, bucket, handed))

    async def _surely(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                return
            except Exception as error:
                logs.trouble("outcome_not_written", error)
                await asyncio.sleep(_TRY_AGAIN_AFTER)


async def _queue_after_all(bucket: int, mark: Mark, tx: Transaction) -> None:
    await outbox.queue_after_all(tx, bucket, mark)


async def _count_bounce(bucket: int, party_index: bytes, reason: Reason | None, tx: Transaction) -> None:
    """A notice was refused because of the phone that it was for. A hint: it is counted after the refusal itself is stored."""
    for who, before in (await bounces.lock(tx, bucket, [party_index])).items():
        if news := bouncing.after(before, State.REFUSED, reason, tx.now):
            await bounces.write(tx, bucket, who, news)


def _next_try(begun_at: datetime, attempts: int, *, retry_after: float | None = None) -> datetime:
    jitter = random.uniform(-1, 1)  # noqa: S311 - spreads retries, keeps no secret
    return delivery.next_attempt_at(begun_at, attempts, jitter=jitter, retry_after=retry_after)
