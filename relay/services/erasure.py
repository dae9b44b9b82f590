"""Erasing sessions (GDPR article 17): closed if they were open, emptied at once, messages gone when they have ended.

The first transaction decides and leaves a row that says what is to be done. Whoever is killed after it leaves the rest to
upkeep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from relay import metrics
from relay.core import keys
from relay.core.closing import closing
from relay.core.erasure import Stays, what_stays
from relay.core.errors import Conflict, NotFound
from relay.core.ids import bucket_of
from relay.core.model import CloseReason
from relay.storage import endings, erasure, keyring, retention, sessions
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction

_BATCH = 500
_SESSIONS = 100


@dataclass(frozen=True, slots=True)
class Erased:
    """What became of it. ``unreadable_from``: when backups made before cannot be read any more; None where keys do not take
    turns by themselves."""

    in_flight: Sequence[UUID]
    stays: Sequence[Stays]
    unreadable_from: datetime | None


@dataclass(frozen=True, slots=True)
class Erasure:
    """``rotates``: whether this installation's keys take turns by themselves. ``erase_entries`` erases what the audit log says of
    an account's session."""

    database: Database
    rotates: bool
    erase_entries: Callable[[UUID, UUID], Awaitable[None]]

    async def erase(self, account: Account, session_id: UUID) -> Erased:
        """Close and erase a session; again changes nothing more.

        Raises NotFound for unknown and for foreign ids alike, Conflict ``on_hold`` while a hold stands.
        """
        in_flight = await self.erase_one(account, session_id)
        async with self.database.transaction() as tx:
            stored = await sessions.read(tx, bucket_of(session_id), account.id, [session_id])
            if not stored:
                raise NotFound
            remains = await erasure.remains(tx, session_id)
            closed_at = stored[0].closed_at or tx.now
        stays = what_stays(closed_at=closed_at, cooling_until=remains.cooling_until, has_messages=remains.has_messages)
        return Erased(in_flight, stays, await self.unreadable_from())

    async def unreadable_from(self) -> datetime | None:
        """When copies that were made until now cannot be read any more; None where nobody can say."""
        if not self.rotates:
            return None
        return keys.unreadable_from(await self.database.run(keyring.published), await self.database.now())

    async def erase_one(self, account: Account, session_id: UUID) -> Sequence[UUID]:
        """As ``erase``; returns what is in flight."""
        in_flight = await self.database.run(partial(_empty, account, session_id))
        await self._clear(account.id, session_id)
        return in_flight

    async def finish(self, bucket: int) -> int:
        """Take up what is not finished in a bucket; says how much was done."""
        done = 0
        for account_id, session_id in await self.database.run(
            lambda tx: erasure.unfinished(tx, bucket, limit=_SESSIONS)
        ):
            done += await self._clear(account_id, session_id)
        return done

    async def _clear(self, account_id: UUID, session_id: UUID) -> int:
        """Forget those messages of an erased session that have ended, and what the log says of it; says how much was done."""
        await self.erase_entries(account_id, session_id)
        done = 0
        while gone := await self.database.run(lambda tx: erasure.forget_messages(tx, session_id, limit=_BATCH)):
            done += gone
        return done + await self.database.run(lambda tx: erasure.finish(tx, session_id))


async def _empty(account: Account, session_id: UUID, tx: Transaction) -> Sequence[UUID]:
    """The transaction that decides: a hold that is placed at the same time comes before it, or finds the session erased."""
    bucket = bucket_of(session_id)
    if not await sessions.read(tx, bucket, account.id, [session_id]):
        raise NotFound
    await retention.take_turns(tx, bucket)
    held = await sessions.lock(tx, bucket, account.id, session_id)
    if held is None:
        raise NotFound
    if await retention.standing_hold(tx, account.id, session_id):
        raise Conflict("a hold stands on this session: nothing of it can be erased", code="on_hold")
    decided = closing(CloseReason.ERASED, await endings.unsent(tx, bucket, session_id))
    if held.status == "open":
        await endings.close(tx, bucket, session_id, decided)
        metrics.sessions.labels(CloseReason.ERASED).inc()
    elif (await sessions.read(tx, bucket, account.id, [session_id]))[0].close_reason == CloseReason.ERASED:
        await erasure.erase_again(tx, session_id)
        return decided.in_flight
    await erasure.erase(tx, session_id)
    return decided.in_flight
