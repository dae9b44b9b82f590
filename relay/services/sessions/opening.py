"""Opening a session: a number for each of two people, that neither of them texts anybody else by.

Chosen outside of any lock, taken by the statement that writes the session. Whoever loses a race for a number rolls back and
chooses again without it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from relay.core import lifetime
from relay.core.arrival import Party
from relay.core.assignment import PoolNumber, Unassigned, Wish, choose, no_number
from relay.core.destination import refuse_destination
from relay.core.errors import Conflict, InvalidInput, Problem, Tampered
from relay.core.ids import Seed
from relay.core.model import GeoMatch, NumberState, VerificationPurpose
from relay.core.phone import Phone
from relay.core.verification import Claim, Proof, bad_token, refuse_unproved
from relay.storage import numbers, people, sessions, verifications
from relay.storage.configuration import Account, Configuration, Directory, Pool
from relay.storage.database import Database, Transaction
from relay.storage.sessions import NewParticipant, NewSession
from relay.vault.vault import Vault

_MOST_TRIES = 64


@dataclass(frozen=True, slots=True)
class PersonWanted:
    """One of the two people of a session to be opened."""

    phone: Phone
    label: str = ""
    token: str | None = field(default=None, repr=False)  #: proves the phone, where the pool requires it


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
    metadata: Mapping[str, str] = field(default_factory=dict)


class _LostRace(Exception):
    """Somebody else was given a number first: roll back, choose again without it."""

    def __init__(self, lost: set[tuple[UUID, bytes]]) -> None:
        self.lost = lost


@dataclass(frozen=True, slots=True)
class _Plan:
    """What does not change from try to try. ``parties`` are the two people, in slot order."""

    account: Account
    wanted: SessionWanted
    session_id: UUID
    numbers: Sequence[PoolNumber]
    parties: tuple[Party, Party]
    pair_index: bytes
    other_pairs: Sequence[bytes] = ()  #: under the keyring's other keys


@dataclass(frozen=True, slots=True)
class Opening:
    """Opens sessions, or says what one would be opened with."""

    database: Database
    configuration: Configuration
    vault: Vault

    async def open(self, account: Account, wanted: SessionWanted, seed: Seed) -> UUID:
        """Open a session, as ``Sessions.open`` says; returns its id."""
        plan = await self._plan(account, wanted, seed)
        lost: set[tuple[UUID, bytes]] = set()
        for _ in range(_MOST_TRIES):
            try:
                await self.database.run(partial(self._try, plan, frozenset(lost)))
                return plan.session_id
            except _LostRace as race:
                lost |= race.lost
                await asyncio.sleep(0)
        raise Conflict("too many sessions are being opened for the same people at once", code="busy", retry_after=1)

    async def dry_run(self, account: Account, wanted: SessionWanted) -> Sequence[UUID]:
        """The numbers that a session would be given now, in the order of its people."""
        plan = await self._plan(account, wanted, Seed(await self.database.now(), secrets.token_bytes(10)))
        async with self.database.transaction() as tx:
            known = await sessions.opted_out(tx, wanted.pool.bucket, [i for p in plan.parties for i in p.indexes])
            _refuse_opted_out(known)
            await self._refuse_unproved(tx, plan, use=False)
            return await self._choose(tx, plan, frozenset())

    async def _plan(self, account: Account, wanted: SessionWanted, seed: Seed) -> _Plan:
        directory = await self.configuration.current()
        _check_people(account, wanted, directory)
        if not wanted.pool.ready:
            raise Conflict("the pool is still being prepared", code="pool_preparing", retry_after=1)
        one, other = (self.vault.indexes.of(account.id, person.phone.e164) for person in wanted.people)
        bucket = wanted.pool.bucket
        async with self.database.single() as tx:
            choosable = await numbers.choosable(tx, bucket, directory.numbers_by_pool.get(wanted.pool.id, ()))
        return _Plan(
            account=account,
            wanted=wanted,
            session_id=seed.id_in(bucket),
            numbers=choosable,
            parties=(one, other),
            pair_index=self.vault.indexes.pair(account.id, one, other),
            other_pairs=self.vault.indexes.other_pairs(account.id, one, other),
        )

    async def _try(self, plan: _Plan, lost: frozenset[tuple[UUID, bytes]], tx: Transaction) -> None:
        bucket, wanted = plan.wanted.pool.bucket, plan.wanted
        if await sessions.read(tx, bucket, plan.account.id, [plan.session_id]):
            return  # an earlier try was committed unseen: choosing again would find its numbers held by these people
        await people.recognise(tx, bucket, plan.parties)
        await people.recognise_pair(tx, bucket, plan.parties, plan.pair_index, plan.other_pairs)
        known = await sessions.meet(tx, bucket, [(p.index, p.key_id) for p in plan.parties])
        _refuse_opted_out(known)
        await self._refuse_unproved(tx, plan, use=True)
        chosen = await self._choose(tx, plan, lost)
        states = await numbers.lock_states(tx, bucket, chosen)
        pairs = {(n, p.index) for n, p in zip(chosen, plan.parties, strict=True)}
        if withdrawn := {pair for pair in pairs if states.get(pair[0]) is not NumberState.READY}:
            raise _LostRace(withdrawn)
        idle = plan.wanted.idle_timeout or plan.account.default_idle_timeout
        end, notice = self._expiry(tx, plan), _expiring_notice(plan)
        won = await sessions.open_session(
            tx,
            bucket,
            NewSession(
                id=plan.session_id,
                account_id=plan.account.id,
                pool_id=wanted.pool.id,
                unique_name=wanted.unique_name,
                metadata=wanted.metadata,
                expires_at=end,
                idle_timeout=idle,
                cool_down=wanted.cool_down or plan.account.default_cool_down,
                expiring_notice=notice,
                expiring_at=lifetime.told_at(tx.now, end, notice),
                pair_index=plan.pair_index,
                participants=tuple(self._participants(tx, plan, chosen)),
            ),
        )
        if won is not None and won != pairs:
            raise _LostRace(pairs - won)

    async def _refuse_unproved(self, tx: Transaction, plan: _Plan, *, use: bool) -> None:
        """Take the proofs of the two people, or only look at them. Raises InvalidInput unless that is all right."""
        pool, account, purpose = plan.wanted.pool, plan.account, VerificationPurpose.SESSION
        proofs: dict[str, Proof | None] = {}
        for i, (party, person) in enumerate(zip(plan.parties, plan.wanted.people, strict=True)):
            where = f"participants.{i}.verification_token"
            claims = [Claim(account.id, index, purpose) for index in party.indexes]
            proofs[where] = self._proof(where, claims, person.token)
        ours = [proof for proof in proofs.values() if proof is not None]
        found: Sequence[UUID] = ()
        if ours and use:
            found = await verifications.use(tx, pool.bucket, account.id, purpose, ours, used_by=plan.session_id)
        elif ours:
            found = await verifications.good(tx, pool.bucket, account.id, purpose, ours)
        refuse_unproved(proofs, found, required=pool.require_verified)

    def _proof(self, where: str, claims: Sequence[Claim], token: str | None) -> Proof | None:
        """What a token proves, if one was given. Raises InvalidInput for one that we signed for none of these claims."""
        if token is None:
            return None
        try:
            return self.vault.tokens.proof(token, claims)
        except Tampered:
            raise InvalidInput(bad_token(where), code="verification_token_invalid") from None

    def _expiry(self, tx: Transaction, plan: _Plan) -> datetime:
        default = timedelta(seconds=plan.account.default_expires_in)
        wanted = plan.wanted
        return lifetime.expiry(tx.now, expires_in=wanted.expires_in, expires_at=wanted.expires_at, default=default)

    async def _choose(self, tx: Transaction, plan: _Plan, lost: frozenset[tuple[UUID, bytes]]) -> list[UUID]:
        """A number for each of the two. Raises Conflict ``no_number_available`` with the reason."""
        held = await sessions.held(tx, plan.wanted.pool.bucket, [i for p in plan.parties for i in p.indexes])
        chosen: list[UUID] = []
        for party, person in zip(plan.parties, plan.wanted.people, strict=True):
            wish = Wish(
                country=person.phone.country,
                area_code=person.phone.area_code,
                geo_match=plan.wanted.geo_match,
                pair_index=plan.pair_index,
                chance=secrets.randbelow(1 << 30),
                excluded=frozenset(number_id for number_id, index in lost if index == party.index),
            )
            choice = choose(plan.numbers, [one for index in party.indexes for one in held[index]], wish)
            if isinstance(choice, Unassigned):
                raise no_number(choice, tx.now)
            chosen.append(choice)
        return chosen

    def _participants(self, tx: Transaction, plan: _Plan, chosen: Sequence[UUID]) -> list[NewParticipant]:
        bucket = plan.wanted.pool.bucket
        made: list[NewParticipant] = []
        for slot, (person, party, number_id) in enumerate(
            zip(plan.wanted.people, plan.parties, chosen, strict=True), start=1
        ):
            participant_id = tx.new_id(bucket)
            sealed = self.vault.envelopes.seal_phone(plan.account.id, participant_id, person.phone.e164)
            made.append(
                NewParticipant(
                    participant_id, slot, person.label, party.index, number_id, sealed.data, epoch_id=sealed.key_id
                )
            )
        return made


def _expiring_notice(plan: _Plan) -> int:
    wanted = plan.wanted.expiring_notice
    return plan.account.default_expiring_notice if wanted is None else wanted


def _check_people(account: Account, wanted: SessionWanted, directory: Directory) -> None:
    one, other = (person.phone for person in wanted.people)
    if one == other:
        problem = Problem("participants.1.phone", "same_person", "the two participants must be different people")
        raise InvalidInput(problem, code="same_person")
    ours = frozenset(n.country for n in directory.numbers.values() if n.account_id == account.id)
    allowed = frozenset(account.allowed_countries) or (ours if wanted.geo_match is GeoMatch.ANY else frozenset())
    for i, phone in enumerate((one, other)):
        # Only the account's own: an answer about another account's numbers would be a way to find them out.
        is_own = (account.id, phone.e164) in directory.number_by_e164
        refuse_destination(phone, f"participants.{i}.phone", is_own_number=is_own, allowed=allowed)


def _refuse_opted_out(known: Mapping[bytes, bool]) -> None:
    if any(known.values()):
        raise Conflict("a participant has opted out of texts from this account", code="participant_opted_out")
