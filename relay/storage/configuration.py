"""Accounts, connections, pools and numbers, kept in the process and at most a second old.

``Directory`` is one consistent picture of all of them; ``Configuration.current`` hands out the newest and asks the
database for a version number at most once a second. A text to a number that the picture does not know is worth a fresh
look: ``refreshed``. Nothing that must work in an emergency is in here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import UUID

from relay.core.hooks import HookKind
from relay.core.model import OnAmbiguous
from relay.core.phone import NumberKind
from relay.core.quiet_hours import QuietHours
from relay.core.rules import Rule, by_word
from relay.core.webhooks import DisabledReason, EndpointStatus
from relay.storage import hooks, queries
from relay.storage.database import Database, Row, Transaction
from relay.storage.hooks import Hook

_SQL = queries.load("configuration")
MAX_AGE = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Account:
    """A tenant: one marketplace. Durations in seconds."""

    id: UUID
    bucket: int
    name: str
    programme: str
    help_contact: str
    language: str
    notices: Mapping[str, str]
    on_ambiguous: OnAmbiguous
    allowed_countries: tuple[str, ...]
    default_expires_in: int
    default_idle_timeout: int | None
    default_cool_down: int
    default_expiring_notice: int
    quiet_hours: QuietHours
    created_at: datetime
    daily_cap: int | None = None  #: texts that may leave within a day; None = any number


@dataclass(frozen=True, slots=True)
class Connection:
    """One set of credentials at one provider, sealed."""

    id: UUID
    account_id: UUID
    provider: str
    sealed_credentials: bytes = field(repr=False)
    key_id: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The account's webhook address, sealed with its secrets. ``changed_at``: since when it has its status."""

    id: UUID
    account_id: UUID
    events: tuple[str, ...]
    status: EndpointStatus
    disabled_reason: DisabledReason | None
    changed_at: datetime
    sealed_settings: bytes = field(repr=False)
    key_id: int
    created_at: datetime

    @property
    def is_enabled(self) -> bool:
        return self.status is EndpointStatus.ENABLED


@dataclass(frozen=True, slots=True)
class Pool:
    """Numbers that sessions draw from. All that happens in it happens in its bucket."""

    id: UUID
    account_id: UUID
    bucket: int
    name: str
    ready: bool
    created_at: datetime
    require_verified: bool = False
    rules: Mapping[str, Rule] = field(default_factory=dict)  #: by the word as texts are compared
    hooks: tuple[Hook, ...] = ()

    def hook(self, kind: HookKind) -> Hook | None:
        return next((hook for hook in self.hooks if hook.kind is kind), None)


@dataclass(frozen=True, slots=True)
class Number:
    """A number that the account rents. ``rate`` in segments per second."""

    id: UUID
    account_id: UUID
    pool_id: UUID
    connection_id: UUID
    e164: str
    country: str
    area_code: str
    kind: NumberKind
    rate: float
    created_at: datetime


@dataclass(frozen=True)
class Directory:
    """All of it, as it stood at one version, with the look-ups that the hot path needs."""

    version: int
    accounts: Mapping[UUID, Account]
    connections: Mapping[UUID, Connection]
    pools: Mapping[UUID, Pool]
    numbers: Mapping[UUID, Number]
    former_buckets: Mapping[
        tuple[UUID, str], frozenset[int]
    ]  #: (account, number) -> where its texts were recorded before
    former_pools: Mapping[UUID, frozenset[int]] = field(default_factory=dict)  #: account -> buckets of removed pools
    endpoints: Mapping[UUID, Endpoint] = field(default_factory=dict)

    @cached_property
    def number_by_e164(self) -> Mapping[tuple[UUID, str], Number]:
        """By account and number."""
        return {(n.account_id, n.e164): n for n in self.numbers.values()}

    @cached_property
    def buckets(self) -> frozenset[int]:
        """The buckets in which anything can happen, or is still to be forgotten."""
        here = frozenset(p.bucket for p in self.pools.values()) | frozenset(a.bucket for a in self.accounts.values())
        return here.union(*self.former_pools.values())

    @cached_property
    def accounts_by_bucket(self) -> Mapping[int, tuple[Account, ...]]:
        """The accounts whose own rows lie in each bucket."""
        grouped: dict[int, list[Account]] = {}
        for account in self.accounts.values():
            grouped.setdefault(account.bucket, []).append(account)
        return {bucket: tuple(accounts) for bucket, accounts in grouped.items()}

    @cached_property
    def numbers_by_pool(self) -> Mapping[UUID, tuple[Number, ...]]:
        grouped: dict[UUID, list[Number]] = {pool_id: [] for pool_id in self.pools}
        for number in self.numbers.values():
            grouped[number.pool_id].append(number)
        return {pool_id: tuple(numbers) for pool_id, numbers in grouped.items()}

    @cached_property
    def numbers_by_bucket(self) -> Mapping[int, frozenset[UUID]]:
        """The numbers that are served in each bucket."""
        grouped: dict[int, set[UUID]] = {}
        for number in self.numbers.values():
            grouped.setdefault(self.pools[number.pool_id].bucket, set()).add(number.id)
        return {bucket: frozenset(numbers) for bucket, numbers in grouped.items()}

    @cached_property
    def endpoints_by_bucket(self) -> Mapping[int, tuple[Endpoint, ...]]:
        """The endpoints of all accounts of which something may happen in each bucket, disabled ones too."""
        grouped: dict[int, list[Endpoint]] = {}
        for account_id in {endpoint.account_id for endpoint in self.endpoints.values()}:
            for bucket in self.buckets_of(account_id):
                grouped.setdefault(bucket, []).extend(self.endpoints_of(account_id))
        return {bucket: tuple(endpoints) for bucket, endpoints in grouped.items()}

    def endpoints_of(self, account_id: UUID) -> list[Endpoint]:
        return [e for e in self.endpoints.values() if e.account_id == account_id]

    @cached_property
    def intercepted(self) -> Mapping[UUID, Pool]:
        """The numbers whose texts leave only when a hook of their pool has allowed it."""
        pools = {pool.id: pool for pool in self.pools.values() if pool.hook(HookKind.INTERCEPT)}
        return {n.id: pools[n.pool_id] for n in self.numbers.values() if n.pool_id in pools} if pools else {}

    @cached_property
    def answered_for(self) -> frozenset[UUID]:
        """The numbers of pools whose hook is asked about texts that nobody is there to get."""
        pools = {pool.id for pool in self.pools.values() if pool.hook(HookKind.OUT_OF_SESSION)}
        return frozenset(n.id for n in self.numbers.values() if n.pool_id in pools) if pools else frozenset()

    @cached_property
    def hooked_buckets(self) -> frozenset[int]:
        """Where there is a hook to be asked."""
        return frozenset(pool.bucket for pool in self.pools.values() if pool.hooks)

    def pools_of(self, account_id: UUID) -> list[Pool]:
        return [p for p in self.pools.values() if p.account_id == account_id]

    def buckets_of(self, account_id: UUID) -> frozenset[int]:
        """Where something of an account may lie: its own bucket, its pools' and those of pools that it has removed."""
        pools = frozenset(p.bucket for p in self.pools_of(account_id)) | self.former_pools.get(account_id, frozenset())
        return pools | {self.accounts[account_id].bucket}

    def connections_of(self, account_id: UUID) -> list[Connection]:
        return [c for c in self.connections.values() if c.account_id == account_id]


class Configuration:
    """Hands out the directory."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._directory: Directory | None = None
        self._checked_at = float("-inf")
        self._refreshing = asyncio.Lock()

    async def current(self) -> Directory:
        """The directory, at most a second old. Raises StorageUnavailable."""
        if self._directory is None or time.monotonic() - self._checked_at > MAX_AGE:
            return await self.refreshed()
        return self._directory

    async def refreshed(self) -> Directory:
        """The directory as the database has it now."""
        asked_at = time.monotonic()
        async with self._refreshing:
            if self._directory is not None and self._checked_at >= asked_at:
                return self._directory
            began = time.monotonic()
            async with self._database.transaction(one_picture=True) as tx:
                version = await tx.fetchval(_SQL["version"])
                if self._directory is None or self._directory.version != version:
                    self._directory = await _read(tx, version)
            self._checked_at = began
            return self._directory


async def _read(tx: Transaction, version: int) -> Directory:
    accounts = [account_from(row) for row in await tx.fetch(_SQL["accounts"])]
    connections = [Connection(**row) for row in await tx.fetch(_SQL["connections"])]
    endpoints = [endpoint_from(row) for row in await tx.fetch(_SQL["endpoints"])]
    hooked: dict[UUID, list[Hook]] = {}
    for hook in await hooks.all_hooks(tx):
        hooked.setdefault(hook.pool_id, []).append(hook)
    pools = [_pool(row, hooked.get(row["id"], ())) for row in await tx.fetch(_SQL["pools"])]
    numbers = [_number(row) for row in await tx.fetch(_SQL["numbers"])]
    former: dict[tuple[UUID, str], set[int]] = {}
    for row in await tx.fetch(_SQL["former_numbers"]):
        former.setdefault((row["account_id"], row["e164"]), set()).add(row["bucket"])
    gone: dict[UUID, set[int]] = {}
    for row in await tx.fetch(_SQL["former_pools"]):
        gone.setdefault(row["account_id"], set()).add(row["bucket"])
    known = {p.id for p in pools}
    return Directory(
        version=version,
        accounts={a.id: a for a in accounts},
        connections={c.id: c for c in connections},
        pools={p.id: p for p in pools},
        numbers={n.id: n for n in numbers if n.pool_id in known},
        former_buckets={number: frozenset(buckets) for number, buckets in former.items()},
        former_pools={account: frozenset(buckets) for account, buckets in gone.items()},
        endpoints={e.id: e for e in endpoints},
    )


def account_from(row: Row) -> Account:
    """An account from a row with all its columns."""
    values = dict(row)
    values["on_ambiguous"] = OnAmbiguous(values["on_ambiguous"])
    values["allowed_countries"] = tuple(values["allowed_countries"])
    values["quiet_hours"] = QuietHours(values.pop("quiet_from"), values.pop("quiet_to"))
    return Account(**values)


def endpoint_from(row: Row) -> Endpoint:
    """An endpoint from a row with all its columns."""
    values = dict(row)
    values["events"] = tuple(values["events"])
    values["status"] = EndpointStatus(values["status"])
    values["disabled_reason"] = values["disabled_reason"] and DisabledReason(values["disabled_reason"])
    return Endpoint(**values)


def _pool(row: Row, hooked: Sequence[Hook]) -> Pool:
    values = dict(row)
    rules = by_word([Rule(**rule) for rule in values.pop("rules")])
    return Pool(ready=values.pop("status") == "ready", rules=rules, hooks=tuple(hooked), **values)


def _number(row: Row) -> Number:
    values = dict(row)
    values["kind"] = NumberKind(values["kind"])
    return Number(**values)
