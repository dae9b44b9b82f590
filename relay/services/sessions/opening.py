"""Opening a session: a number for each of two people, that neither of them texts anybody else by."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from relay.core import lifetime
from relay.core.errors import InvalidInput, Problem
from relay.core.ids import Seed
from relay.core.model import GeoFallback, GeoMatch
from relay.services.sessions.greeting import Greeted, greet
from relay.services.sessions.seating import (
    Geo,
    LostRace,
    PersonWanted,
    Seat,
    Seating,
    refuse_opted_out,
    until_won,
)
from relay.storage import people, sessions
from relay.storage.configuration import Account, Configuration, Pool
from relay.storage.database import Database, Transaction
from relay.storage.sessions import NewParticipant, NewSession
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class SessionWanted:
    """A session to be opened. Durations in seconds; None = the account's default."""

    pool: Pool
    people: tuple[PersonWanted, PersonWanted]
    unique_name: str | None = None
    expires_in: int | None = None
    expires_at: datetime | None = None
    idle_timeout: int | None = None
    cool_down: int | None = None
    expiring_notice: int | None = None
    geo_match: GeoMatch = GeoMatch.COUNTRY
    geo_fallback: GeoFallback = GeoFallback.STRICT
    greeting: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What does not change from try to try. ``seats`` are the two people, in slot order."""

    account: Account
    wanted: SessionWanted
    session_id: UUID
    seating: Seating
    seats: tuple[Seat, Seat]
    pair_index: bytes
    other_pairs: Sequence[bytes] = ()  #: under the keyring's other keys

    @property
    def bucket(self) -> int:
        return self.wanted.pool.bucket


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens sessions, or says what one would be opened with."""

    database: Database
    configuration: Configuration
    vault: Vault

    async def open(self, account: Account, wanted: SessionWanted, seed: Seed) -> UUID:
        """Open a session, as ``Sessions.open`` says; returns its id."""
        plan = await self._plan(account, wanted, seed)
        await until_won(self.database, partial(self._try, plan))
        return plan.session_id

    async def dry_run(self, account: Account, wanted: SessionWanted) -> Sequence[UUID]:
        """The numbers that a session would be given now, in the order of its people."""
        plan = await self._plan(account, wanted, Seed(await self.database.now(), secrets.token_bytes(10)))
        async with self.database.transaction() as tx:
            known = await sessions.opted_out(tx, plan.bucket, [i for s in plan.seats for i in s.party.indexes])
            refuse_opted_out(known)
            await plan.seating.refuse_unproved(tx, plan.seats, used_by=None)
            return await plan.seating.choose(tx, plan.seats, plan.pair_index, frozenset())

    async def _plan(self, account: Account, wanted: SessionWanted, seed: Seed) -> _Plan:
        directory = await self.configuration.current()
        if wanted.people[0].phone == wanted.people[1].phone:
            raise same_person("participants.1.phone")
        geo = Geo(wanted.geo_match, wanted.geo_fallback)
        seating = await Seating.at(self.database, self.vault, account, wanted.pool, directory, geo=geo)
        one, other = (seating.seat(person, f"participants.{i}.") for i, person in enumerate(wanted.people))
        return _Plan(
            account=account,
            wanted=wanted,
            session_id=seed.id_in(wanted.pool.bucket),
            seating=seating,
            seats=(one, other),
            pair_index=self.vault.indexes.pair(account.id, one.party, other.party),
            other_pairs=self.vault.indexes.other_pairs(account.id, one.party, other.party),
        )

    async def _try(self, plan: _Plan, lost: Set[tuple[UUID, bytes]], tx: Transaction) -> None:
        if await sessions.read(tx, plan.bucket, plan.account.id, [plan.session_id]):
            return  # an earlier try was committed unseen: choosing again would find its numbers held by these people
        parties = [seat.party for seat in plan.seats]
        await people.recognise(tx, plan.bucket, parties)
        await people.recognise_pair(tx, plan.bucket, parties, plan.pair_index, plan.other_pairs)
        refuse_opted_out(await sessions.meet(tx, plan.bucket, [(p.index, p.key_id) for p in parties]))
        await plan.seating.refuse_unproved(tx, plan.seats, used_by=plan.session_id)
        chosen = await plan.seating.choose(tx, plan.seats, plan.pair_index, lost)
        pairs = await plan.seating.keep(tx, plan.seats, chosen)
        new = self._session(tx, plan, chosen)
        won = await sessions.open_session(tx, plan.bucket, new)
        if won is None:
            return
        if won != pairs:
            raise LostRace(pairs - won)
        if plan.wanted.greeting:
            greeted = [Greeted(p, s.person.phone.e164) for p, s in zip(new.participants, plan.seats, strict=True)]
            await greet(tx, plan.bucket, new, plan.account, self.vault, greeted)

    def _session(self, tx: Transaction, plan: _Plan, chosen: Sequence[UUID]) -> NewSession:
        wanted, account = plan.wanted, plan.account
        default = timedelta(seconds=account.default_expires_in)
        end = lifetime.expiry(tx.now, expires_in=wanted.expires_in, expires_at=wanted.expires_at, default=default)
        notice = account.default_expiring_notice if wanted.expiring_notice is None else wanted.expiring_notice
        return NewSession(
            id=plan.session_id,
            account_id=account.id,
            pool_id=wanted.pool.id,
            unique_name=wanted.unique_name,
            metadata=wanted.metadata,
            expires_at=end,
            idle_timeout=wanted.idle_timeout or account.default_idle_timeout,
            cool_down=wanted.cool_down or account.default_cool_down,
            pair_index=plan.pair_index,
            participants=tuple(_participants(tx, plan, chosen)),
            geo_match=wanted.geo_match,
            geo_fallback=wanted.geo_fallback,
            expiring_notice=notice,
            expiring_at=lifetime.told_at(tx.now, end, notice),
        )


def _participants(tx: Transaction, plan: _Plan, chosen: Sequence[UUID]) -> Iterator[NewParticipant]:
    for slot, (seat, number_id) in enumerate(zip(plan.seats, chosen, strict=True), start=1):
        new_id = tx.new_id(plan.bucket)
        yield plan.seating.participant(seat, new_id, number_id, slot=slot, label=seat.person.label)


def same_person(field: str) -> InvalidInput:
    problem = Problem(field, "same_person", "the two participants must be different people")
    return InvalidInput(problem, code="same_person")
