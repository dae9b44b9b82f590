"""Pools: the numbers that sessions draw from. A new pool is prepared before anybody may open a session in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.core import ids
from relay.core.errors import Conflict, NotFound
from relay.core.ids import IdKind, Seed
from relay.core.rules import Rule, check
from relay.storage import accounts, numbers, suppressions
from relay.storage.configuration import Account, Configuration, Pool
from relay.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class PoolReport:
    """How full a pool is. ``headroom``: how many more sessions its busiest person could hold at once."""

    pool: Pool
    numbers: Mapping[str, Mapping[str, int]]  #: country -> state -> count
    open_sessions: int
    busiest_person: int
    headroom: int


@dataclass(frozen=True, slots=True)
class Pools:
    database: Database
    configuration: Configuration

    async def add(self, account: Account, name: str, seed: Seed, *, require_verified: bool = False) -> Pool:
        """Make a pool and prepare it; the same seed again gives the same pool. Raises Conflict ``pool_name_taken``."""
        pool_id = seed.id_in(ids.fixed_bucket(seed.entropy))
        await self.database.run(
            lambda tx: accounts.add_pool(tx, pool_id, account.id, name, require_verified=require_verified)
        )
        await self.prepare(account, pool_id)
        return (await self.configuration.refreshed()).pools[pool_id]

    async def prepare(self, account: Account, pool_id: UUID) -> None:
        """Copy the account's opt-outs into the pool's bucket, then let sessions in.

        Only after the pool's own row was committed: a STOP that is being spread meanwhile either sees the pool, or was
        written to the account's list before that is read here.
        """
        async with self.database.transaction() as tx:
            people = await suppressions.suppressed(tx, account.bucket, account.id)

        async def work(tx: Transaction) -> None:
            await suppressions.copy_people(tx, ids.bucket_of(pool_id), people)
            await accounts.pool_ready(tx, pool_id)

        await self.database.run(work)

    async def prepare_left(self, bucket: int) -> int:
        """Prepare pools that a crash left half-made. Always says 0: nothing is left to do at once."""
        directory = await self.configuration.current()
        left = [p for p in directory.pools.values() if p.bucket == bucket and not p.ready]
        for pool in left:
            await self.prepare(directory.accounts[pool.account_id], pool.id)
        if left:
            await self.configuration.refreshed()
        return 0

    async def listed(self, account: Account) -> list[Pool]:
        return (await self.configuration.refreshed()).pools_of(account.id)

    async def find(self, account: Account, id_or_name: str, *, fresh: bool = True) -> Pool:
        """A pool by its id or its name. Raises NotFound for unknown and foreign ones alike."""
        directory = await (self.configuration.refreshed() if fresh else self.configuration.current())
        for pool in directory.pools_of(account.id):
            if id_or_name in (pool.name, ids.public(IdKind.POOL, pool.id)):
                return pool
        if not fresh:
            return await self.find(account, id_or_name)
        raise NotFound

    async def report(self, account: Account, id_or_name: str) -> PoolReport:
        """Raises NotFound."""
        pool = await self.find(account, id_or_name)
        rented = (await self.configuration.current()).numbers_by_pool.get(pool.id, ())
        async with self.database.transaction() as tx:
            states = await numbers.states(tx, pool.bucket)
            used = await numbers.pool_use(
                tx, pool.bucket, account_id=account.id, pool_id=pool.id, number_ids=[n.id for n in rented]
            )
        counts: dict[str, Counter[str]] = {}
        for number in rented:
            counts.setdefault(number.country, Counter())[states.get(number.id, "unknown")] += 1
        ready = sum(count["ready"] for count in counts.values())
        return PoolReport(pool, counts, used.open_sessions, used.busiest_person, max(0, ready - used.busiest_person))

    async def change(
        self,
        account: Account,
        id_or_name: str,
        *,
        name: str | None = None,
        require_verified: bool | None = None,
        rules: Sequence[Rule] | None = None,
    ) -> Pool:
        """Change what is given; None = leave it.

        Raises NotFound, Conflict ``pool_name_taken``, InvalidInput for rules that cannot be.
        """
        check(rules or ())
        pool = await self.find(account, id_or_name)
        await self.database.run(
            lambda tx: accounts.change_pool(
                tx, pool.id, account.id, name=name, require_verified=require_verified, rules=rules
            )
        )
        return await self.find(account, ids.public(IdKind.POOL, pool.id))

    async def remove(self, account: Account, id_or_name: str) -> None:
        """Raises NotFound, Conflict ``pool_in_use``."""
        pool = await self.find(account, id_or_name)
        if not await self.database.run(lambda tx: accounts.remove_pool(tx, pool.id, account.id)):
            raise Conflict("the pool still has numbers", code="pool_in_use")
