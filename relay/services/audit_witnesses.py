"""Witnesses of an account's log: whose cosignatures are taken, and the newest head that they have witnessed.

Who its witnesses are, the account says: a key that anybody who may read the log could bring along would prove nothing. Neither is
their coming and going an event, nor that one has signed: the log tells of what happened to people and to what is kept of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from relay.core import cosigning, ids
from relay.core.cosigning import MOST_WITNESSES, Log, Word, stands, words_in
from relay.core.errors import Conflict, InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, Seed
from relay.core.notes import parse_key
from relay.core.tiles import hashes_in, places_of
from relay.storage import audit_reading, audit_witnesses
from relay.storage.audit_witnesses import Witness
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction
from relay.vault.log_keys import verify


@dataclass(frozen=True, slots=True)
class AuditWitnesses:
    database: Database

    async def add(self, account: Account, key: str, seed: Seed) -> Witness:
        """Add a witness by its public key; the same seed again is the same one.

        Raises InvalidInput for what is no key of a witness, Conflict when it is one already or there are too many.
        """
        cosigning.read_witness(key, f"/log/{ids.public(IdKind.ACCOUNT, account.id)}")
        witness_id = seed.id_in(account.bucket)

        async def work(tx: Transaction) -> Sequence[Witness]:
            await audit_witnesses.add(tx, account.id, witness_id, key)
            return await audit_witnesses.listed(tx, account.bucket, account.id)

        there = await self.database.run(work)
        for witness in there:
            if witness.id == witness_id:
                return witness
        if any(witness.key == key for witness in there):
            raise Conflict("this witness is known already", code="witness_known")
        raise Conflict(f"a log has at most {MOST_WITNESSES} witnesses", code="too_many_witnesses")

    async def listed(self, account: Account) -> Sequence[Witness]:
        """Oldest first."""
        return await self.database.run(lambda tx: audit_witnesses.listed(tx, account.bucket, account.id), single=True)

    async def remove(self, account: Account, witness_id: UUID) -> None:
        """Remove a witness with what it has signed. Raises NotFound for unknown and for foreign ids alike."""
        if not await self.database.run(lambda tx: audit_witnesses.remove(tx, account.id, witness_id)):
            raise NotFound

    async def take(self, account: Account, written: str) -> Sequence[Witness]:
        """Take the cosignatures under a head of this account's log; returns who has signed it, as they are kept now.

        Raises InvalidInput when it is no head that this log has signed, or nothing in it is a witness's.
        """
        return await self.database.run(partial(_take, account, written))

    async def checkpoint(self, account: Account) -> str:
        """The newest head that somebody has witnessed, with all their signatures. Raises NotFound when nobody has."""
        words = await self.database.run(lambda tx: audit_witnesses.words(tx, account.bucket, account.id), single=True)
        found = cosigning.witnessed(words)
        if found is None:
            raise NotFound
        return found.written()


async def _take(account: Account, written: str, tx: Transaction) -> Sequence[Witness]:
    known = {parse_key(w.key): w.id for w in await audit_witnesses.listed(tx, account.bucket, account.id)}
    log = await _log(account, tx)
    words = words_in(written, log, known, tx.now, verify)
    if not await _stand(account, log, words, tx):
        # Signed, and yet not what is kept: a head from before a backup was restored, or a log that has two stories.
        raise InvalidInput(Problem("checkpoint", "not_our_head", "this is not what the log holds now"))
    taken = sorted(((known[word.key], word) for word in words), key=lambda one: one[0])
    await audit_witnesses.take(tx, account.id, taken)
    signers = {witness_id for witness_id, _ in taken}
    return [w for w in await audit_witnesses.listed(tx, account.bucket, account.id) if w.id in signers]


async def _log(account: Account, tx: Transaction) -> Log:
    """The log as it is now; of one that does not exist yet there is no head."""
    kept = await audit_witnesses.log(tx, account.bucket, account.id)
    if kept is None:
        return Log("", 0, ())
    keys = await audit_reading.signing_keys(tx, account.bucket, account.id)
    return Log(kept.origin, kept.size, [parse_key(key.verifier) for key in keys])


async def _stand(account: Account, log: Log, words: Sequence[Word], tx: Transaction) -> bool:
    places = places_of([(0, word.size) for word in words])
    kept = await audit_reading.tiles(tx, account.bucket, account.id, places)
    return all(stands(word, log, hashes_in(kept), verify) for word in words)
