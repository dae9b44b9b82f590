"""Messages as a marketplace sees them: its own texts to one person, metadata, and what to do about parked ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay import logs, metrics
from relay.core import delivery
from relay.core.envelope import Letter
from relay.core.errors import Conflict, InvalidInput, KeyMissing, NotFound, Problem, Tampered
from relay.core.ids import IdKind, Seed, bucket_of, public
from relay.core.model import MessageKind, Reason, State
from relay.core.phone import time_zones
from relay.core.scheduling import Quiet, leaves_at
from relay.core.segments import segments
from relay.storage import caps, messages, scheduling, sessions
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction
from relay.storage.messages import NewMessage, NewOutboxRow, StoredMessage
from relay.storage.sessions import HeldSession, Recipient
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class TextWanted:
    """A text from the platform to one person of a session. ``send_at`` None = at once, or when quiet hours are over."""

    session_id: UUID
    recipient_id: UUID
    text: str = field(repr=False)
    send_at: datetime | None = None
    respects_quiet_hours: bool = False


@dataclass(frozen=True, slots=True)
class Texts:
    """``queued`` hears of buckets with new work."""

    database: Database
    vault: Vault
    queued: Callable[[int], Awaitable[None]]

    async def send(self, account: Account, wanted: TextWanted, seed: Seed) -> StoredMessage:
        """Queue a text from the platform; the same seed again gives the same message.

        Raises NotFound for the session, InvalidInput for the recipient and for ``send_at``, Conflict ``session_closed``,
        ``participant_opted_out``, ``phone_unreadable`` and ``daily_cap_reached``.
        """
        message_id = seed.id_in(bucket_of(wanted.session_id))

        async def work(tx: Transaction) -> StoredMessage:
            bucket = bucket_of(wanted.session_id)
            session = await sessions.lock(tx, bucket, account.id, wanted.session_id)
            if session is None:
                raise NotFound
            known = await messages.read(tx, account.id, message_id)
            if known is None:
                if session.status != "open" or tx.now >= session.expires_at:
                    raise Conflict("the session is closed", code="session_closed")
                await self._queue(tx, account, wanted, message_id, session)
                known = await messages.read(tx, account.id, message_id)
            if known is None:
                raise NotFound
            return known

        message = await self.database.run(work)
        await self.queued(bucket_of(message_id))
        return message

    async def _queue(
        self, tx: Transaction, account: Account, wanted: TextWanted, message_id: UUID, session: HeldSession
    ) -> None:
        """Queue it in its leg; one for later goes beside it, and gets its place when it is due."""
        bucket = bucket_of(wanted.session_id)
        to = await sessions.recipient(tx, bucket, wanted.session_id, wanted.recipient_id)
        if to is None:
            raise InvalidInput(Problem("to", "unknown_participant", "must be a participant of this session"))
        if to.opted_out:
            raise Conflict("this participant has opted out of texts", code="participant_opted_out")
        letter = Letter(self._phone_of(account, to, message_id), wanted.text)
        send_at = _send_at(tx, account, wanted, letter.phone, session)
        leg_no = session.last_leg_no + 1
        message = NewMessage(
            id=message_id,
            account_id=account.id,
            kind=MessageKind.PLATFORM,
            state=State.QUEUED,
            segments=segments(wanted.text).count,
            session_id=wanted.session_id,
            recipient_id=to.id,
            leg_no=None if send_at else leg_no,
        )
        row = NewOutboxRow(
            message=message,
            party_index=to.party_index,
            number_id=to.number_id,
            envelope=self.vault.envelopes.seal(account.id, message_id, letter),
            deadline_at=delivery.deadline(message.kind, send_at or tx.now),
        )
        if send_at:
            await scheduling.write(tx, bucket, row, send_at=send_at)
            return
        allowance = await caps.allowance(tx, bucket, [account])
        allowance.take_or_refuse(account.id, tx.now)
        await messages.write(tx, bucket, [message], [row], {wanted.session_id: leg_no})
        await caps.count(tx, bucket, allowance)

    def _phone_of(self, account: Account, to: Recipient, message_id: UUID) -> str:
        try:
            return self.vault.envelopes.open_phone(account.id, to.id, Sealed(to.sealed_phone, to.epoch_id))
        except KeyMissing:
            raise
        except Tampered as error:
            metrics.alarms.labels("unreadable_phone").inc()
            logs.trouble("unreadable_phone", error, message=public(IdKind.MESSAGE, message_id))
            raise Conflict("this participant's phone cannot be read any more", code="phone_unreadable") from None

    async def read(self, account: Account, message_id: UUID) -> StoredMessage:
        """A message's metadata. Raises NotFound."""
        async with self.database.transaction() as tx:
            found = await messages.read(tx, account.id, message_id)
        if found is None:
            raise NotFound
        return found

    async def of_session(
        self, account: Account, session_id: UUID, *, limit: int, before: UUID | None
    ) -> Sequence[StoredMessage]:
        """A session's messages, newest first. Raises NotFound."""
        async with self.database.transaction() as tx:
            if not await sessions.read(tx, bucket_of(session_id), account.id, [session_id]):
                raise NotFound
            return await messages.of_session(tx, session_id, limit=limit, before=before)

    async def retry(self, account: Account, message_id: UUID, seed: Seed) -> StoredMessage:
        """Send a parked text after all; the same seed again changes nothing.

        Raises NotFound, Conflict ``session_closed`` and ``not_parked``.
        """
        event_id = seed.id_in(bucket_of(message_id))

        async def work(tx: Transaction) -> None:
            if await messages.lock_its_session(tx, account.id, message_id) == "closed":
                raise Conflict("the session is closed: its texts are gone", code="session_closed")
            deadline = delivery.deadline(MessageKind.PLATFORM, tx.now)
            if not await messages.retry(tx, message_id, event_id, deadline=deadline):
                raise Conflict("this message is not parked, or its text is gone", code="not_parked")

        await self.read(account, message_id)
        await self.database.run(work)
        await self.queued(bucket_of(message_id))
        return await self.read(account, message_id)

    async def discard(self, account: Account, message_id: UUID, seed: Seed) -> StoredMessage:
        """Give a parked text up; the same seed again changes nothing. Raises NotFound, Conflict ``not_parked``."""
        event_id = seed.id_in(bucket_of(message_id))

        async def work(tx: Transaction) -> None:
            await messages.lock_its_session(tx, account.id, message_id)
            if not await messages.discard(tx, message_id, event_id, Reason.BLOCKED_BY_RULE):
                raise Conflict("this message is not parked", code="not_parked")

        await self.read(account, message_id)
        await self.database.run(work)
        return await self.read(account, message_id)


def _send_at(
    tx: Transaction, account: Account, wanted: TextWanted, phone: str, session: HeldSession
) -> datetime | None:
    """When it shall leave; None = at once. Where somebody is, their phone tells."""
    quiet = Quiet(account.quiet_hours, time_zones(phone)) if wanted.respects_quiet_hours else None
    return leaves_at(tx.now, wanted.send_at, expires_at=session.expires_at, quiet=quiet)
