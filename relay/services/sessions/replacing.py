"""Somebody else in a person's place: another phone and another number, while the other side notices nothing.

The session's lock comes first, as for everything that changes who is in it; whoever is taking in or sending a text has either
finished or will see the new person.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay.core.arrival import Party
from relay.core.closing import parting
from relay.core.errors import Conflict, KeyMissing, NotFound, Tampered
from relay.core.ids import Seed, bucket_of
from relay.services.sessions.opening import same_person
from relay.services.sessions.seating import (
    Geo,
    LostRace,
    PersonWanted,
    Seat,
    Seating,
    refuse_opted_out,
    until_won,
)
from relay.storage import people, seats, sessions
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database, Transaction
from relay.storage.seats import NewSitter, Sitter
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Replacement:
    """Who comes in whose place. ``label`` None = the one that this place has."""

    session_id: UUID
    participant_id: UUID
    person: PersonWanted
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """Who came, and what is still on its way to who went."""

    participant_id: UUID
    in_flight: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class _Plan:
    account: Account
    wanted: Replacement
    new_id: UUID
    seating: Seating
    seat: Seat

    @property
    def bucket(self) -> int:
        return bucket_of(self.wanted.session_id)


@dataclass(frozen=True, slots=True)
class Replacing:
    database: Database
    configuration: Configuration
    vault: Vault

    async def replace(self, account: Account, wanted: Replacement, seed: Seed) -> Replaced:
        """As ``Sessions.replace`` says."""
        plan = await self._plan(account, wanted, seed)
        return await until_won(self.database, partial(self._try, plan))

    async def _plan(self, account: Account, wanted: Replacement, seed: Seed) -> _Plan:
        bucket = bucket_of(wanted.session_id)
        async with self.database.transaction() as tx:
            session = await seats.look(tx, bucket, account.id, wanted.session_id)
            there = await seats.people(tx, bucket, wanted.session_id) if session else []
        directory = await self.configuration.current()
        pool = directory.pools.get(session.pool_id) if session else None
        if session is None or pool is None or all(sitter.id != wanted.participant_id for sitter in there):
            raise NotFound
        geo = Geo(session.geo_match, session.geo_fallback)
        seating = await Seating.at(self.database, self.vault, account, pool, directory, geo=geo)
        return _Plan(account, wanted, seed.id_in(bucket), seating, seating.seat(wanted.person, ""))

    async def _try(self, plan: _Plan, lost: Set[tuple[UUID, bytes]], tx: Transaction) -> Replaced:
        bucket, session_id = plan.bucket, plan.wanted.session_id
        there = await seats.people(tx, bucket, session_id)
        if any(sitter.id == plan.new_id for sitter in there):  # an earlier try was committed unseen
            return Replaced(plan.new_id, await self._in_flight(tx, plan))
        stays = self._party(plan.account, _who_stays(plan, there))
        await people.recognise(tx, bucket, [plan.seat.party, stays])
        session = await seats.lock(tx, bucket, plan.account.id, session_id)
        if session is None:
            raise NotFound
        if session.status != "open" or session.lifetime.ended(tx.now):
            raise Conflict("the session is closed", code="session_closed")
        there = await seats.people(tx, bucket, session_id)
        if _who_stays(plan, there).party_index != stays.index:
            raise LostRace  # they were replaced meanwhile
        goes = next(sitter for sitter in there if sitter.id == plan.wanted.participant_id)
        return await self._sit_down(tx, plan, goes, stays, lost)

    async def _sit_down(
        self, tx: Transaction, plan: _Plan, goes: Sitter, stays: Party, lost: Set[tuple[UUID, bytes]]
    ) -> Replaced:
        """Put the new person in the place of who goes. The session is locked, and all of that is as it was planned."""
        bucket, seating, seat, indexes = plan.bucket, plan.seating, plan.seat, self.vault.indexes
        if seat.party.index == stays.index:
            raise same_person("phone")
        pair_index = indexes.pair(plan.account.id, seat.party, stays)
        other_pairs = indexes.other_pairs(plan.account.id, seat.party, stays)
        await people.recognise_pair(tx, bucket, [seat.party, stays], pair_index, other_pairs)
        refuse_opted_out(await sessions.meet(tx, bucket, [(seat.party.index, seat.party.key_id)]))
        await seating.refuse_unproved(tx, [seat], used_by=plan.new_id)
        (number_id,) = await seating.choose(tx, [seat], pair_index, lost)
        pairs = await seating.keep(tx, [seat], [number_id])
        label = goes.label if plan.wanted.label is None else plan.wanted.label
        comes = seating.participant(seat, plan.new_id, number_id, slot=goes.slot, label=label)
        decided = parting(await seats.unsent_to(tx, bucket, plan.wanted.session_id, goes.id))
        if not await seats.replace(tx, bucket, plan.wanted.session_id, NewSitter(goes.id, comes, pair_index), decided):
            raise LostRace(pairs)
        return Replaced(plan.new_id, decided.in_flight)

    async def _in_flight(self, tx: Transaction, plan: _Plan) -> Sequence[UUID]:
        unsent = await seats.unsent_to(tx, plan.bucket, plan.wanted.session_id, plan.wanted.participant_id)
        return parting(unsent).in_flight

    def _party(self, account: Account, sitter: Sitter) -> Party:
        """Who somebody is by the keys that are in use now. Raises Conflict ``phone_unreadable``, KeyMissing."""
        if sitter.sealed_phone is None or sitter.epoch_id is None:
            raise ValueError("only a live participant has a phone")
        try:
            phone = self.vault.envelopes.open_phone(account.id, sitter.id, Sealed(sitter.sealed_phone, sitter.epoch_id))
        except KeyMissing:
            raise
        except Tampered:
            raise Conflict("the other participant's phone cannot be read any more", code="phone_unreadable") from None
        return self.vault.indexes.of(account.id, phone)


def _who_stays(plan: _Plan, there: Sequence[Sitter]) -> Sitter:
    """The live person who is not replaced. Raises Conflict ``session_closed`` and ``participant_replaced``."""
    live = [sitter for sitter in there if sitter.status == "live"]
    if not live:
        raise Conflict("the session is closed", code="session_closed")
    if all(sitter.id != plan.wanted.participant_id for sitter in live):
        raise Conflict("this participant has been replaced already", code="participant_replaced")
    return next(sitter for sitter in live if sitter.id != plan.wanted.participant_id)
