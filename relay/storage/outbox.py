"""What still has to leave: what is due, the guarded door, marks and receipts, and the search after ambiguous sends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from relay.core.delivery import MAY_STAND_PARKED, Outcome, states_before
from relay.core.envelope import Envelope
from relay.core.ids import bucket_of, first_id_at
from relay.core.model import MessageKind, Reason, State
from relay.core.redaction import CarrierCopy
from relay.storage import queries
from relay.storage.database import Row, Transaction
from relay.storage.redactions import columns

_SQL = queries.load("outbox")


@dataclass(frozen=True, slots=True)
class Due:
    """The head of a leg that could leave now."""

    message_id: UUID
    number_id: UUID
    segments: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What a look into a bucket's outbox shows.

    ``due``       the oldest text of each number that could leave now, oldest first
    ``heads``     how many heads of legs were looked at for that: as many as were asked for means that there may be more
    ``queued``    how many texts wait at all; counted no further than one more than were asked for
    ``numbers``   the numbers that those will leave from
    ``next_due``  when the first of them is due
    """

    due: Sequence[Due]
    heads: int
    queued: int
    numbers: frozenset[UUID]
    next_due: datetime | None


async def due(tx: Transaction, bucket: int, *, limit: int, waiting_numbers: Collection[UUID]) -> Queue:
    """What could leave now, but for numbers whose pace forbids it. One statement."""
    rows = await tx.fetch(_SQL["due"], bucket, tx.now, limit, list(waiting_numbers))
    found = [Due(r["message_id"], r["number_id"], r["segments"]) for r in rows if r["message_id"]]
    first = rows[0]
    numbers = frozenset(first["numbers"] or ()) | {text.number_id for text in found}
    return Queue(found, first["heads"] or 0, first["queued"], numbers, first["next_due"])


@dataclass(frozen=True, slots=True)
class Spent:
    """A send that began some seconds ago."""

    number_id: UUID
    segments: int
    ago: float


async def begun_lately(tx: Transaction, bucket: int, within: timedelta) -> list[Spent]:
    """What has left which number lately, oldest first, whichever process sent it."""
    oldest = first_id_at(bucket, tx.now - within)
    rows = await tx.fetch(_SQL["begun_lately"], bucket, oldest)
    return [Spent(r["number_id"], r["segments"], (tx.now - r["begun_at"]).total_seconds()) for r in rows]


@dataclass(frozen=True, slots=True)
class Passed:
    """What the door answered for one text: ``sending`` with everything needed to send it, or a state with its reason."""

    message_id: UUID
    state: State
    reason: str | None
    attempts: int
    attempt_id: UUID
    account_id: UUID
    kind: MessageKind
    number_id: UUID
    party_index: bytes
    segments: int
    envelope: Envelope


async def pass_door(tx: Transaction, bucket: int, epoch: int, attempts: Mapping[UUID, UUID]) -> list[Passed]:
    """The guarded door, for messages with the id that each one's attempt shall have. Texts that are not queued any more,
    and all of them without the lease, give nothing back."""
    wanted = sorted(attempts)
    ids = [attempts[message_id] for message_id in wanted]
    rows = await tx.fetch(_SQL["door"], bucket, tx.now, epoch, wanted, ids, tx.new_ids(bucket, len(wanted)))
    return [Passed(**_with_envelope(r), state=State(r["state"]), kind=MessageKind(r["kind"])) for r in rows]


def _with_envelope(row: Row) -> dict[str, Any]:
    """A row's values, with the sealed ones under one name; state and kind are left to whoever knows their lists."""
    sealed = {"sealed_phone", "sealed_text", "transit_id"}
    plain = {name: value for name, value in row.items() if name not in sealed | {"state", "kind"}}
    return {**plain, "envelope": Envelope(row["sealed_phone"], row["sealed_text"], row["transit_id"])}


@dataclass(frozen=True, slots=True)
class Mark:
    """What became of an attempt. ``due_at``: when to try or to look again; None = now. ``copy``: what the provider is to delete
    later, of one that it accepted."""

    attempt_id: UUID
    message_id: UUID
    outcome: Outcome
    due_at: datetime | None = None
    reason: Reason | None = None
    copy: CarrierCopy | None = None


async def await_beginnings(tx: Transaction, bucket: int) -> None:
    """Wait for every transaction that is beginning sends in this bucket, and let no other begin until this one ends."""
    await tx.fetch(_SQL["lock_lease"], bucket)


async def mark(tx: Transaction, bucket: int, marks: Sequence[Mark]) -> dict[UUID, State]:
    """Write outcomes. Returns the messages that moved, with their new state."""
    rows = await tx.fetch(
        _SQL["mark"],
        bucket,
        tx.now,
        [m.attempt_id for m in marks],
        [m.message_id for m in marks],
        [m.outcome for m in marks],
        [m.reason for m in marks],
        [m.due_at for m in marks],
        tx.new_ids(bucket, len(marks)),
        states_before(State.ACCEPTED),
        states_before(State.REFUSED),
        *columns([m.copy for m in marks if m.copy], tx.now),
    )
    return {row["id"]: State(row["state"]) for row in rows}


async def queue_after_all(tx: Transaction, bucket: int, mark: Mark) -> None:
    """Queue a text again that was believed ambiguous and surely has not left, if nothing of its leg can overtake it."""
    status = await tx.fetchval(_SQL["lock_its_session"], bucket, mark.message_id)
    due_at = mark.due_at if mark.due_at and status in (None, "open") else tx.now
    args = (bucket, tx.now, mark.message_id, mark.attempt_id, mark.outcome, due_at)
    await tx.execute(_SQL["queue_after_all"], *args)


@dataclass(frozen=True, slots=True)
class ReceiptOf:
    """A provider's word on an attempt: ``accepted``, ``delivered`` or ``undelivered``."""

    message_id: UUID
    attempt_id: UUID
    word: State
    reason: Reason | None = None
    copy: CarrierCopy | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """Where a receipt has moved a message, and what kind of message that is."""

    state: State
    kind: MessageKind


async def write_receipts(tx: Transaction, bucket: int, receipts: Sequence[ReceiptOf]) -> dict[UUID, Moved]:
    """Write receipts, one per message. Returns the messages that moved; what is no news moves nothing."""
    rows = await tx.fetch(
        _SQL["receipt"],
        bucket,
        tx.now,
        [r.message_id for r in receipts],
        [r.attempt_id for r in receipts],
        [r.word for r in receipts],
        [r.reason for r in receipts],
        tx.new_ids(bucket, len(receipts)),
        states_before(State.ACCEPTED),
        states_before(State.DELIVERED),
        *columns([r.copy for r in receipts if r.copy], tx.now),
    )
    return {row["id"]: Moved(State(row["state"]), MessageKind(row["kind"])) for row in rows}


async def abandoned(
    tx: Transaction, bucket: int, *, epoch: int, begun_before: datetime, limit: int
) -> list[tuple[UUID, UUID]]:
    """Sends that nobody will answer for any more: (message, attempt)."""
    rows = await tx.fetch(_SQL["abandoned"], bucket, epoch, begun_before, limit)
    return [(row["message_id"], row["attempt_id"]) for row in rows]


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An ambiguous send whose fate is to be looked for."""

    message_id: UUID
    account_id: UUID
    number_id: UUID
    asked: int
    envelope: Envelope
    attempt_id: UUID
    begun_at: datetime
    ended_at: datetime


async def unresolved(tx: Transaction, bucket: int, *, limit: int) -> list[Unresolved]:
    return [Unresolved(**_with_envelope(row)) for row in await tx.fetch(_SQL["unresolved"], bucket, tx.now, limit)]


async def rivals(tx: Transaction, message_id: UUID, attempt_id: UUID) -> int:
    """How many other sends to the same person at about the same time the provider has or may have accepted.

    Any of them may have said the same, so that finding the text proves something only when it is found more often.
    """
    count: int = await tx.fetchval(_SQL["rivals"], bucket_of(message_id), message_id, attempt_id)
    return count


async def asked(tx: Transaction, found: Unresolved, next_look: datetime) -> None:
    """The provider did not know yet; look again later."""
    await tx.execute(_SQL["asked"], bucket_of(found.message_id), found.message_id, found.asked, next_look)


async def its_session_is_open(tx: Transaction, message_id: UUID) -> bool:
    """Lock the message's session for share: is it open, with the recipient still in it? A text without a session counts as one
    whose session is closed."""
    status = await tx.fetchval(_SQL["lock_for_parking"], bucket_of(message_id), message_id)
    if status != "open":
        return False
    return bool(await tx.fetchval(_SQL["its_recipient"], bucket_of(message_id), message_id) == "live")


async def park_ambiguous(
    tx: Transaction, message_id: UUID, attempt_id: UUID, *, deadline: datetime, keep_text: bool
) -> bool:
    """Give up looking for the fate of an attempt; False when that is known by now, or another attempt has begun."""
    bucket = bucket_of(message_id)
    args = (bucket, tx.now, message_id, attempt_id, tx.new_id(bucket), deadline, keep_text)
    return await tx.fetchval(_SQL["park"], *args) is not None


async def send_again(tx: Transaction, message_id: UUID, attempt_id: UUID) -> None:
    """Queue a text once more whose attempt nobody could explain; nothing, where ``park_ambiguous`` would say False."""
    await tx.execute(_SQL["send_again"], bucket_of(message_id), tx.now, message_id, attempt_id)


async def overdue(tx: Transaction, bucket: int, *, limit: int) -> list[UUID]:
    return [row["message_id"] for row in await tx.fetch(_SQL["overdue"], bucket, tx.now, limit)]


async def parked_too_long(tx: Transaction, bucket: int, *, limit: int) -> list[UUID]:
    """Messages that nobody has decided about, with or without their text."""
    rows = await tx.fetch(_SQL["parked_too_long"], bucket, tx.now - MAY_STAND_PARKED, limit)
    return [row["id"] for row in rows]


async def expire(tx: Transaction, bucket: int, message_ids: Sequence[UUID]) -> int:
    """Give up what is worth nothing any more; says how many went."""
    wanted = sorted(message_ids)
    events = tx.new_ids(bucket, len(wanted))
    rows = await tx.fetch(_SQL["expire"], bucket, tx.now, wanted, events, states_before(State.EXPIRED))
    return len(rows)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many rows wait in a phase, and since when the oldest does."""

    phase: str
    rows: int
    oldest: datetime


async def depth(tx: Transaction, bucket: int) -> list[Depth]:
    return [Depth(**row) for row in await tx.fetch(_SQL["depth"], bucket)]
