"""Numbers: imported into a pool, given to sessions while they are ready, drained before they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from relay.core.errors import Conflict, InvalidInput, NotFound, Problem
from relay.core.ids import Seed
from relay.core.model import NumberState
from relay.core.pacing import DEFAULT_RATES
from relay.core.phone import NumberFacts
from relay.storage import numbers
from relay.storage.configuration import Account, Configuration, Number, Pool
from relay.storage.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class NumberWanted:
    """A number to be imported. ``rate`` in segments per second; None = what carriers allow its kind."""

    facts: NumberFacts
    pool: Pool
    connection_id: UUID
    rate: float | None = None
    reserved: bool = False


@dataclass(frozen=True, slots=True)
class NumberView:
    """A number, its state, and how many people hold it, open or cooling."""

    number: Number
    pool_name: str
    state: NumberState
    in_use: int


@dataclass(frozen=True, slots=True)
class Numbers:
    database: Database
    configuration: Configuration

    async def add(self, account: Account, wanted: NumberWanted, seed: Seed) -> NumberView:
        """Import a number; the same seed again gives the same number. Raises InvalidInput, Conflict ``number_taken``."""
        directory = await self.configuration.refreshed()
        connection = directory.connections.get(wanted.connection_id)
        if connection is None or connection.account_id != account.id:
            raise InvalidInput(Problem("connection", "unknown_connection", "must be one of the account's connections"))
        new = numbers.NewNumber(
            id=seed.id_in(wanted.pool.bucket),
            account_id=account.id,
            account_bucket=account.bucket,
            pool_id=wanted.pool.id,
            connection_id=connection.id,
            facts=wanted.facts,
            rate=wanted.rate or DEFAULT_RATES[wanted.facts.kind],
            state=NumberState.RESERVED if wanted.reserved else NumberState.READY,
        )
        await self.database.run(lambda tx: numbers.add(tx, wanted.pool.bucket, new))
        await self.configuration.refreshed()
        return await self.read(account, new.id)

    async def read(self, account: Account, number_id: UUID) -> NumberView:
        """Raises NotFound for unknown and for foreign ids alike."""
        directory = await self.configuration.refreshed()
        number = directory.numbers.get(number_id)
        if number is None or number.account_id != account.id:
            raise NotFound
        return (await self._views(directory.pools[number.pool_id], [number]))[0]

    async def listed(self, account: Account) -> list[NumberView]:
        """All numbers of an account, newest first."""
        directory = await self.configuration.refreshed()
        views: list[NumberView] = []
        for pool in directory.pools_of(account.id):
            views += await self._views(pool, directory.numbers_by_pool[pool.id])
        return sorted(views, key=lambda v: v.number.id, reverse=True)

    async def _views(self, pool: Pool, rented: Sequence[Number]) -> list[NumberView]:
        async with self.database.transaction() as tx:
            states = await numbers.states(tx, pool.bucket)
            used = await numbers.in_use(tx, pool.bucket, [n.id for n in rented])
        return [NumberView(n, pool.name, states.get(n.id, NumberState.DRAINING), used.get(n.id, 0)) for n in rented]

    async def change(
        self, account: Account, number_id: UUID, *, state: NumberState | None = None, rate: float | None = None
    ) -> NumberView:
        """Reserve, drain, quarantine or free a number; change its pace. Raises NotFound."""
        view = await self.read(account, number_id)
        bucket = (await self.configuration.current()).pools[view.number.pool_id].bucket

        async def work(tx: Transaction) -> None:
            if state is not None:
                await numbers.change_state(tx, bucket, number_id, account.id, state=state)
            if rate is not None:
                await numbers.change_rate(tx, number_id, account.id, rate)

        await self.database.run(work)
        return await self.read(account, number_id)

    async def remove(self, account: Account, number_id: UUID) -> None:
        """Take a number out of its pool: it drains first, and goes once nobody holds it.

        Raises NotFound, Conflict ``number_in_use`` while it drains.
        """
        view = await self.change(account, number_id, state=NumberState.DRAINING)
        bucket = (await self.configuration.current()).pools[view.number.pool_id].bucket
        if not await self.database.run(lambda tx: numbers.remove(tx, bucket, view.number)):
            raise Conflict("people still hold this number; it is draining now, try again later", code="number_in_use")
        await self.configuration.refreshed()
