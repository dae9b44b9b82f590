"""Sealing events into the audit logs of their accounts, so that what was done can be proved, and nothing be changed unseen.

An event is sealed in three steps: what it says is read beside it; it is entered into its account's tree, whose row is held
meanwhile; and it is marked. Whoever is killed in between leaves an event without its mark: it is found again, entered no second
time, and marked. Two sealers of one account wait for each other; the lease of its bucket only spares them that.

Events are found by their missing marks, never by a place up to which all were sealed: what committed late has an id from before.
The looks begin a little before where the last one ended, ``sweep`` goes through everything there is again and again, and nothing
is forgotten unsealed.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from relay.core import entries
from relay.core.entries import Fact, Thing
from relay.core.ids import IdKind, first_id_at, made_at, public
from relay.core.notes import Checkpoint
from relay.core.tiles import Growth, unfinished
from relay.precedence import give_way
from relay.storage import audit_log, sealing
from relay.storage.audit_log import NewEntry, Told, Tree
from relay.storage.configuration import Account, Configuration, Directory
from relay.storage.database import Database, Transaction
from relay.vault.vault import Vault

_BATCH = 250  # events entered at once: their records are written and hashed without a pause
_STEP = 1000  # events looked through at once
_OVERLAP = timedelta(seconds=10)  # a transaction that waits is ended after five
_FIRST, _LONG_AGO = UUID(int=0), datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AuditLog:
    """``host``: where the installation is found; part of the name of every log that begins here."""

    database: Database
    configuration: Configuration
    vault: Vault
    host: str
    _looked_to: dict[tuple[UUID, int], datetime] = field(default_factory=dict)
    _swept: dict[tuple[UUID, int], UUID] = field(default_factory=dict)

    async def seal(self, bucket: int) -> int:
        """Seal new events of the accounts whose log lies in a bucket, wherever they happened; says how many."""
        directory, done = await self.configuration.current(), 0
        for account in directory.accounts_by_bucket.get(bucket, ()):
            for place in sorted(directory.buckets_of(account.id)):
                done += await self._seal_new(account, place)
        return done

    async def sweep(self, bucket: int) -> int:
        """Look through one more step of all events of these accounts, for such as were missed; says how many were."""
        directory, done = await self.configuration.current(), 0
        for account in directory.accounts_by_bucket.get(bucket, ()):
            for place in sorted(directory.buckets_of(account.id)):
                done += await self._sweep(account, place)
        return done

    async def seal_these(self, place: int, event_ids: Sequence[UUID]) -> None:
        """Seal those of these events of a bucket that are not."""
        found = await self.database.run(lambda tx: sealing.unsealed(tx, place, event_ids), single=True)
        accounts = (await self.configuration.refreshed()).accounts if found else {}
        for account_id, missed in found.items():
            await self._append(accounts[account_id], place, missed)

    async def erase_session(self, account_id: UUID, session_id: UUID) -> None:
        """Erase what the log says of an erased session, but that it was erased. What is sealed later is entered erased."""
        bucket = (await self.configuration.current()).accounts[account_id].bucket
        while await self.database.run(partial(_erase, bucket, account_id, session_id)):
            pass

    async def forget(self, bucket: int) -> int:
        """Forget a small batch of what entries stood for, of the accounts whose log lies in a bucket; says how many."""
        done = 0
        for account in (await self.configuration.current()).accounts_by_bucket.get(bucket, ()):
            done += await self.database.run(partial(_forget, account))
        return done

    async def _seal_new(self, account: Account, place: int) -> int:
        """From a little before where the last look ended to the end, or until a batch is sealed."""
        whose = account.id, place
        async with self.database.single() as tx:
            now = tx.now
        if whose not in self._looked_to:
            began = await self.database.run(lambda tx: sealing.looked_to(tx, place, account.id), single=True)
            self._looked_to[whose] = began or _LONG_AGO
        # Where a clock was set back, ids are lower than those of the last look.
        behind = first_id_at(place, max(_LONG_AGO, min(self._looked_to[whose], now) - _OVERLAP))
        done = 0
        while done < _BATCH:
            look = await self._look(account, place, behind)
            await self._append(account, place, look.unsealed)
            done, behind = done + len(look.unsealed), look.last or behind
            if look.seen < _STEP:
                break
        if done:
            until = self._looked_to[whose] = min(made_at(behind), now)
            await self.database.run(lambda tx: sealing.go_on_from(tx, place, account.id, until), single=True)
        return done

    async def _sweep(self, account: Account, place: int) -> int:
        whose = account.id, place
        look = await self._look(account, place, self._swept.get(whose, _FIRST))
        await self._append(account, place, look.unsealed)
        self._swept[whose] = look.last if look.last and look.seen == _STEP else _FIRST
        return len(look.unsealed)

    async def _look(self, account: Account, place: int, behind: UUID) -> sealing.Look:
        return await self.database.run(
            lambda tx: sealing.look(tx, place, account.id, behind=behind, limit=_STEP), single=True
        )

    async def _append(self, account: Account, place: int, event_ids: Sequence[UUID]) -> None:
        for at in range(0, len(event_ids), _BATCH):
            began, some = time.monotonic(), event_ids[at : at + _BATCH]
            found = await self.database.run(partial(_read, place, some), single=True)
            known = await self._with_numbers(found)
            await self.database.run(partial(self._enter, account, known))
            await self.database.run(partial(_mark, place, known), single=True)
            await give_way(time.monotonic() - began)

    async def _with_numbers(self, found: Sequence[Fact]) -> list[Fact]:
        """With the provider and the country of the numbers that events are about, or texts go by, where they are still here."""
        directory = await self.configuration.current()
        return [_with_number(fact, directory) for fact in found]

    async def _enter(self, account: Account, facts: Sequence[Fact], tx: Transaction) -> None:
        """Append to the account's tree what is not in it. Everything or nothing; nobody appends beside it."""
        tree = await self._locked(tx, account)
        known = await audit_log.entered(tx, account.bucket, [fact.id for fact in facts])
        if erased := [fact.id for fact in facts if fact.is_erased and fact.id in known]:
            await audit_log.erase_entries(tx, account.bucket, erased)
        fresh = [fact for fact in facts if fact.id not in known]
        if fresh:
            await self._grow(tx, account, tree, fresh)

    async def _locked(self, tx: Transaction, account: Account) -> Tree:
        tree = await audit_log.lock(tx, account.bucket, account.id)
        while tree is None:
            origin = f"{self.host}/log/{public(IdKind.ACCOUNT, account.id)}"
            key = secrets.token_bytes(entries.REF_KEY_BYTES)
            await audit_log.begin(tx, account.bucket, account.id, origin=origin, reference_key=key)
            tree = await audit_log.lock(tx, account.bucket, account.id)
        return tree

    async def _grow(self, tx: Transaction, account: Account, tree: Tree, fresh: Sequence[Fact]) -> None:
        bucket = account.bucket
        growth = Growth(tree.size, await audit_log.tiles(tx, bucket, account.id, unfinished(tree.size)))
        told = [_told(fact, tree.reference_key) for fact in fresh]
        growth.take(entries.leaf_of(one.salt, one.record) for one in told)
        head = self.vault.log_keys.head(Checkpoint(tree.origin, growth.size, growth.root()))
        signers = {key.id: key.key.written() for key in self.vault.log_keys.of(tree.origin)}
        new = [_entry(tree, n, fact, one) for n, (fact, one) in enumerate(zip(fresh, told, strict=True))]
        await audit_log.enter(tx, bucket, account.id, new)
        await audit_log.keep_tiles(tx, bucket, account.id, growth.changed)
        await audit_log.note_keys(tx, bucket, account.id, growth.size, signers)
        if not await audit_log.grow(tx, bucket, account.id, old=tree.size, new=growth.size, checkpoint=head.written()):
            raise RuntimeError("a tree has grown while its row was held")


def _with_number(fact: Fact, directory: Directory) -> Fact:
    number_id = fact.number_id or fact.carried_by
    number = directory.numbers.get(number_id) if number_id else None
    connection = directory.connections.get(number.connection_id) if number else None
    if number is None or connection is None:
        return fact
    return replace(fact, provider=connection.provider, country=number.country)


def _told(fact: Fact, key: bytes) -> Told:
    """What an event says, with fresh salt. Of one that is erased it is made and thrown away: its leaf looks like any other."""
    return Told(
        type=fact.type,
        reason=fact.reason,
        at=entries.coarsened(fact.type, fact.at),
        session_ref=entries.reference(key, Thing.SESSION, fact.session_id) if fact.session_id else None,
        salt=secrets.token_bytes(entries.SALT_BYTES),
        record=entries.record_of(fact, key),
    )


def _entry(tree: Tree, place: int, fact: Fact, told: Told) -> NewEntry:
    ref = entries.reference(tree.reference_key, Thing.ENTRY, fact.id)
    return NewEntry(tree.size + place, fact.id, ref, None if fact.is_erased else told)


async def _read(place: int, event_ids: Sequence[UUID], tx: Transaction) -> list[Fact]:
    return await sealing.facts(tx, place, event_ids)


async def _mark(place: int, facts: Sequence[Fact], tx: Transaction) -> None:
    await sealing.mark(tx, place, facts)


async def _erase(bucket: int, account_id: UUID, session_id: UUID, tx: Transaction) -> int:
    tree = await audit_log.lock(tx, bucket, account_id)
    if tree is None:
        return 0
    ref = entries.reference(tree.reference_key, Thing.SESSION, session_id)
    return await audit_log.erase_session(tx, bucket, account_id, ref, limit=_BATCH)


async def _forget(account: Account, tx: Transaction) -> int:
    return await audit_log.forget(tx, account.bucket, account.id, limit=_BATCH)
