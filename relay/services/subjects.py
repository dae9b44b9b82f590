"""What one person may ask about themselves (GDPR articles 15, 17 and 20): everything that there is, or that it goes.

They are known by their phone alone, which they prove by a code; or an operator answers for them. A phone that was never seen is
answered like any other.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from relay.core.arrival import Party
from relay.core.errors import Conflict, InvalidInput, NotFound, Tampered
from relay.core.ids import Seed, bucket_of
from relay.core.keys import Purpose
from relay.core.model import VerificationPurpose
from relay.core.periods import EXPORTS_FOR
from relay.core.phone import Phone
from relay.core.subject import OperatorReason, RequestKind, document
from relay.core.verification import Claim, bad_token, refuse_unproved
from relay.storage import subjects, verifications
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database, Transaction
from relay.storage.subjects import NewRequest, StoredRequest
from relay.vault.sealing import Place, Sealed
from relay.vault.vault import Vault

_BATCH = 100
_PROOF = "verification_token"


@dataclass(frozen=True, slots=True)
class SubjectWanted:
    """What is asked about whom: with a token that proves the phone, or with an operator's reason."""

    kind: RequestKind
    phone: Phone
    token: str | None = field(default=None, repr=False)
    reason: OperatorReason | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request. ``download_until``: how long its copy may be had, while there is one."""

    id: UUID
    kind: RequestKind
    asked_at: datetime
    download_until: datetime | None


@dataclass(frozen=True, slots=True)
class Subjects:
    """``erase_session`` closes and erases one session; raises Conflict for one that is on hold."""

    database: Database
    configuration: Configuration
    vault: Vault
    erase_session: Callable[[Account, UUID], Awaitable[object]]

    async def ask(self, account: Account, wanted: SubjectWanted, *, key_id: UUID | None, seed: Seed) -> Request:
        """Answer a request; the same seed again is the same request.

        ``key_id``: of the API key that asks; None = somebody at the machine. Raises InvalidInput for a token that does not
        prove this phone.
        """
        party = self.vault.indexes.of(account.id, wanted.phone.e164)
        new = NewRequest(seed.id_in(account.bucket), account.id, wanted.kind, wanted.reason, key_id)
        if await self._stored(account, new.id) is None:
            if wanted.token is not None:
                await self._prove(account, party, wanted.token, new.id)
            await self._write(account, new, party)
        if wanted.kind is RequestKind.ERASURE:
            await self._erase(account, new.id, party.indexes)
        return await self.read(account, new.id)

    async def show(self, account: Account, phone: Phone, *, reason: OperatorReason, seed: Seed) -> dict[str, Any]:
        """Everything that there is about a person, for whoever sits at the machine; noted, but no copy is kept."""
        found = await self._document(account, self.vault.indexes.of(account.id, phone.e164).indexes)
        new = NewRequest(seed.id_in(account.bucket), account.id, RequestKind.ACCESS, reason, None)
        await self.database.run(lambda tx: subjects.write_request(tx, new))
        return found

    async def read(self, account: Account, request_id: UUID) -> Request:
        """Raises NotFound for unknown and for foreign ids alike."""
        stored = await self._stored(account, request_id)
        if stored is None:
            raise NotFound
        until = stored.made_at + EXPORTS_FOR if stored.made_at else None
        return Request(stored.id, stored.kind, stored.asked_at, until)

    async def download(self, request_id: UUID) -> str:
        """The copy that a request was answered by, as JSON. Raises NotFound when it is gone."""
        kept = await self.database.run(lambda tx: subjects.export(tx, request_id), single=True)
        if kept is None:
            raise NotFound
        sealed = Sealed(kept.sealed_document, kept.transit_id)
        return self.vault.sealing.open(Purpose.TRANSIT, _place(kept.account_id, request_id), sealed)

    async def finish(self, bucket: int) -> int:
        """Finish erasures that a crash left; says how many."""
        left = await self.database.run(lambda tx: subjects.unfinished(tx, bucket, limit=_BATCH))
        accounts = (await self.configuration.refreshed()).accounts if left else {}
        for one in left:
            account = accounts.get(one.account_id)
            if account is not None:
                await self._erase(account, one.id, one.parties)
        return sum(one.account_id in accounts for one in left)

    async def forget(self, bucket: int) -> int:
        """Forget copies and requests whose time is over; says how many."""
        return await self.database.run(lambda tx: subjects.forget(tx, bucket, limit=_BATCH))

    async def _stored(self, account: Account, request_id: UUID) -> StoredRequest | None:
        return await self.database.run(lambda tx: subjects.request(tx, account.id, request_id), single=True)

    async def _prove(self, account: Account, party: Party, token: str, request_id: UUID) -> None:
        """Take the proof for this request. Raises InvalidInput unless it is one of this phone, unused and not too old."""
        purpose = VerificationPurpose.PRIVACY
        try:
            proof = self.vault.tokens.proof(token, [Claim(account.id, index, purpose) for index in party.indexes])
        except Tampered:
            raise InvalidInput(bad_token(_PROOF), code="verification_token_invalid") from None
        bucket = bucket_of(proof.verification_id)
        taken = await self.database.run(
            lambda tx: verifications.use(tx, bucket, account.id, purpose, [proof], used_by=request_id)
        )
        refuse_unproved({_PROOF: proof}, taken, required=True)

    async def _write(self, account: Account, new: NewRequest, party: Party) -> None:
        """Write the request, with the copy that it is answered by or with whom it is about while it is not done."""
        if new.kind is RequestKind.ERASURE:
            lasting = NewRequest(new.id, new.account_id, new.kind, new.reason, new.asked_by, party.indexes)
            await self.database.run(lambda tx: subjects.write_request(tx, lasting))
            return
        found = json.dumps(await self._document(account, party.indexes), ensure_ascii=False)
        sealed = self.vault.sealing.seal(Purpose.TRANSIT, _place(account.id, new.id), found)

        async def work(tx: Transaction) -> None:
            if await subjects.write_request(tx, new):
                copy = subjects.NewExport(new.id, account.id, party.index, sealed.data, sealed.key_id)
                await subjects.keep_export(tx, copy)

        await self.database.run(work)

    async def _document(self, account: Account, indexes: Sequence[bytes]) -> dict[str, Any]:
        directory = await self.configuration.refreshed()
        found = []
        for bucket in sorted(directory.buckets_of(account.id)):
            async with self.database.transaction() as tx:
                found.append(await subjects.known(tx, bucket, account.id, account.bucket, indexes))
        numbers = {n.id: n.e164 for n in directory.numbers.values() if n.account_id == account.id}
        return document(found, numbers)

    async def _erase(self, account: Account, request_id: UUID, indexes: Sequence[bytes]) -> None:
        """Erase what may go, bucket by bucket, and then forget whom it was about. Again does no harm."""
        directory = await self.configuration.refreshed()
        for bucket in sorted(directory.buckets_of(account.id)):
            await self._erase_in(account, bucket, indexes)
        await self.database.run(lambda tx: subjects.erase_exports(tx, account.bucket, account.id, indexes))
        await self.database.run(lambda tx: subjects.finish_request(tx, request_id))

    async def _erase_in(self, account: Account, bucket: int, indexes: Sequence[bytes]) -> None:
        seats = await self.database.run(lambda tx: subjects.sessions_of(tx, bucket, indexes))
        for session_id in {seat.id for seat in seats}:
            with suppress(NotFound, Conflict):  # forgotten since, or on hold
                await self.erase_session(account, session_id)
        await self.database.run(partial(_forget_codes, bucket, account.id, indexes))


async def _forget_codes(bucket: int, account_id: UUID, indexes: Sequence[bytes], tx: Transaction) -> None:
    await subjects.erase_verifications(tx, bucket, account_id, indexes)


def _place(account_id: UUID, request_id: UUID) -> Place:
    return Place(account_id, bucket_of(request_id), request_id, "privacy_export.document")
