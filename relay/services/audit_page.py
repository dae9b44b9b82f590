"""What the auditor's page shows of a log: entries, how far they are proved, how many there were each day. To read is an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from uuid import UUID

from relay.core.cosigning import Log, Word, stands
from relay.core.entries import Thing, reference
from relay.core.log_check import Signed, Told, fits, places_needed
from relay.core.tiles import hashes_in, places_of
from relay.storage import audit_page, audit_reading, audit_witnesses
from relay.storage.audit_page import DayCount, PageHead
from relay.storage.audit_reading import Entry, Wanted
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction
from relay.vault.log_keys import verify
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Shown:
    """Entries, newest first, and the head that they were held against: ``is_proved`` says whether they fit.

    ``witnessed``: what witnesses have signed, and whether what is kept still has that head.
    """

    head: PageHead
    entries: Sequence[Entry]
    is_proved: bool
    witnessed: Sequence[tuple[Word, bool]] = ()


@dataclass(frozen=True, slots=True)
class AuditPage:
    database: Database
    vault: Vault

    async def read(
        self, account: Account, key_id: UUID, wanted: Wanted, *, session_id: UUID | None, limit: int
    ) -> Shown | None:
        """Entries for who reads with this API key; with ``session_id`` those of a session. None = nothing is sealed yet."""
        await self.database.run(lambda tx: audit_reading.note_read(tx, account.bucket, account.id, key_id), single=True)
        return await self.database.run(partial(self._read, account, wanted, session_id, limit))

    async def counts(self, account: Account, since: datetime, until: datetime) -> Sequence[DayCount]:
        """From one time to before the other."""
        return await self.database.run(
            lambda tx: audit_page.counts(tx, account.bucket, account.id, since, until), single=True
        )

    async def _read(
        self, account: Account, wanted: Wanted, session_id: UUID | None, limit: int, tx: Transaction
    ) -> Shown | None:
        # Before the head is: what they have signed is never larger than that.
        words = await audit_witnesses.words(tx, account.bucket, account.id)
        head = await audit_page.head(tx, account.bucket, account.id)
        if head is None:
            return None
        if session_id is not None:
            wanted = replace(wanted, session_ref=reference(head.reference_key, Thing.SESSION, session_id))
        before = head.size if wanted.before is None else min(wanted.before, head.size)  # more may be sealed by now
        wanted = replace(wanted, before=before)
        entries = await audit_reading.entries(tx, account.bucket, account.id, wanted, limit=limit)
        is_proved = await self._is_proved(tx, account, head, entries)
        return Shown(head, entries, is_proved, await _witnessed(tx, account, head, words))

    async def _is_proved(self, tx: Transaction, account: Account, head: PageHead, entries: Sequence[Entry]) -> bool:
        told = [Told(e.n, e.salt, e.record) for e in entries if e.salt is not None and e.record is not None]
        places = places_needed(head.size, [one.n for one in told])
        kept = await audit_reading.tiles(tx, account.bucket, account.id, places)
        keys = [key.key for key in self.vault.log_keys.of(head.origin)]
        return fits(Signed(head.checkpoint, head.size, keys), told, hashes_in(kept), verify)


async def _witnessed(
    tx: Transaction, account: Account, head: PageHead, words: Sequence[Word]
) -> Sequence[tuple[Word, bool]]:
    places = places_of([(0, word.size) for word in words])
    kept = await audit_reading.tiles(tx, account.bucket, account.id, places) if places else {}
    log = Log(head.origin, head.size, ())
    return [(word, stands(word, log, hashes_in(kept), verify)) for word in words]
