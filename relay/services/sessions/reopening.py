"""A closed session opened again, while its numbers cool down: the same people, on the same numbers.

Relay has forgotten their phones, so they are given again and held against the keyed hashes that are left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from relay.core import lifetime
from relay.core.errors import Conflict, NotFound
from relay.core.ids import Seed, bucket_of
from relay.core.lifetime import Lifetime
from relay.core.model import CloseReason
from relay.core.phone import Phone
from relay.core.reopening import Irreversible, LastSeat, not_reopenable, seats_again
from relay.services.sessions.seating import Geo, PersonWanted, Seat, Seating, refuse_opted_out
from relay.storage import numbers, people, seats, sessions
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database, Transaction
from relay.storage.seats import SealedSeat, SeatedSession, Sitter
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class ReopeningWanted:
    """A session to be reopened, with the phones of its two people in any order. Durations in seconds; None = the account's
    default, and the session's own idle timeout."""

    session_id: UUID
    phones: tuple[Phone, Phone]
    expires_in: int | None = None
    expires_at: datetime | None = None
    idle_timeout: int | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    account: Account
    wanted: ReopeningWanted
    event_id: UUID
    seats: Sequence[Seat]

    @property
    def bucket(self) -> int:
        return bucket_of(self.wanted.session_id)


@dataclass(frozen=True, slots=True)
class Reopening:
    database: Database
    configuration: Configuration
    vault: Vault

    async def reopen(self, account: Account, wanted: ReopeningWanted, seed: Seed) -> None:
        """As ``Sessions.reopen`` says."""
        plan = await self._plan(account, wanted, seed)
        await self.database.run(partial(self._try, plan))

    async def _plan(self, account: Account, wanted: ReopeningWanted, seed: Seed) -> _Plan:
        bucket = bucket_of(wanted.session_id)
        async with self.database.single() as tx:
            session = await seats.look(tx, bucket, account.id, wanted.session_id)
        directory = await self.configuration.current()
        pool = directory.pools.get(session.pool_id) if session else None
        if session is None or pool is None:
            raise NotFound
        geo = Geo(session.geo_match, session.geo_fallback)
        seating = await Seating.at(self.database, self.vault, account, pool, directory, geo=geo)
        given = [seating.seat(PersonWanted(phone), f"participants.{i}.") for i, phone in enumerate(wanted.phones)]
        return _Plan(account, wanted, seed.id_in(bucket), given)

    async def _try(self, plan: _Plan, tx: Transaction) -> None:
        bucket, session_id, indexes = plan.bucket, plan.wanted.session_id, self.vault.indexes
        if await seats.was_told(tx, bucket, session_id, plan.event_id):
            return  # an earlier try was committed unseen
        one, other = parties = [seat.party for seat in plan.seats]
        await people.recognise(tx, bucket, parties)
        pair_index = indexes.pair(plan.account.id, one, other)
        await people.recognise_pair(tx, bucket, parties, pair_index, indexes.other_pairs(plan.account.id, one, other))
        session = await seats.lock(tx, bucket, plan.account.id, session_id)
        if session is None:
            raise NotFound
        if session.close_reason is None:
            raise Conflict("the session is open", code="session_open")
        places = await self._places(tx, plan, CloseReason(session.close_reason))
        refuse_opted_out(await sessions.meet(tx, bucket, [(party.index, party.key_id) for party in parties]))
        sealed = self._sealed(plan, places)
        life, idle_timeout = _life(tx, plan, session)
        told_at = lifetime.told_at(tx.now, life.expires_at, session.expiring_notice)
        if not await seats.reopen(tx, bucket, session_id, plan.event_id, sealed, life, idle_timeout, told_at):
            raise not_reopenable(Irreversible.NUMBERS_TAKEN)  # in this very moment

    async def _places(self, tx: Transaction, plan: _Plan, close_reason: CloseReason) -> Mapping[UUID, int]:
        """Which of the given people has which seat again. Their numbers are kept from being withdrawn."""
        there = await seats.people(tx, plan.bucket, plan.wanted.session_id)
        last = [sitter for sitter in there if sitter.status == "closed"]
        states = await numbers.lock_states(tx, plan.bucket, [sitter.number_id for sitter in last])

        def seat(sitter: Sitter) -> LastSeat:
            return LastSeat(sitter.id, sitter.party_index, sitter.held_until, states.get(sitter.number_id))

        given = [seat.party.index for seat in plan.seats]
        return seats_again(close_reason, [seat(sitter) for sitter in last], given, tx.now)

    def _sealed(self, plan: _Plan, places: Mapping[UUID, int]) -> list[SealedSeat]:
        found = []
        for participant_id, place in places.items():
            phone = plan.wanted.phones[place].e164
            sealed = self.vault.envelopes.seal_phone(plan.account.id, participant_id, phone)
            found.append(SealedSeat(participant_id, sealed.data, sealed.key_id))
        return found


def _life(tx: Transaction, plan: _Plan, session: SeatedSession) -> tuple[Lifetime, int | None]:
    """How long it lives from now on, and after how many seconds of silence it ends. Raises InvalidInput."""
    wanted, default = plan.wanted, timedelta(seconds=plan.account.default_expires_in)
    end = lifetime.expiry(tx.now, expires_in=wanted.expires_in, expires_at=wanted.expires_at, default=default)
    idle_timeout = wanted.idle_timeout or session.idle_timeout
    idle_at = tx.now + timedelta(seconds=idle_timeout) if idle_timeout else None
    return Lifetime(end, idle_at), idle_timeout
