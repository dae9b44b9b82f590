"""Hooks of pools, and the texts that wait for what one says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay.core.delivery import MAY_STAND_PARKED
from relay.core.envelope import Envelope
from relay.core.hooks import Asked, HookKind, OnTimeout, Verdict
from relay.core.ids import bucket_of
from relay.storage import outbox, queries
from relay.storage.database import Row, Transaction

_SQL = queries.load("hooks")
_BUMP = queries.load("configuration")["bump"]


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that is asked about texts of a pool, sealed with its secret. ``timeout`` in seconds."""

    id: UUID
    account_id: UUID
    pool_id: UUID
    kind: HookKind
    timeout: int
    on_timeout: OnTimeout
    sealed_settings: bytes = field(repr=False)
    key_id: int
    created_at: datetime


def hook_from(row: Row) -> Hook:
    """A hook from a row with all its columns."""
    values = dict(row)
    values["kind"], values["on_timeout"] = HookKind(values["kind"]), OnTimeout(values["on_timeout"])
    return Hook(**values)


async def all_hooks(tx: Transaction) -> list[Hook]:
    return [hook_from(row) for row in await tx.fetch(_SQL["all"])]


async def lock(tx: Transaction, pool_id: UUID, kind: HookKind) -> Hook | None:
    """A pool's hook as it is now, kept from changing."""
    row = await tx.fetchrow(_SQL["lock"], pool_id, kind)
    return hook_from(row) if row else None


async def store(tx: Transaction, hook: Hook) -> None:
    """Store a hook, in place of the pool's one of that kind."""
    await tx.execute(
        _SQL["set"],
        hook.id,
        hook.account_id,
        hook.pool_id,
        hook.kind,
        hook.timeout,
        hook.on_timeout,
        hook.sealed_settings,
        hook.key_id,
        hook.created_at,
    )
    await tx.execute(_BUMP)


async def remove(tx: Transaction, pool_id: UUID, kind: HookKind) -> None:
    await tx.execute(_SQL["remove"], pool_id, kind)
    await tx.execute(_BUMP)


async def ask_first(tx: Transaction, bucket: int, message_ids: Sequence[UUID]) -> None:
    """Keep texts that were just written from leaving before somebody has been asked."""
    await tx.execute(_SQL["ask_first"], bucket, tx.now, list(message_ids))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A text that somebody is to be asked about now."""

    asked: Asked
    account_id: UUID
    number_id: UUID
    envelope: Envelope
    now: datetime


async def due(
    tx: Transaction, bucket: int, *, limit: int, without: Collection[UUID], asking: Collection[UUID]
) -> list[Waiting]:
    """The first of each leg that somebody is to be asked about, oldest first; none of the numbers ``without``, nor the messages
    that are being asked about."""
    rows = await tx.fetch(_SQL["due"], bucket, tx.now, limit, list(without), list(asking))
    return [
        Waiting(
            Asked(r["message_id"], r["session_id"], r["from_participant"], r["to_participant"]),
            r["account_id"],
            r["number_id"],
            Envelope(r["sealed_phone"], r["sealed_text"], r["transit_id"]),
            tx.now,
        )
        for r in rows
    ]


async def decide(tx: Transaction, message_id: UUID, verdict: Verdict) -> bool:
    """Carry out what was said about a text, or would have to be; False when it does not wait for it any more."""
    bucket = bucket_of(message_id)
    if verdict is Verdict.ALLOW:
        return await tx.execute(_SQL["allow"], bucket, tx.now, message_id) == "UPDATE 1"
    await outbox.its_session_is_open(tx, message_id)  # the session is locked first, as everywhere
    args = bucket, tx.now, message_id, tx.new_id(bucket)
    if verdict is Verdict.REFUSE:
        return await tx.fetchval(_SQL["refuse"], *args) is not None
    return await tx.fetchval(_SQL["park"], *args, tx.now + MAY_STAND_PARKED) is not None
