"""Proving a phone: a code is texted to it, and whoever says the code is there. What it gives is a token, good once.

No answer tells whether we know the phone: a person who opted out is sent nothing by the guarded door, and nobody but the
door asks.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay.core.arrival import Party
from relay.core.assignment import NoNumber, Unassigned, Wish, choose, no_number
from relay.core.destination import refuse_destination
from relay.core.envelope import Letter
from relay.core.errors import Conflict, NotFound, TooMany
from relay.core.ids import Seed, bucket_of
from relay.core.model import (
    GeoMatch,
    MessageKind,
    NumberState,
    Reason,
    State,
    VerificationPurpose,
    VerificationStatus,
)
from relay.core.notices import say_code
from relay.core.phone import Phone
from relay.core.segments import segments
from relay.core.verification import VALID_FOR, Claim, verdict, wait_before_next
from relay.storage import caps, messages, numbers, people, sessions, verifications
from relay.storage.configuration import Account, Configuration, Number, Pool
from relay.storage.database import Database, Transaction
from relay.storage.messages import NewMessage, NewOutboxRow
from relay.storage.verifications import NewVerification
from relay.vault.codes import CodeDigest
from relay.vault.vault import Vault

_BATCH = 100


@dataclass(frozen=True, slots=True)
class VerificationWanted:
    """Whom to send a code, what for, and whose numbers to send it from."""

    pool: Pool
    phone: Phone
    purpose: VerificationPurpose


@dataclass(frozen=True, slots=True)
class Started:
    """A code is on its way, unless its person has opted out."""

    id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Checked:
    """What a code made of its verification. ``token``: the proof, when it was right."""

    status: VerificationStatus
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Verifications:
    """``queued`` hears of buckets with new work."""

    database: Database
    configuration: Configuration
    vault: Vault
    queued: Callable[[int], Awaitable[None]]

    async def start(self, account: Account, wanted: VerificationWanted, seed: Seed) -> Started:
        """Send a code; it takes the place of the one before. The same seed again sends nothing more.

        Raises InvalidInput for our own number and a country that is not allowed, Conflict ``pool_preparing``,
        ``no_number_available`` and ``daily_cap_reached``, TooMany when this person was sent too many codes lately.
        """
        rented = await self._rented(account, wanted)
        verification_id = seed.id_in(wanted.pool.bucket)
        party = self.vault.indexes.of(account.id, wanted.phone.e164)
        claim = Claim(account.id, party.index, wanted.purpose)

        async def work(tx: Transaction) -> datetime:
            await people.recognise(tx, wanted.pool.bucket, [party])
            await sessions.hold(tx, wanted.pool.bucket, party.index, party.key_id)
            if known := await verifications.read(tx, account.id, verification_id):
                return known.expires_at
            sent = await verifications.sent_lately(tx, wanted.pool.bucket, account.id, party.indexes)
            if wait := wait_before_next(sent, tx.now):
                raise TooMany(math.ceil(wait.total_seconds()), "This phone was sent too many codes lately.")
            number_id = await self._number(tx, wanted, party, rented)
            code = self.vault.codes.new()
            digest = self.vault.codes.digest(verification_id, claim, code)
            expires_at = tx.now + VALID_FOR
            new = NewVerification(verification_id, claim, digest.data, digest.key_id, expires_at)
            await verifications.start(tx, wanted.pool.bucket, new, party.indexes)
            letter = Letter(wanted.phone.e164, say_code(code, language=account.language, programme=account.programme))
            allowance = await caps.allowance(tx, wanted.pool.bucket, [account])
            allowance.take_or_refuse(account.id, tx.now)
            await self._queue(tx, claim, number_id, letter, expires_at)
            await caps.count(tx, wanted.pool.bucket, allowance)
            return expires_at

        expires_at = await self.database.run(work)
        await self.queued(wanted.pool.bucket)
        return Started(verification_id, expires_at)

    async def check(self, account: Account, verification_id: UUID, code: str, seed: Seed) -> Checked:
        """Compare a code; counted before it is compared. The same seed again is the same check.

        Raises NotFound for unknown and for foreign ids alike.
        """
        check_id = seed.id_in(bucket_of(verification_id))

        async def work(tx: Transaction) -> Checked:
            counted = await verifications.count(tx, account.id, verification_id, check_id)
            if counted is None:
                return await self._not_compared(tx, account, verification_id, check_id)
            claim = Claim(account.id, counted.party_index, counted.purpose)
            stored = CodeDigest(counted.digest, counted.key_id)
            is_right = self.vault.codes.is_right(verification_id, claim, code, stored)
            status = verdict(is_right=is_right, checks=counted.checks)
            if status is VerificationStatus.APPROVED:
                await verifications.approve(tx, verification_id)
                return Checked(status, self.vault.tokens.write_proof(verification_id, claim))
            if status is VerificationStatus.FAILED:
                await verifications.fail(tx, bucket_of(verification_id), [verification_id], Reason.NOT_VERIFIED)
            return Checked(status)

        return await self.database.run(work)

    async def end_old(self, bucket: int) -> int:
        """End what has waited for its code for too long, forget what is a day old; says how much there was."""

        async def work(tx: Transaction) -> int:
            overdue = await verifications.overdue(tx, bucket, limit=_BATCH)
            ended = await verifications.fail(tx, bucket, overdue, Reason.DEADLINE) if overdue else 0
            return ended + await verifications.forget(tx, bucket, limit=_BATCH)

        return await self.database.run(work)

    async def _not_compared(self, tx: Transaction, account: Account, verification_id: UUID, check_id: UUID) -> Checked:
        """It is over, or does not exist. Over by this very check, unseen: then the answer is given again."""
        known = await verifications.read(tx, account.id, verification_id)
        if known is None:
            raise NotFound
        if known.status is VerificationStatus.APPROVED and known.last_check == check_id:
            claim = Claim(account.id, known.party_index, known.purpose)
            return Checked(known.status, self.vault.tokens.write_proof(verification_id, claim))
        if known.status is VerificationStatus.PENDING:
            await verifications.fail(tx, bucket_of(verification_id), [verification_id], Reason.DEADLINE)
        return Checked(VerificationStatus.FAILED)

    async def _rented(self, account: Account, wanted: VerificationWanted) -> tuple[Number, ...]:
        """The pool's numbers. Raises what can be said against the phone and the pool."""
        directory = await self.configuration.current()
        own = frozenset(n.country for n in directory.numbers.values() if n.account_id == account.id)
        refuse_destination(
            wanted.phone,
            "phone",
            is_own_number=(account.id, wanted.phone.e164) in directory.number_by_e164,
            allowed=frozenset(account.allowed_countries) or own,
        )
        if not wanted.pool.ready:
            raise Conflict("the pool is still being prepared", code="pool_preparing", retry_after=1)
        return directory.numbers_by_pool.get(wanted.pool.id, ())

    async def _number(
        self, tx: Transaction, wanted: VerificationWanted, party: Party, rented: tuple[Number, ...]
    ) -> UUID:
        """The number to send from, kept from being released. Raises Conflict ``no_number_available``."""
        bucket = wanted.pool.bucket
        choosable = await numbers.choosable(tx, bucket, rented)
        held = (await sessions.held(tx, bucket, [party.index]))[party.index]
        withdrawn: set[UUID] = set()
        while True:
            wish = _wish(wanted.phone, frozenset(withdrawn))
            chosen = choose(choosable, held, wish)
            if isinstance(chosen, Unassigned) and chosen.reason is NoNumber.HELD:
                chosen = choose(choosable, (), wish)  # better from a number that they talk on than not at all
            if isinstance(chosen, Unassigned):
                raise no_number(chosen, tx.now)
            if (await numbers.lock_states(tx, bucket, [chosen])).get(chosen) is NumberState.READY:
                return chosen
            withdrawn.add(chosen)

    async def _queue(
        self, tx: Transaction, claim: Claim, number_id: UUID, letter: Letter, deadline_at: datetime
    ) -> None:
        """Queue the text that carries the code, like any other that belongs to no session."""
        bucket = bucket_of(number_id)
        message = NewMessage(
            id=tx.new_id(bucket),
            account_id=claim.account_id,
            kind=MessageKind.CODE,
            state=State.QUEUED,
            segments=segments(letter.text).count,
        )
        envelope = self.vault.envelopes.seal(claim.account_id, message.id, letter)
        row = NewOutboxRow(message, claim.party_index, number_id, envelope, deadline_at)
        await messages.write(tx, bucket, [message], [row])


def _wish(phone: Phone, excluded: frozenset[UUID]) -> Wish:
    """Any number of the pool, the nearest first; nobody has had it with anybody else before."""
    return Wish(
        country=phone.country,
        area_code=phone.area_code,
        geo_match=GeoMatch.ANY,
        pair_index=b"",
        chance=secrets.randbelow(1 << 30),
        excluded=excluded,
    )
