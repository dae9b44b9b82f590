"""The same POST again gets the same answer: key, work, answer stored; each step repeatable after a crash."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from relay.core import ids
from relay.core.errors import Conflict, InvalidInput, Problem
from relay.core.ids import Seed
from relay.core.keys import Purpose
from relay.storage import idempotency, people
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction
from relay.storage.idempotency import RequestKey
from relay.vault.sealing import Place, Sealed
from relay.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer."""

    status: int
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Begun:
    """A request whose work is ours to do."""

    request: RequestKey
    seed: Seed


@dataclass(frozen=True, slots=True)
class Idempotency:
    """``lasting``: how long a request counts as being worked on. A process that died in it is not waited for any longer."""

    database: Database
    vault: Vault
    lasting: timedelta

    async def begin(self, account: Account, key: str, asked: bytes) -> Begun | Answer:
        """Begin the work under this key, or give the answer that it has had.

        Raises InvalidInput ``idempotency_key_reused`` for another request under the same key, and Conflict
        ``request_in_progress`` while the first one is being worked on.
        """
        imprints = self.vault.indexes.imprints(
            lambda hashed: (
                hashed("idempotency key", account.id.bytes, key.encode()),
                hashed("idempotent request", account.id.bytes, asked),
            )
        )
        keys = [RequestKey(account.bucket, account.id, one.key, one.fingerprint) for one in imprints]
        oldest = min(imprints, key=lambda one: one.key_id).key
        entropy = secrets.token_bytes(ids.ENTROPY_BYTES)

        async def work(tx: Transaction) -> Begun | Answer:
            request = await _known_as(tx, keys, oldest)
            seed = await idempotency.begin(tx, request, entropy, self.lasting)
            if seed is not None:
                return Begun(request, seed)
            return self._known(request, await idempotency.read(tx, request))

        return await self.database.run(work)

    def _known(self, request: RequestKey, known: idempotency.Known | None) -> Begun | Answer:
        if known is None:
            raise _in_progress()
        if known.fingerprint != request.fingerprint:
            problem = Problem(
                "Idempotency-Key", "idempotency_key_reused", "was used for another request; take a new one"
            )
            raise InvalidInput(problem, code="idempotency_key_reused")
        if known.status is None or known.sealed_answer is None or known.transit_id is None:
            raise _in_progress()
        sealed = Sealed(known.sealed_answer, known.transit_id)
        return Answer(known.status, self.vault.sealing.open(Purpose.TRANSIT, _place(request, known.seed), sealed))

    async def finish(self, begun: Begun, answer: Answer) -> None:
        """Store the answer. Losing it here costs nothing: the same request makes the same thing again."""
        request = begun.request
        sealed = self.vault.sealing.seal(Purpose.TRANSIT, _place(request, begun.seed), answer.body)
        status, key_id = answer.status, sealed.key_id
        await self.database.run(
            lambda tx: idempotency.finish(tx, request, status=status, sealed_answer=sealed.data, transit_id=key_id),
            single=True,
        )

    async def let_go(self, begun: Begun) -> None:
        """Nothing came of it: the same request may be tried again at once."""
        await self.database.run(lambda tx: idempotency.let_go(tx, begun.request))

    async def forget(self, bucket: int) -> int:
        """Forget answers that are a day old; says how many."""
        return await self.database.run(lambda tx: idempotency.forget(tx, bucket, limit=100))


async def _known_as(tx: Transaction, keys: Sequence[RequestKey], oldest: bytes) -> RequestKey:
    """The key under which a request was begun, which may have been another than the one in use."""
    if len(keys) == 1:
        return keys[0]
    await people.agree(tx, keys[0].bucket, [oldest])
    for key in keys[1:]:
        if await idempotency.read(tx, key) is not None:
            return key
    return keys[0]


def _place(request: RequestKey, seed: Seed) -> Place:
    return Place(request.account_id, request.bucket, seed.id_in(request.bucket), "idempotency.answer")


def _in_progress() -> Conflict:
    return Conflict("the first request under this key is being worked on", code="request_in_progress", retry_after=1)
