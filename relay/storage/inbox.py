"""Taking texts in: what was seen before, whose session it is, who is in it; all under the locks that keep it true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Self
from uuid import UUID

from relay.core.arrival import ArrivedText, Imprint
from relay.core.lifetime import Lifetime
from relay.core.redaction import CarrierCopy
from relay.core.routing import Participant
from relay.storage import queries
from relay.storage.database import Row, Transaction
from relay.storage.people import agree
from relay.storage.redactions import columns

_SQL = queries.load("inbox")
ANSWER_AT_MOST_EVERY = timedelta(hours=24)

_Identity = tuple[UUID, int, bytes]


class InboxKind(IntEnum):
    """What a provider told us about. Part of the key that recognises a repetition."""

    TEXT = 1


@dataclass(frozen=True, slots=True)
class InboxKey:
    """What recognises one provider event: keyed hashes of the provider's id and of the body."""

    connection_id: UUID
    kind: InboxKind
    imprint: Imprint
    others: tuple[Imprint, ...] = ()  #: the same under the keyring's other keys
    copy: CarrierCopy | None = None  #: what the provider is to delete of it later

    @classmethod
    def of(cls, text: ArrivedText, copy: CarrierCopy | None = None) -> Self:
        return cls(text.connection_id, InboxKind.TEXT, text.imprint, text.other_imprints, copy)

    @property
    def key(self) -> bytes:
        return self.imprint.key

    @property
    def fingerprint(self) -> bytes:
        return self.imprint.fingerprint

    @property
    def identity(self) -> _Identity:
        return self.connection_id, self.kind, self.key

    @property
    def name(self) -> bytes:
        """What everybody who has the keyring calls this event, whatever key they use now."""
        return min((self.imprint, *self.others), key=lambda imprint: imprint.key_id).key

    def under(self, other: Imprint) -> Self:
        """The same event as another key has it."""
        return replace(self, imprint=other, others=())


@dataclass(frozen=True, slots=True)
class Recorded:
    """Which keys are new, and which (key, fingerprint) came with another body than the first time."""

    new: frozenset[bytes]
    altered: frozenset[tuple[bytes, bytes]]


async def record(tx: Transaction, bucket: int, keys: Sequence[InboxKey]) -> Recorded:
    """Record keys, with what of each the provider is to delete. A key that repeats within the batch is new once."""
    await agree(tx, bucket, (k.name for k in keys if k.others))
    unique = {k.identity: k for k in reversed(keys)}
    listed = list(unique.values())
    extra = [k.fingerprint for k in listed], [k.imprint.key_id for k in listed]
    copied = [(k.key, k.copy) for k in listed if k.copy]
    copies = [key for key, _ in copied], *columns([copy for _, copy in copied], tx.now)[:-1]  # this was its last word
    rows = await tx.fetch(_SQL["keys"], bucket, tx.now, *_columns(listed), *extra, *copies)
    new = {(r["connection_id"], r["kind"], r["key"]) for r in rows}
    first = {identity: unique[identity].fingerprint for identity in new}
    if old := [k for identity, k in unique.items() if identity not in new]:
        first |= await _seen(tx, bucket, old)
    before = await _seen_before(tx, bucket, [unique[identity] for identity in new if unique[identity].others])
    first |= before
    altered = {(k.key, k.fingerprint) for k in keys if first.get(k.identity) != k.fingerprint}
    return Recorded(frozenset(key for _, _, key in new - before.keys()), frozenset(altered))


async def _seen(tx: Transaction, bucket: int, keys: Sequence[InboxKey]) -> dict[_Identity, bytes]:
    """The fingerprints of those that were recorded before."""
    rows = await tx.fetch(_SQL["seen"], bucket, *_columns(keys))
    return {(r["connection_id"], r["kind"], r["key"]): r["fingerprint"] for r in rows}


async def _seen_before(tx: Transaction, bucket: int, keys: Sequence[InboxKey]) -> dict[_Identity, bytes]:
    """Those that were recorded under another key; with their own fingerprint where the other key's said the same."""
    asked = [(key, other, key.under(other)) for key in keys for other in key.others]
    if not asked:
        return {}
    seen = await _seen(tx, bucket, [under for _, _, under in asked])
    return {
        key.identity: key.fingerprint if seen[under.identity] == other.fingerprint else seen[under.identity]
        for key, other, under in asked
        if under.identity in seen
    }


async def is_known(tx: Transaction, bucket: int, key: InboxKey) -> bool:
    """Was this recorded in that bucket before?"""
    return bool(await tx.fetch(_SQL["seen"], bucket, *_columns([key, *(key.under(other) for other in key.others)])))


def _columns(keys: Sequence[InboxKey]) -> tuple[list[UUID], list[int], list[bytes]]:
    return [k.connection_id for k in keys], [int(k.kind) for k in keys], [k.key for k in keys]


@dataclass(slots=True)
class LockedSession:
    """A session that is held until the transaction ends. ``last_leg_no`` counts up while texts are added."""

    id: UUID
    account_id: UUID
    open: bool
    lifetime: Lifetime
    last_leg_no: int


@dataclass(frozen=True, slots=True)
class SeatedPerson:
    """A participant as stored: what routing decides on, and the sealed phone that it never sees."""

    participant: Participant
    session_id: UUID
    bound: bool  #: is this participant the one who holds the binding of their number now?
    awaits: bool  #: is anything on its way to them, or waiting to be?
    sealed_phone: bytes | None = field(repr=False)
    epoch_id: int | None


async def lock_sessions(tx: Transaction, bucket: int, parties: Sequence[tuple[UUID, bytes]]) -> list[LockedSession]:
    """Lock the sessions whose bindings join these (number, party index) pairs."""
    rows = await tx.fetch(_SQL["lock_sessions"], bucket, [n for n, _ in parties], [p for _, p in parties])
    return [_session(row) for row in rows]


def _session(row: Row) -> LockedSession:
    lifetime = Lifetime(row["expires_at"], row["idle_at"])
    return LockedSession(row["id"], row["account_id"], row["status"] == "open", lifetime, row["last_leg_no"])


async def people(tx: Transaction, bucket: int, session_ids: Sequence[UUID]) -> list[SeatedPerson]:
    """Everybody who is or was in these locked sessions; their persons are locked for share."""
    return [_seated(row) for row in await tx.fetch(_SQL["people"], bucket, sorted(session_ids))]


def _seated(row: Row) -> SeatedPerson:
    participant = Participant(
        id=row["id"],
        live=row["status"] == "live",
        number_id=row["number_id"],
        party_index=row["party_index"],
        opted_out=row["opted_out"],
    )
    return SeatedPerson(
        participant, row["session_id"], row["bound"], row["awaits"], row["sealed_phone"], row["epoch_id"]
    )


async def claim_answers(
    tx: Transaction,
    bucket: int,
    wanted: Sequence[tuple[UUID, bytes, str]],
    *,
    every: timedelta = ANSWER_AT_MOST_EVERY,
) -> set[tuple[UUID, bytes, str]]:
    """Which of these (number, party index, kind) may be answered now: each at most once in 24 hours, or in another time."""
    unique = sorted(set(wanted))
    if not unique:
        return set()
    columns: Mapping[int, list[object]] = {i: [w[i] for w in unique] for i in range(3)}
    before = tx.now - every
    rows = await tx.fetch(_SQL["claim_answers"], bucket, tx.now, before, columns[0], columns[1], columns[2])
    return {(r["number_id"], r["party_index"], r["kind"]) for r in rows}


def answered_before(now: datetime) -> datetime:
    """Answers older than this forbid nothing any more."""
    return now - ANSWER_AT_MOST_EVERY
