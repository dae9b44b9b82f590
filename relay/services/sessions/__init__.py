"""Sessions as a marketplace sees them: open, look, change, replace a person, close, reopen; and what one could be opened with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from relay import metrics
from relay.core import lifetime
from relay.core.closing import closing
from relay.core.errors import Conflict, NotFound
from relay.core.ids import Seed, bucket_of
from relay.core.lifetime import Lifetime
from relay.core.model import CloseReason
from relay.services.sessions.opening import Opening, SessionWanted
from relay.services.sessions.reopening import Reopening, ReopeningWanted
from relay.services.sessions.replacing import Replaced, Replacement, Replacing
from relay.services.sessions.seating import PersonWanted
from relay.storage import endings, sessions
from relay.storage.configuration import Account, Configuration, Directory
from relay.storage.database import Database, Transaction
from relay.storage.sessions import HeldSession, SessionFilter, StoredParticipant, StoredSession
from relay.vault.vault import Vault

__all__ = [
    "PersonWanted",
    "ReopeningWanted",
    "Replaced",
    "Replacement",
    "SessionChange",
    "SessionView",
    "SessionWanted",
    "Sessions",
]


@dataclass(frozen=True, slots=True)
class SessionChange:
    """What to change about an open session. None = leave it."""

    expires_in: int | None = None
    expires_at: datetime | None = None
    idle_timeout: int | None = None
    expiring_notice: int | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session, its people, and the number that each of them texts (by number id)."""

    session: StoredSession
    participants: Sequence[StoredParticipant]
    pool_name: str
    proxy_numbers: Mapping[UUID, str]


@dataclass(slots=True)
class Sessions:
    """``queued`` hears of buckets with new work."""

    database: Database
    configuration: Configuration
    vault: Vault
    queued: Callable[[int], Awaitable[None]]
    _opening: Opening = field(init=False)
    _replacing: Replacing = field(init=False)
    _reopening: Reopening = field(init=False)

    def __post_init__(self) -> None:
        self._opening = Opening(self.database, self.configuration, self.vault)
        self._replacing = Replacing(self.database, self.configuration, self.vault)
        self._reopening = Reopening(self.database, self.configuration, self.vault)

    async def open(self, account: Account, wanted: SessionWanted, seed: Seed) -> SessionView:
        """Open a session; the same seed again gives the same session.

        Raises InvalidInput for the same person twice, our own number, a country that is not allowed, a lifetime out of
        bounds and a proof that is missing or not good; Conflict ``participant_opted_out``,
        ``unique_name_taken``, ``pool_preparing`` and ``no_number_available``.
        """
        session_id = await self._opening.open(account, wanted, seed)
        if wanted.greeting:
            await self.queued(wanted.pool.bucket)
        metrics.sessions.labels("opened").inc()
        return await self.read(account, session_id)

    async def dry_run(self, account: Account, wanted: SessionWanted) -> list[str]:
        """The numbers that a session would be given now, in the order of its people. Raises as ``open``; writes nothing."""
        chosen = await self._opening.dry_run(account, wanted)
        directory = await self.configuration.current()
        return [directory.numbers[number_id].e164 for number_id in chosen]

    async def read(self, account: Account, session_id: UUID) -> SessionView:
        """Raises NotFound for unknown and for foreign ids alike."""
        bucket = bucket_of(session_id)
        async with self.database.transaction() as tx:
            found = await sessions.read(tx, bucket, account.id, [session_id])
            if not found:
                raise NotFound
            people = await sessions.participants(tx, bucket, [session_id])
        return _view(found[0], people[session_id], await self.configuration.current())

    async def listed(
        self, account: Account, *, limit: int, before: UUID | None, wanted: SessionFilter
    ) -> list[SessionView]:
        """The account's newest sessions before an id, over all its pools: one look into each bucket."""
        directory = await self.configuration.current()
        pools = directory.pools_of(account.id)
        buckets = sorted({p.bucket for p in pools if wanted.pool_id in (None, p.id)})
        found: list[StoredSession] = []
        for bucket in buckets:
            async with self.database.single() as tx:
                found += await sessions.listed(
                    tx, bucket, account_id=account.id, limit=limit, before=before, wanted=wanted
                )
        newest = sorted(found, key=lambda s: s.id, reverse=True)[:limit]
        return [_view(s, await self._people_of(s.id), directory) for s in newest]

    async def _people_of(self, session_id: UUID) -> Sequence[StoredParticipant]:
        async with self.database.single() as tx:
            return (await sessions.participants(tx, bucket_of(session_id), [session_id]))[session_id]

    async def change(self, account: Account, session_id: UUID, wanted: SessionChange) -> SessionView:
        """Extend or shorten an open session. Raises NotFound, Conflict ``session_closed``, InvalidInput."""

        async def work(tx: Transaction) -> None:
            bucket = bucket_of(session_id)
            held = await sessions.lock(tx, bucket, account.id, session_id)
            if held is None:
                raise NotFound
            if held.status != "open" or Lifetime(held.expires_at, held.idle_at).ended(tx.now):
                raise Conflict("the session is closed", code="session_closed")
            stored = (await sessions.read(tx, bucket, account.id, [session_id]))[0]
            end = held.expires_at
            if wanted.expires_in is not None or wanted.expires_at is not None:
                end = lifetime.expiry(
                    tx.now, expires_in=wanted.expires_in, expires_at=wanted.expires_at, default=lifetime.DEFAULT_LIFE
                )
            idle, idle_at = held.idle_timeout, held.idle_at
            if wanted.idle_timeout is not None:
                idle, idle_at = wanted.idle_timeout, tx.now + timedelta(seconds=wanted.idle_timeout)
            metadata = stored.metadata if wanted.metadata is None else dict(wanted.metadata)
            await sessions.change(
                tx,
                bucket,
                session_id,
                lifetime=Lifetime(end, idle_at),
                idle_timeout=idle,
                metadata=metadata,
                notice=_notice(tx, held, wanted, end),
            )

        await self.database.run(work)
        return await self.read(account, session_id)

    async def replace(self, account: Account, wanted: Replacement, seed: Seed) -> tuple[SessionView, Replaced]:
        """Put somebody else in a person's place; the same seed again changes nothing more.

        Raises NotFound for the session and the participant, InvalidInput and Conflict as ``open`` does, Conflict
        ``session_closed``, ``participant_replaced`` and ``phone_unreadable``.
        """
        replaced = await self._replacing.replace(account, wanted, seed)
        return await self.read(account, wanted.session_id), replaced

    async def close(self, account: Account, session_id: UUID) -> tuple[SessionView, Sequence[UUID]]:
        """Close a session, or find it closed. Returns it and the messages that are in flight. Raises NotFound."""

        async def work(tx: Transaction) -> Sequence[UUID]:
            bucket = bucket_of(session_id)
            held = await sessions.lock(tx, bucket, account.id, session_id)
            if held is None:
                raise NotFound
            decided = closing(CloseReason.API, await endings.unsent(tx, bucket, session_id))
            if held.status == "open":
                await endings.close(tx, bucket, session_id, decided)
                metrics.sessions.labels("closed").inc()
            return decided.in_flight

        in_flight = await self.database.run(work)
        return await self.read(account, session_id), in_flight

    async def reopen(self, account: Account, wanted: ReopeningWanted, seed: Seed) -> SessionView:
        """Open a closed session again while its numbers cool down; the same seed again changes nothing more.

        Raises NotFound, InvalidInput ``not_the_same_people`` and as ``open`` does for phones and lifetimes, Conflict
        ``session_open``, ``session_not_reopenable`` with the reason, ``participant_opted_out`` and ``unique_name_taken``.
        """
        await self._reopening.reopen(account, wanted, seed)
        metrics.sessions.labels("reopened").inc()
        return await self.read(account, wanted.session_id)


def _notice(tx: Transaction, held: HeldSession, wanted: SessionChange, end: datetime) -> tuple[int, datetime | None]:
    """How long before its end a session's owner is told, and when: once for each end, so again only for another."""
    notice = held.expiring_notice if wanted.expiring_notice is None else wanted.expiring_notice
    if (end, notice) == (held.expires_at, held.expiring_notice):
        return notice, held.expiring_at
    return notice, lifetime.told_at(tx.now, end, notice)


def _view(session: StoredSession, people: Sequence[StoredParticipant], directory: Directory) -> SessionView:
    pool = directory.pools.get(session.pool_id)
    rented = {p.number_id: directory.numbers[p.number_id].e164 for p in people if p.number_id in directory.numbers}
    return SessionView(session, people, pool.name if pool else "", rented)
