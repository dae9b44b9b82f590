"""Fills Relay's tables with open sessions, as the API would have made them, but by COPY: a million takes minutes, not hours."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import asyncpg

from relay.core import ids
from relay.storage.configuration import Directory, Pool
from relay.vault.vault import Vault
from tests.bench.talks import NUMBERS, Pairing, number, phone

_AT_ONCE = 20_000
_NUMBER = (
    *("id", "account_id", "pool_id", "connection_id", "e164", "country", "area_code", "kind", "rate", "created_at"),
)
_SESSION = (
    *("bucket", "id", "account_id", "pool_id", "status", "unique_name", "created_at", "expires_at", "cool_down"),
)
NAMED = "many "  #: how the names of those sessions begin that have one
_PARTICIPANT = (
    *("bucket", "id", "session_id", "slot", "status", "party_index", "number_id", "sealed_phone", "epoch_id"),
)
_BINDING = ("bucket", "number_id", "party_index", "session_id", "participant_id", "pair_index", "held_until")
_FOREVER = datetime.max.replace(tzinfo=UTC)  # the driver writes it as infinity
_Named = tuple[Pairing, str | None]


async def add_numbers(
    connection: asyncpg.Connection[asyncpg.Record], pools: Sequence[Pool], provider: UUID, rate: float
) -> None:
    """The numbers of these pools, all at one provider connection and with this rate (segments a second)."""
    now = await connection.fetchval("select now()")
    numbers, states = [], []
    for n in range(NUMBERS):
        pool, e164 = pools[n // (NUMBERS // len(pools))], number(n)
        new = ids.make_id(pool.bucket, now, secrets.token_bytes(ids.ENTROPY_BYTES))
        numbers.append((new, pool.account_id, pool.id, provider, e164, "US", e164[2:5], "long_code", rate, now))
        states.append((pool.bucket, new, pool.account_id, "ready", now))
    await connection.copy_records_to_table("number", records=numbers, columns=_NUMBER)
    columns = ("bucket", "number_id", "account_id", "state", "changed_at")
    await connection.copy_records_to_table("number_state", records=states, columns=columns)
    await connection.execute("update configuration set version = version + 1")


@dataclass(slots=True)
class Seeder:
    """``pools`` in the order in which ``Pairing.pool`` counts them."""

    vault: Vault
    directory: Directory
    pools: Sequence[Pool]
    now: datetime
    people: set[tuple[int, bytes, int]] = field(default_factory=set)  #: bucket, party index, key id
    _numbers: dict[str, UUID] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = {n.e164: n.id for n in self.directory.numbers.values()}

    async def fill(
        self, connection: asyncpg.Connection[asyncpg.Record], sessions: Iterable[Pairing], *, unnamed: int
    ) -> None:
        """Write these sessions, all but the first ``unnamed`` with a name, then ANALYZE."""
        rest = ((pairing, f"{NAMED}{n}" if n >= unnamed else None) for n, pairing in enumerate(sessions))
        while batch := list(islice(rest, _AT_ONCE)):
            await self._copy(connection, batch)
        people = [(bucket, index, key, False, self.now) for bucket, index, key in sorted(self.people)]
        columns = ("bucket", "party_index", "key_id", "opted_out", "changed_at")
        await connection.copy_records_to_table("person", records=people, columns=columns)
        await connection.execute("analyze")

    async def _copy(self, connection: asyncpg.Connection[asyncpg.Record], batch: list[_Named]) -> None:
        rows: dict[str, list[tuple[Any, ...]]] = {"session": [], "participant": [], "binding": []}
        for pairing, name in batch:
            for table, row in self._rows(pairing, name):
                rows[table].append(row)
        for table, columns in (("session", _SESSION), ("participant", _PARTICIPANT), ("binding", _BINDING)):
            await connection.copy_records_to_table(table, records=rows[table], columns=columns)

    def _rows(self, pairing: Pairing, name: str | None) -> Iterator[tuple[str, tuple[Any, ...]]]:
        pool = self.pools[pairing.pool]
        bucket, account_id, session_id = pool.bucket, pool.account_id, self._id(pool.bucket)
        expires_at = self.now + timedelta(days=30)
        yield "session", (bucket, session_id, account_id, pool.id, "open", name, self.now, expires_at, 3600)
        phones = [phone(person) for person in pairing.people]
        parties = [self.vault.indexes.of(account_id, one) for one in phones]
        pair = self.vault.indexes.pair(account_id, *parties)
        for slot, party in enumerate(parties):
            self.people.add((bucket, party.index, party.key_id))
            number_id, seat_id = self._numbers[number(pairing.numbers[slot])], self._id(bucket)
            sealed = self.vault.envelopes.seal_phone(account_id, seat_id, phones[slot])
            seat = (seat_id, session_id, slot + 1, "live", party.index, number_id, sealed.data, sealed.key_id)
            yield "participant", (bucket, *seat)
            yield "binding", (bucket, number_id, party.index, session_id, seat_id, pair, _FOREVER)

    def _id(self, bucket: int) -> UUID:
        return ids.make_id(bucket, self.now, secrets.token_bytes(ids.ENTROPY_BYTES))
