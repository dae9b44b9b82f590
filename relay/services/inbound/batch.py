"""One transaction's work on texts of one bucket: recognise, lock, route, write.

Rules are in ``core.routing``; this module brings it facts that cannot change before the transaction ends, and writes what
it decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from uuid import UUID

from relay import logs, metrics
from relay.core import delivery, routing
from relay.core.arrival import ArrivedText
from relay.core.caps import Allowance
from relay.core.envelope import Letter
from relay.core.errors import KeyMissing, Tampered
from relay.core.ids import IdKind, public
from relay.core.loops import LegLimits
from relay.core.model import MessageKind, Reason, State
from relay.core.routing import Conversation, Facts, Forward, Refuse, over_cap, route, unreadable
from relay.core.segments import segments
from relay.services.inbound.answers import Answer, Answers
from relay.services.inbound.departures import Departures
from relay.services.inbound.recent import Recent
from relay.services.inbound.suspects import Said, Suspects
from relay.storage import caps, hook_calls, hooks, inbox, messages, people
from relay.storage.configuration import Directory
from relay.storage.database import Transaction
from relay.storage.inbox import InboxKey, LockedSession, SeatedPerson
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault


class Taken(StrEnum):
    """What became of an inbound text, for the metrics."""

    FORWARDED = "forwarded"
    REFUSED = "refused"
    DUPLICATE = "duplicate"
    COMMAND = "command"


class Batch:
    """One transaction's work on texts of one bucket."""

    def __init__(
        self,
        tx: Transaction,
        bucket: int,
        directory: Directory,
        vault: Vault,
        copies: CarrierCopies,
        departures: Departures,
        recent: Recent | None = None,
    ) -> None:
        self._tx = tx
        self._bucket = bucket
        self._directory = directory
        self._vault = vault
        self._copies = copies
        self._departures = departures
        self._suspects = Suspects(recent or Recent(LegLimits()))
        self._allowance = Allowance()
        self._answers = Answers(directory.accounts)
        self._awaited: set[UUID] = set()  #: participants to whom something is on its way or waits
        self._sessions: dict[UUID, LockedSession] = {}
        self._seats: dict[UUID, SeatedPerson] = {}
        self._bound: dict[tuple[UUID, bytes], SeatedPerson] = {}  #: who holds the binding of a number and a person
        self._there: dict[UUID, list[SeatedPerson]] = {}  #: by session
        self._messages: list[messages.NewMessage] = []
        self._outbox: list[messages.NewOutboxRow] = []
        self._to_ask: list[UUID] = []  #: texts that leave only when their pool's hook has allowed it
        self._calls: dict[UUID, ArrivedText] = {}  #: refused texts that their pool's hook is to be asked about

    async def take(self, texts: Sequence[ArrivedText]) -> tuple[list[Taken], bool]:
        """Returns what became of each text, and whether anything waits to be sent."""
        self._departures.begin()
        await people.recognise(self._tx, self._bucket, [text.party for text in texts if text.party])
        recorded = await inbox.record(self._tx, self._bucket, [self._key(text) for text in texts])
        unseen = set(recorded.new)
        results: list[Taken] = []
        fresh: list[ArrivedText] = []
        for text in texts:
            if text.key in unseen:
                unseen.discard(text.key)
                fresh.append(text)
            results.append(Taken.DUPLICATE)
        _alarm_about_altered(texts, recorded.altered)
        if not fresh:
            return results, False
        await self._lock(fresh)
        accounts = [self._directory.accounts[account_id] for account_id in {text.account_id for text in fresh}]
        self._allowance = await caps.allowance(self._tx, self._bucket, accounts)
        decided = {text.key: self._decide(text) for text in fresh}
        for answer in await self._answers.claim(self._tx, self._bucket):
            self._answer(answer)
        waiting = await self._write()
        waiting = await self._call() or waiting
        first = {text.key: i for i, text in reversed(list(enumerate(texts)))}
        for key, taken in decided.items():
            results[first[key]] = taken
        return results, waiting

    def _key(self, text: ArrivedText) -> InboxKey:
        connection = self._directory.connections[text.connection_id]
        return InboxKey.of(text, self._copies.of(connection, self._tx.new_id(self._bucket), text.provider_id))

    async def _write(self) -> bool:
        """Write everything; says whether something waits to be sent."""
        legs, epoch = self._legs(), self._departures.epoch
        held = await messages.write(self._tx, self._bucket, self._messages, self._outbox, legs, epoch=epoch)
        await caps.count(self._tx, self._bucket, self._allowance)
        if self._to_ask:
            await hooks.ask_first(self._tx, self._bucket, self._to_ask)
        if not held:
            self._departures.stay()
        parked = await self._suspects.park(self._tx, self._bucket)
        waiting = (row.message for row in self._outbox if not held or row.message.attempt_id is None)
        return any(message.id not in parked for message in waiting)

    async def _call(self) -> bool:
        """Keep what a hook is to be asked about; says whether there is anything."""
        called = False
        for call_id, text in self._calls.items():
            if text.number_id is None or text.party is None or text.sender is None:
                continue
            if await hook_calls.claim(self._tx, self._bucket, text.number_id, text.party.index):
                envelope = self._vault.envelopes.seal(text.account_id, call_id, Letter(text.sender, text.text))
                await hook_calls.add(self._tx, call_id, text.account_id, text.number_id, envelope)
                called = True
        return called

    async def _lock(self, texts: Sequence[ArrivedText]) -> None:
        """Lock sessions, then read who is in them. A pair without a seat is looked up once more: its binding may have
        passed to a new session of the same two people while the locks were waited for."""
        missing = [(t.number_id, t.party.index) for t in texts if t.number_id and t.party and not t.from_own_number]
        for _ in range(2):
            if not missing:
                return
            locked = await inbox.lock_sessions(self._tx, self._bucket, missing)
            self._sessions |= {s.id: s for s in locked if s.id not in self._sessions}
            self._take_seats(await inbox.people(self._tx, self._bucket, [s.id for s in locked]))
            missing = [pair for pair in missing if pair not in self._bound]

    def _take_seats(self, seated: Sequence[SeatedPerson]) -> None:
        """Remember everybody of some sessions, in place of what was known of them."""
        self._there |= {seat.session_id: [] for seat in seated}
        for seat in seated:
            who = seat.participant
            self._there[seat.session_id].append(seat)
            self._seats[who.id] = seat
            if seat.awaits:
                self._awaited.add(who.id)
            if seat.bound:
                self._bound[who.number_id, who.party_index] = seat

    def _decide(self, text: ArrivedText) -> Taken:
        if text.number_id is None:
            decision: Forward | Refuse = Refuse(Reason.UNKNOWN_NUMBER)
        else:
            decision = route(self._facts(text))
        if isinstance(decision, Forward):
            if (phone := self._phone_of(text.account_id, decision)) is None:
                decision = unreadable(decision)
            elif not self._allowance.take(text.account_id):
                decision = over_cap(decision)
            else:
                self._answers.note(text, decision)
                self._forward(text, decision, phone)
                return Taken.FORWARDED
        self._answers.note(text, decision)
        self._refuse(text, decision)
        return Taken.REFUSED

    def _facts(self, text: ArrivedText) -> Facts:
        seat = self._bound.get((text.number_id, text.party.index)) if text.party and text.number_id else None
        conversation = None
        if seat is not None:
            session = self._sessions[seat.session_id]
            there = tuple(s.participant for s in self._there[session.id])
            conversation = Conversation(session.id, session.open, session.lifetime, seat.participant.id, there)
        return Facts(
            at=self._tx.now,
            has_text=bool(text.text.strip()),
            media=text.media,
            from_person=text.party is not None,
            from_own_number=text.from_own_number,
            conversation=conversation,
        )

    def _refuse(self, text: ArrivedText, decision: Refuse) -> None:
        metrics.refusals.labels(decision.reason).inc()
        message_id = self._tx.new_id(self._bucket)
        if (
            decision.reason is Reason.NO_SESSION
            and text.number_id in self._directory.answered_for
            and text.text.strip()
        ):
            self._calls[message_id] = text
        self._messages.append(
            messages.NewMessage(
                id=message_id,
                account_id=text.account_id,
                kind=MessageKind.RELAY,
                state=State.REFUSED,
                segments=segments(text.text).count,
                session_id=decision.session_id,
                sender_id=decision.sender.id if decision.sender else None,
                reason=decision.reason,
            )
        )

    def _forward(self, text: ArrivedText, decision: Forward, phone: str) -> None:
        session = self._sessions[decision.session_id]
        session.last_leg_no += 1
        session.lifetime = replace(session.lifetime, idle_at=None)  # a text was said: nothing in this batch is idle
        letter, message_id = Letter(phone, text.text), self._tx.new_id(self._bucket)
        said = Said(
            message_id,
            session.id,
            decision.sender.party_index,
            decision.recipient,
            session.last_leg_no,
            text.imprint.fingerprint,
        )
        is_suspect = self._suspects.look_at(said, self._tx.now)
        asks = decision.recipient.number_id in self._directory.intercepted
        at_once = not asks and self._may_leave(decision.recipient, is_suspect=is_suspect)
        message = messages.NewMessage(
            id=message_id,
            account_id=text.account_id,
            kind=MessageKind.RELAY,
            state=State.QUEUED,
            segments=segments(text.text).count,
            session_id=decision.session_id,
            sender_id=decision.sender.id,
            recipient_id=decision.recipient.id,
            leg_no=session.last_leg_no,
            attempt_id=self._tx.new_id(self._bucket) if at_once else None,
        )
        row = self._enqueue(message, decision.recipient, letter)
        if asks:
            self._to_ask.append(message.id)
        if at_once:
            self._departures.add(row, letter, self._tx.now)

    def _may_leave(self, to: routing.Participant, *, is_suspect: bool) -> bool:
        """Take a place for a text that nothing of its leg is ahead of, and that need not be counted first."""
        if to.id in self._awaited:
            return False
        self._awaited.add(to.id)
        return not is_suspect and self._departures.reserve(to.number_id)

    def _phone_of(self, account_id: UUID, decision: Forward) -> str | None:
        """None where somebody has tampered with it. Raises KeyMissing: then nothing of the batch is taken here."""
        seat = self._seats[decision.recipient.id]
        if seat.sealed_phone is None or seat.epoch_id is None:
            raise ValueError("only a live participant has a phone")
        try:
            sealed = Sealed(seat.sealed_phone, seat.epoch_id)
            return self._vault.envelopes.open_phone(account_id, decision.recipient.id, sealed)
        except KeyMissing:
            raise
        except Tampered as error:
            metrics.alarms.labels("unreadable_phone").inc()
            logs.trouble("unreadable_phone", error, session=public(IdKind.SESSION, decision.session_id))
            return None

    def _enqueue(self, message: messages.NewMessage, to: routing.Participant, letter: Letter) -> messages.NewOutboxRow:
        row = messages.NewOutboxRow(
            message=message,
            party_index=to.party_index,
            number_id=to.number_id,
            envelope=self._vault.envelopes.seal(message.account_id, message.id, letter),
            deadline_at=delivery.deadline(message.kind, self._tx.now),
        )
        self._messages.append(message)
        self._outbox.append(row)
        return row

    def _answer(self, answer: Answer) -> None:
        message = messages.NewMessage(
            id=self._tx.new_id(self._bucket),
            account_id=answer.account_id,
            kind=MessageKind.NOTICE,
            state=State.QUEUED,
            segments=segments(answer.words).count,
            session_id=answer.session_id,
            recipient_id=answer.to.id,
        )
        if self._allowance.take(answer.account_id):
            self._enqueue(message, answer.to, Letter(answer.phone, answer.words))
        else:
            self._messages.append(message.over_cap())

    def _legs(self) -> dict[UUID, int]:
        """The sessions in which something was forwarded, with the last place given."""
        touched = {m.session_id for m in self._messages if m.leg_no is not None and m.session_id}
        return {session_id: self._sessions[session_id].last_leg_no for session_id in sorted(touched)}


def _alarm_about_altered(texts: Sequence[ArrivedText], altered: frozenset[tuple[bytes, bytes]]) -> None:
    for text in texts:
        if (text.key, text.imprint.fingerprint) in altered:
            metrics.alarms.labels("altered_duplicate").inc()
            logs.note("altered_duplicate", level="warning", connection=public(IdKind.CONNECTION, text.connection_id))
