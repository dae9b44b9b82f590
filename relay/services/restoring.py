"""A backup that is restored knows phones of sessions that have ended since, and of people who were replaced, and would go on with
them. The journal beside the keyring knows better: nothing is served before the database has been brought up to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay.core.closing import closing
from relay.core.errors import DatabaseIsOld
from relay.core.ids import BUCKETS, bucket_of
from relay.core.journal import Entry, Missed, last_reason, missed
from relay.core.keys import KeyName, Purpose
from relay.core.model import CloseReason
from relay.storage import endings, journal, sealed, sessions
from relay.storage.database import Database, Transaction
from relay.vault.journal_file import End, JournalFile

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Restoring:
    """``erase`` does what a request for erasure does, for a session of an account."""

    database: Database
    file: JournalFile
    erase: Callable[[UUID, UUID], Awaitable[object]]

    async def write(self, bucket: int) -> int:
        """Tell the journal which sessions of a bucket have ended or changed their people; says how many. Killed half-way, it
        tells them twice."""
        entries = await self.database.run(lambda tx: journal.untold(tx, bucket, limit=_BATCH))
        if entries:
            end = await asyncio.to_thread(self.file.append, entries)
            await self.database.run(lambda tx: journal.told(tx, bucket, entries, end.journal_id, end.position))
        return len(entries)

    async def check(self) -> None:
        """Raises DatabaseIsOld when sessions are open, or not erased, that have ended by what the journal tells, or whose people
        are others by now."""
        _, sessions_told = await self._unknown()
        behind = 0
        for session_id, told in sessions_told.items():
            owned = await self._look(session_id)
            behind += owned is not None and missed(told, owned.known) is not None
        if behind:
            raise DatabaseIsOld(
                f"this database has missed the end of {behind} session(s) that the journal {self.file.path} tells of: it was"
                " restored from a backup. Run `relay restore-check` before anything is served"
            )

    async def replay(self) -> Counter[Missed]:
        """End and erase again what the database has missed; says how much of each."""
        done: Counter[Missed] = Counter()
        end, sessions_told = await self._unknown()
        for session_id, told in sessions_told.items():
            owned = await self._look(session_id)
            action = missed(told, owned.known) if owned else None
            if owned is None or action is None:
                continue
            if action is Missed.CLOSE:
                await self.database.run(partial(_end, owned.account_id, session_id, last_reason(told)))
            else:
                await self.erase(owned.account_id, session_id)
            done[action] += 1
        if end is not None:
            journal_id, position = end.journal_id, end.position
            await self.database.run(lambda tx: journal.advance(tx, journal_id, position))
        return done

    async def end_unreadable(self, lost: Collection[KeyName]) -> int:
        """Close open sessions whose phones were sealed under keys of a week that are gone for good; says how many."""
        ended = 0
        for name in (name for name in lost if name.purpose is Purpose.EPOCH):
            for bucket in range(BUCKETS):
                while found := await self.database.run(partial(_sealed_under, bucket, name), single=True):
                    for session_id in found:
                        owned = await self.database.run(partial(_state, session_id), single=True)
                        if owned is not None:
                            await self.database.run(partial(_end, owned.account_id, session_id, CloseReason.API))
                    ended += len(found)
        return ended

    async def _look(self, session_id: UUID) -> journal.Owned | None:
        return await self.database.run(partial(_state, session_id), single=True)

    async def _unknown(self) -> tuple[End | None, dict[UUID, list[Entry]]]:
        """The journal's end, and what of it the database may have missed, by session: nothing, nearly always."""
        end = await asyncio.to_thread(self.file.end)
        if end is None:
            return None, {}
        journal_id = end.journal_id
        position = await self.database.run(lambda tx: journal.position(tx, journal_id), single=True)
        found: dict[UUID, list[Entry]] = {}
        for entry in await asyncio.to_thread(self.file.after, position) if position < end.position else []:
            found.setdefault(entry.session_id, []).append(entry)
        return end, found


async def _state(session_id: UUID, tx: Transaction) -> journal.Owned | None:
    return await journal.state(tx, session_id)


async def _sealed_under(bucket: int, name: KeyName, tx: Transaction) -> list[UUID]:
    return await sealed.sessions_under(tx, bucket, name.id, limit=_BATCH)


async def _end(account_id: UUID, session_id: UUID, reason: CloseReason, tx: Transaction) -> None:
    bucket = bucket_of(session_id)
    held = await sessions.lock(tx, bucket, account_id, session_id)
    if held is not None and held.status == "open":
        await endings.close(tx, bucket, session_id, closing(reason, await endings.unsent(tx, bucket, session_id)))
