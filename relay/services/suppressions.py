"""An account's list of those whom it must not text: read, added to, taken off from, and asked about.

Whatever changes here goes the way of a STOP: whoever asked is answered when every pool knows. Phones come in and none goes out:
the list holds keyed hashes, which only ever answer whether a phone that is given is among them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from relay.core.arrival import Party
from relay.core.errors import Conflict
from relay.core.optouts import LiftReason, OptOutReason, OptOutSource, may_lift
from relay.core.phone import Phone
from relay.storage import people, suppressions
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction
from relay.storage.suppressions import Listed, OptChange, Standing
from relay.vault.vault import Vault

AT_ONCE = 500  # people in one transaction
_MOMENT = timedelta(microseconds=1)  # a wish is newer than the one before it, even when the clock was set back

Standings = dict[bytes, Standing]


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of a list: how many people are new on ours, and how many stood there already or came twice."""

    new: int
    known: int


@dataclass(frozen=True, slots=True)
class Suppressions:
    """``spread`` makes changes known to every pool before it returns."""

    database: Database
    vault: Vault
    spread: Callable[..., Awaitable[None]]

    async def listed(self, account: Account, *, before: UUID | None, limit: int) -> list[Listed]:
        """The newest of the list that are older than ``before``."""
        async with self.database.transaction() as tx:
            return await suppressions.listed(tx, account.bucket, account.id, before=before, limit=limit)

    async def add(self, account: Account, phone: Phone, reason: OptOutReason) -> tuple[Listed, bool]:
        """Put somebody on the list; says whether that was new. Who is on it stays as they are: it may be their own word."""
        party = self.vault.indexes.of(account.id, phone.e164)
        new = await self._add(account, [party], OptOutSource.API, reason)
        standing = await self.database.run(lambda tx: _standing(tx, account, [party]))
        return standing[party.index].listed, new > 0

    async def take_list(
        self,
        account: Account,
        phones: Iterable[Phone],
        reason: OptOutReason,
        *,
        told: Callable[[int], None] | None = None,
    ) -> Counted:
        """Put many people on the list, in steps that each are known everywhere before the next. To be repeated when it breaks
        off: who was taken is known by then. ``told`` hears after each step how many phones are done."""
        parties = [self.vault.indexes.of(account.id, phone.e164) for phone in phones]
        new = 0
        for start in range(0, len(parties), AT_ONCE):
            new += await self._add(account, parties[start : start + AT_ONCE], OptOutSource.IMPORT, reason)
            if told is not None:
                told(min(start + AT_ONCE, len(parties)))
        return Counted(new, len(parties) - new)

    async def check(self, account: Account, phones: Sequence[Phone]) -> list[bool]:
        """Of each phone, whether its person has opted out."""
        parties = [self.vault.indexes.of(account.id, phone.e164) for phone in phones]
        async with self.database.transaction() as tx:
            indexes = [index for party in parties for index in party.indexes]
            found = await suppressions.among(tx, account.bucket, account.id, indexes)
        return [not found.isdisjoint(party.indexes) for party in parties]

    async def lift(self, account: Account, phone: Phone, reason: LiftReason | None) -> bool:
        """Take somebody off the list; says whether they were on it.

        Raises Conflict ``opt_out_is_theirs`` where only they themselves take it back.
        """
        party = self.vault.indexes.of(account.id, phone.e164)

        async def work(tx: Transaction) -> list[OptChange]:
            standing = (await _standing(tx, account, [party])).get(party.index)
            if standing is None or not standing.opted_out:
                return []
            if not may_lift(standing.listed.source, reason):
                words = "this person has opted out themselves: they come back by START, or give operator_reason"
                raise Conflict(words, code="opt_out_is_theirs")
            change = _change(tx, account, party, standing, opted_out=False, source=OptOutSource.API, reason=reason)
            return await _begin(tx, account, [change])

        return bool(await self._carry_out(work))

    async def _add(self, account: Account, parties: list[Party], source: OptOutSource, reason: OptOutReason) -> int:
        """Returns how many were new."""
        return await self._carry_out(partial(_begin_adding, account, parties, source, reason))

    async def _carry_out(self, work: Callable[[Transaction], Awaitable[list[OptChange]]]) -> int:
        """What is begun is known everywhere when this returns; says how many changes there were."""
        changes = await self.database.run(work)
        if changes:
            await self.spread(*changes)
        return len(changes)


async def _begin_adding(
    account: Account, parties: Sequence[Party], source: OptOutSource, reason: OptOutReason, tx: Transaction
) -> list[OptChange]:
    unique = list({party.index: party for party in parties}.values())
    standing = await _standing(tx, account, unique)
    return await _begin(
        tx,
        account,
        [
            _change(tx, account, party, known, opted_out=True, source=source, reason=reason)
            for party in unique
            for known in [standing.get(party.index)]
            if known is None or not known.opted_out
        ],
    )


async def _begin(tx: Transaction, account: Account, changes: list[OptChange]) -> list[OptChange]:
    """Write changes into the list, and that they are on their way."""
    if changes:
        await suppressions.suppress(tx, account.bucket, *changes)
        await suppressions.begin_fanout(tx, account.bucket, *changes)
    return changes


async def _standing(tx: Transaction, account: Account, parties: Sequence[Party]) -> Standings:
    """What the list says of these people under the index that they have now, kept from changing."""
    for party in parties:
        await people.recognise_suppression(tx, account.bucket, account.id, party)
    return await suppressions.lock_listed(tx, account.bucket, account.id, [party.index for party in parties])


def _change(
    tx: Transaction,
    account: Account,
    party: Party,
    known: Standing | None,
    *,
    opted_out: bool,
    source: OptOutSource,
    reason: str | None,
) -> OptChange:
    """A change that is newer than what is known. Its row's id is that of the transaction's own bucket, the account's."""
    ids = tx.new_id(account.bucket), account.id
    at = tx.now if known is None else max(tx.now, known.listed.since + _MOMENT)
    return OptChange(*ids, party.index, party.key_id, opted_out, at, party.others, source, reason)
