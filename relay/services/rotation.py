"""New keys come, old ones go, and no text is lost over it.

A key is made in the keyring, published in the database by what it answers, and seals from the moment when its time has come and
every process that is alive has it. A process that lacks a key which seals can open what others sealed only after it has read
the keyring again: it is not ready until then. Each step may be repeated, and be left half-way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from uuid import UUID, uuid4

from relay import logs, metrics
from relay.core import keys
from relay.core.errors import KeyringRefused, Tampered
from relay.core.ids import BUCKETS, ENTROPY_BYTES, IdKind, Seed, public
from relay.core.keys import KeyName, Published, Purpose
from relay.storage import keyring as storage
from relay.storage import sealed
from relay.storage.configuration import Configuration
from relay.storage.database import Database, Transaction
from relay.vault.key_store import KeyStore
from relay.vault.keyring import Keyring
from relay.vault.sealing import Sealed
from relay.vault.vault import Vault

_ALIVE = timedelta(seconds=30)  # a process that has not reported for so long is not waited for
_SESSIONS = 100  # whose phones are sealed anew in one transaction


@dataclass(frozen=True, slots=True)
class Spared:
    """A key that could not be destroyed yet: who still seals with it, or how many values it still seals."""

    name: KeyName
    sealers: int
    values: int


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A key as an operator sees it. ``state``: waiting (for its time, or for processes that lack it), seals, opens, destroyed."""

    name: KeyName
    state: str
    use_from: datetime | None
    holders: storage.Holders


@dataclass(slots=True)
class Rotation:
    """Keeps this process's keys and everybody's idea of them together. ``lacks``: keys that should be here by now."""

    database: Database
    configuration: Configuration
    vault: Vault
    store: KeyStore
    owner: UUID = field(default_factory=uuid4)
    lacks: frozenset[KeyName] = frozenset()

    async def look(self) -> None:
        """Seal as everybody does. For a process that does not stay, or has not begun. Raises KeyringRefused when it cannot."""
        self._seal(*await self.database.run(_heard))
        if self.lacks:
            raise KeyringRefused(f"the keyring lacks {_listed(self.lacks)}, which others have: copy theirs here")

    async def learn(self) -> None:
        """Read the keyring if it has changed, tell what it holds, and seal with what everybody has."""
        await self._read_again()
        await self._publish(self.vault.keyring)
        self._seal(*await self.database.run(self._report))

    async def leave(self) -> None:
        """Nobody has to wait for this process any more."""
        await self.database.run(lambda tx: storage.forget_holder(tx, self.owner))

    async def give_up(self) -> list[KeyName]:
        """Note that keys which this keyring has outlived are gone for good: those that it lacks, with a newer one of their
        purpose in it. For a database that was restored from before they were destroyed. Returns them."""
        self._seal(*await self.database.run(_heard))
        newest = {purpose: held[-1].id for purpose, held in self.vault.keyring.all().items()}
        lost = sorted(name for name in self.lacks if name.id < newest[name.purpose])
        for name in lost:
            await self.database.run(partial(_give_up, name))
        return lost

    async def rotate(self, wanted: Collection[Purpose] | None = None) -> list[KeyName]:
        """Make and publish the keys that are due, or those that are asked for; returns those that are new.

        Raises KeyringRefused when the keyring cannot be changed.
        """
        now, known = await self.database.now(), await self.database.run(storage.published)
        due = keys.due(known, now) if wanted is None else dict.fromkeys(wanted, now + keys.PUBLISHED_AHEAD)
        if not due:
            return []
        changed = await asyncio.to_thread(self.store.change, lambda ring: ring.with_next(due, now))
        new = sorted(changed.answers().keys() - {key.name for key in known})
        await self._publish(changed)
        return new

    async def prune(
        self, purposes: Collection[Purpose] = frozenset(keys.KEPT_FOR)
    ) -> tuple[list[KeyName], list[Spared]]:
        """Destroy keys of these purposes that are over, once nothing needs them; phones of open sessions are sealed anew
        first. Returns which are gone, and which could not go yet."""
        gone: list[KeyName] = []
        spared: list[Spared] = []
        known = await self.database.run(storage.published)
        retired = keys.retired(known, await self.database.now())
        for name in (name for name in retired if name.purpose in purposes):
            sealers = (await self.database.run(partial(_holders, name))).seal
            values = 0 if sealers else await self._unseal(name)
            if sealers or values:
                spared.append(Spared(name, sealers, values))
            elif await self.database.run(partial(_destroy, name)):
                gone.append(name)
        over = {key.name for key in await self.database.run(storage.published) if key.destroyed}
        await asyncio.to_thread(self.store.change, lambda ring: ring.without(over))
        await self._read_again()
        return gone, spared

    async def status(self) -> list[KeyStatus]:
        """Every key that there ever was, and which of the processes that are alive have it."""
        known = await self.database.run(storage.published)
        sealing = keys.sealing(known)
        return [
            KeyStatus(
                key.name, keys.state(key, sealing), key.use_from, await self.database.run(partial(_holders, key.name))
            )
            for key in known
        ]

    async def tell(self) -> None:
        """Write into every account's log what has happened to keys. The same event twice is one."""
        news = await self.database.run(storage.untold)
        if not news:
            return
        for account in (await self.configuration.refreshed()).accounts.values():
            for one in news:
                seed = Seed(one.at, sha256(f"{one.type}|{one.name}|{account.id}".encode()).digest()[:ENTROPY_BYTES])
                event_id = seed.id_in(account.bucket)
                await self.database.run(partial(_tell, account.bucket, account.id, event_id, one))
        await self.database.run(lambda tx: storage.told(tx, news))

    async def _unseal(self, name: KeyName) -> int:
        """Seal anew what this key seals and another may; returns how many values are left in all buckets."""
        values = 0
        for bucket in range(BUCKETS):
            left = await self._left(bucket, name)
            if left and name.purpose is Purpose.EPOCH:
                while await self.database.run(partial(self._seal_anew, bucket, name.id)):
                    pass
                left = await self._left(bucket, name)
            values += left
        return values

    async def _left(self, bucket: int, name: KeyName) -> int:
        return await self.database.run(lambda tx: sealed.left(tx, bucket, name), single=True)

    async def _seal_anew(self, bucket: int, key_id: int, tx: Transaction) -> bool:
        """The phones of some open sessions; says whether there may be more."""
        phones = await sealed.lock_phones(tx, bucket, key_id, sessions=_SESSIONS)
        if phones is None:
            return False
        resealed = [again for phone in phones if (again := self._resealed(phone))]
        await sealed.replace_phones(tx, bucket, key_id, resealed)
        return bool(resealed)

    def _resealed(self, phone: sealed.SealedPhone) -> sealed.SealedPhone | None:
        """None for one that does not open: its key stays, in case somebody can mend the row."""
        try:
            plain = self.vault.envelopes.open_phone(
                phone.account_id, phone.participant_id, Sealed(phone.data, phone.key_id)
            )
        except Tampered as error:
            metrics.alarms.labels("unreadable_phone").inc()
            logs.trouble("unreadable_phone", error, account=public(IdKind.ACCOUNT, phone.account_id))
            return None
        again = self.vault.envelopes.seal_phone(phone.account_id, phone.participant_id, plain)
        return sealed.SealedPhone(phone.participant_id, phone.account_id, again.data, again.key_id)

    async def _read_again(self) -> None:
        """Take the keyring's new keys. One that cannot be read, or is another's, changes nothing in this process."""
        try:
            ring = await asyncio.to_thread(self.store.read)
            if ring is not None:
                await self._check(ring)
                self.vault.keyring.take(ring.all())
        except KeyringRefused as error:
            metrics.alarms.labels("keyring_refused").inc()
            logs.trouble("keyring_not_taken", error)

    async def _check(self, ring: Keyring) -> None:
        """Raises KeyringRefused for the keyring of another database, or one that has lost a key."""
        known, answers = await self.database.run(storage.answers), ring.answers()
        if any(answers[name] != answer for name, answer in known.items() if name in answers):
            raise KeyringRefused("the keyring has another key under the number of one that is published")
        if lost := {name for name in self.vault.keyring.answers() if name in known and name not in answers}:
            raise KeyringRefused(f"the keyring has lost {_listed(lost)}")

    async def _publish(self, ring: Keyring) -> None:
        """Make known what the database does not know yet. Raises KeyringRefused when another has published the same number."""
        answers = ring.answers()
        use_from = {KeyName(purpose, key.id): key.use_from for purpose, held in ring.all().items() for key in held}

        async def work(tx: Transaction) -> dict[KeyName, bytes]:
            known = await storage.answers(tx)
            new = {name: answer for name, answer in answers.items() if name not in known}
            if new:
                await storage.publish(
                    tx, new, {n: use_from[n] or tx.now + keys.PUBLISHED_AHEAD for n in new}, in_use=False
                )
            return await storage.answers(tx) if new else known

        known = await self.database.run(work)
        if wrong := {name for name, answer in answers.items() if known.get(name, answer) != answer}:
            raise KeyringRefused(f"another keyring has published {_listed(wrong)} first: copy that one here")

    async def _report(self, tx: Transaction) -> tuple[list[Published], datetime]:
        ring = self.vault.keyring
        seals = [KeyName(purpose, ring.current(purpose).id) for purpose in Purpose]
        await storage.report(tx, self.owner, _ALIVE, ring.answers().keys(), seals)
        await storage.put_in_use(tx)
        return await _heard(tx)

    def _seal(self, published: list[Published], now: datetime) -> None:
        """Forget what is destroyed, seal with what is in use, and know what is missing."""
        ring = self.vault.keyring
        held = ring.answers().keys()
        if gone := {key.name for key in published if key.destroyed and key.name in held}:
            ring.take(ring.without(gone).all())
        self.lacks = frozenset(keys.needed(published, now) - held)
        ring.seal_with(keys.sealing(published))


async def _heard(tx: Transaction) -> tuple[list[Published], datetime]:
    return await storage.published(tx), tx.now


async def _holders(name: KeyName, tx: Transaction) -> storage.Holders:
    return await storage.holders(tx, name)


async def _give_up(name: KeyName, tx: Transaction) -> None:
    await storage.give_up(tx, name)


async def _destroy(name: KeyName, tx: Transaction) -> bool:
    return await storage.destroy(tx, name)


async def _tell(bucket: int, account_id: UUID, event_id: UUID, news: storage.Untold, tx: Transaction) -> None:
    await storage.tell(tx, bucket, account_id, event_id, news)


def _listed(names: Collection[KeyName]) -> str:
    return ", ".join(str(name) for name in sorted(names))
