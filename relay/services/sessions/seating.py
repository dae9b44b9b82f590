"""What it takes to give a person a seat in a session: a phone that we may text, a proof where the pool wants one, a number.

Opening and replacing do it alike. Numbers are chosen outside of any lock and taken by the statement that writes the seat;
whoever loses a race for one rolls everything back and chooses again without it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TypeVar
from uuid import UUID

from relay.core.arrival import Party
from relay.core.assignment import Held, PoolNumber, Unassigned, Wish, choose, may_hold, no_number, take
from relay.core.destination import refuse_destination
from relay.core.errors import Conflict, InvalidInput, Tampered
from relay.core.model import GeoFallback, GeoMatch, VerificationPurpose
from relay.core.phone import Phone
from relay.core.verification import Claim, Proof, bad_token, refuse_unproved
from relay.storage import numbers, sessions, verifications
from relay.storage.configuration import Account, Directory, Pool
from relay.storage.database import Database, Transaction
from relay.storage.sessions import NewParticipant
from relay.vault.vault import Vault

T = TypeVar("T")

_MOST_TRIES = 64


@dataclass(frozen=True, slots=True)
class PersonWanted:
    """Somebody who is to be in a session."""

    phone: Phone
    label: str = ""
    token: str | None = field(default=None, repr=False)  #: proves the phone, where the pool requires it
    proxy_number: str | None = None  #: the number of ours that they shall text, no other


@dataclass(frozen=True, slots=True)
class Geo:
    """How near a number has to be."""

    match: GeoMatch = GeoMatch.COUNTRY
    fallback: GeoFallback = GeoFallback.STRICT

    @property
    def reaches_anywhere(self) -> bool:
        return self.match is GeoMatch.ANY or self.fallback is GeoFallback.NEAREST


@dataclass(frozen=True, slots=True)
class Seat:
    """One person who is to have a seat. ``place``: where the request names them, with a dot behind it unless it is empty."""

    person: PersonWanted
    party: Party
    place: str

    def field(self, name: str) -> str:
        return f"{self.place}{name}"


class LostRace(Exception):
    """Somebody else was given a number first: roll back, choose again without it."""

    def __init__(self, lost: Set[tuple[UUID, bytes]] = frozenset()) -> None:
        self.lost = lost


async def until_won(database: Database, attempt: Callable[[Set[tuple[UUID, bytes]], Transaction], Awaitable[T]]) -> T:
    """Carry out ``attempt`` in a transaction, and while others are faster again, with all that was lost to them. Raises Conflict
    ``busy``."""
    lost: set[tuple[UUID, bytes]] = set()
    for _ in range(_MOST_TRIES):
        try:
            return await database.run(partial(attempt, frozenset(lost)))
        except LostRace as race:
            lost |= race.lost
            await asyncio.sleep(0)
    message = "too many sessions are being opened for the same people at once"
    raise Conflict(message, code="busy", retry_after=1)


@dataclass(frozen=True)
class Seating:
    """Seats of one pool, for one account, as its numbers stand now."""

    vault: Vault
    account: Account
    pool: Pool
    directory: Directory
    geo: Geo
    numbers: Sequence[PoolNumber]

    @classmethod
    async def at(
        cls, database: Database, vault: Vault, account: Account, pool: Pool, directory: Directory, *, geo: Geo
    ) -> Seating:
        """Raises Conflict ``pool_preparing``."""
        if not pool.ready:
            raise Conflict("the pool is still being prepared", code="pool_preparing", retry_after=1)
        async with database.single() as tx:
            choosable = await numbers.choosable(tx, pool.bucket, directory.numbers_by_pool.get(pool.id, ()))
        return cls(vault, account, pool, directory, geo, choosable)

    def seat(self, person: PersonWanted, place: str) -> Seat:
        """Raises InvalidInput ``own_number`` and ``country_not_allowed``."""
        phone = person.phone
        # Only the account's own: an answer about another account's numbers would be a way to find them out.
        is_own = (self.account.id, phone.e164) in self.directory.number_by_e164
        refuse_destination(phone, f"{place}phone", is_own_number=is_own, allowed=self._allowed)
        return Seat(person, self.vault.indexes.of(self.account.id, phone.e164), place)

    @cached_property
    def _allowed(self) -> frozenset[str]:
        """Countries that may be texted, empty for all: those of the account's numbers where nothing else ties a person to one."""
        ours = frozenset(n.country for n in self.directory.numbers.values() if n.account_id == self.account.id)
        return frozenset(self.account.allowed_countries) or (ours if self.geo.reaches_anywhere else frozenset())

    async def refuse_unproved(self, tx: Transaction, seats: Sequence[Seat], *, used_by: UUID | None) -> None:
        """Take the proofs of these people for something, or only look at them (None). Raises InvalidInput unless that is all
        right."""
        account, purpose, bucket = self.account, VerificationPurpose.SESSION, self.pool.bucket
        proofs = {seat.field("verification_token"): self._proof(seat, purpose) for seat in seats}
        ours = [proof for proof in proofs.values() if proof is not None]
        found: Sequence[UUID] = ()
        if ours and used_by is not None:
            found = await verifications.use(tx, bucket, account.id, purpose, ours, used_by=used_by)
        elif ours:
            found = await verifications.good(tx, bucket, account.id, purpose, ours)
        refuse_unproved(proofs, found, required=self.pool.require_verified)

    def _proof(self, seat: Seat, purpose: VerificationPurpose) -> Proof | None:
        """What a token proves, if one was given. Raises InvalidInput for one that we signed for none of these claims."""
        if seat.person.token is None:
            return None
        claims = [Claim(self.account.id, index, purpose) for index in seat.party.indexes]
        try:
            return self.vault.tokens.proof(seat.person.token, claims)
        except Tampered:
            problem = bad_token(seat.field("verification_token"))
            raise InvalidInput(problem, code="verification_token_invalid") from None

    async def choose(
        self, tx: Transaction, seats: Sequence[Seat], pair_index: bytes, lost: Set[tuple[UUID, bytes]]
    ) -> list[UUID]:
        """A number for each of these people. Raises Conflict ``no_number_available`` with the reason."""
        held = await sessions.held(tx, self.pool.bucket, [i for seat in seats for i in seat.party.indexes])
        chosen: list[UUID] = []
        for seat in seats:
            theirs = [one for index in seat.party.indexes for one in held[index]]
            choice = self._choice(seat, theirs, self._wish(seat, pair_index, lost))
            if isinstance(choice, Unassigned):
                raise no_number(choice, tx.now)
            chosen.append(choice)
        return chosen

    def _choice(self, seat: Seat, held: Sequence[Held], wish: Wish) -> UUID | Unassigned:
        if seat.person.proxy_number is None:
            return choose(self.numbers, held, wish)
        named = self.directory.number_by_e164.get((self.account.id, seat.person.proxy_number))
        return take(self.numbers, held, named.id if named else None, wish)

    def _wish(self, seat: Seat, pair_index: bytes, lost: Set[tuple[UUID, bytes]]) -> Wish:
        phone = seat.person.phone
        return Wish(
            country=phone.country,
            area_code=phone.area_code,
            calling_code=phone.calling_code,
            geo_match=self.geo.match,
            geo_fallback=self.geo.fallback,
            pair_index=pair_index,
            chance=secrets.randbelow(1 << 30),
            excluded=frozenset(number_id for number_id, index in lost if index == seat.party.index),
        )

    async def keep(self, tx: Transaction, seats: Sequence[Seat], chosen: Sequence[UUID]) -> set[tuple[UUID, bytes]]:
        """Keep the chosen numbers from being withdrawn; returns them with who gets each. Raises LostRace where one was."""
        states = await numbers.lock_states(tx, self.pool.bucket, chosen)
        pairs, withdrawn = set(), set()
        for seat, number_id in zip(seats, chosen, strict=True):
            pair = (number_id, seat.party.index)
            pairs.add(pair)
            state = states.get(number_id)
            if state is None or not may_hold(state, is_named=seat.person.proxy_number is not None):
                withdrawn.add(pair)
        if withdrawn:
            raise LostRace(withdrawn)
        return pairs

    def participant(
        self, seat: Seat, participant_id: UUID, number_id: UUID, *, slot: int, label: str
    ) -> NewParticipant:
        """A person in their seat: their phone is sealed, and they have their number."""
        sealed = self.vault.envelopes.seal_phone(self.account.id, participant_id, seat.person.phone.e164)
        index = seat.party.index
        return NewParticipant(participant_id, slot, label, index, number_id, sealed.data, epoch_id=sealed.key_id)


def refuse_opted_out(known: Mapping[bytes, bool]) -> None:
    if any(known.values()):
        raise Conflict("a participant has opted out of texts from this account", code="participant_opted_out")
