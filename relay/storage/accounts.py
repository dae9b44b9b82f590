"""Writes to the reference tables: accounts, connections, pools. Each bumps the version that caches look at.

Every insert is keyed by an id made beforehand, so doing it twice is doing it once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

import asyncpg

from relay.core.errors import Conflict
from relay.core.ids import bucket_of
from relay.core.rules import Rule
from relay.storage import queries
from relay.storage.configuration import Account, account_from
from relay.storage.database import Transaction

_SQL = queries.load("configuration")


async def add_account(tx: Transaction, account_id: UUID, name: str) -> None:
    """Raises Conflict ``account_name_taken``."""
    try:
        await tx.execute(_SQL["add_account"], account_id, bucket_of(account_id), name, tx.now)
    except asyncpg.UniqueViolationError:
        raise Conflict("there is an account of this name", code="account_name_taken") from None
    await tx.execute(_SQL["bump"])


async def lock_account(tx: Transaction, account_id: UUID) -> Account | None:
    """The account as it is now, kept from changing."""
    row = await tx.fetchrow(_SQL["lock_account"], account_id)
    return account_from(row) if row else None


async def change_account(tx: Transaction, account: Account) -> None:
    await tx.execute(
        _SQL["change_account"],
        account.id,
        account.programme,
        account.help_contact,
        account.language,
        dict(account.notices),
        account.on_ambiguous,
        list(account.allowed_countries),
        account.default_expires_in,
        account.default_idle_timeout,
        account.default_cool_down,
        account.default_expiring_notice,
        account.quiet_hours.since,
        account.quiet_hours.until,
        account.daily_cap,
    )
    await tx.execute(_SQL["bump"])


@dataclass(frozen=True, slots=True)
class NewConnection:
    """A connection to be stored, its credentials sealed already."""

    id: UUID
    account_id: UUID
    provider: str
    sealed_credentials: bytes
    key_id: int


async def add_connection(tx: Transaction, new: NewConnection) -> None:
    await tx.execute(
        _SQL["add_connection"], new.id, new.account_id, new.provider, new.sealed_credentials, new.key_id, tx.now
    )
    await tx.execute(_SQL["bump"])


async def remove_connection(tx: Transaction, account_id: UUID, connection_id: UUID) -> bool:
    """Remove it unless a number uses it; says whether it went."""
    gone = await tx.fetchval(_SQL["remove_connection"], connection_id, account_id)
    await tx.execute(_SQL["bump"])
    return gone is not None


async def add_pool(
    tx: Transaction, pool_id: UUID, account_id: UUID, name: str, *, require_verified: bool = False
) -> None:
    """Store a pool that is still preparing. Raises Conflict ``pool_name_taken``."""
    try:
        await tx.execute(_SQL["add_pool"], pool_id, account_id, bucket_of(pool_id), name, tx.now, require_verified)
    except asyncpg.UniqueViolationError:
        raise Conflict("there is a pool of this name", code="pool_name_taken") from None
    await tx.execute(_SQL["bump"])


async def pool_ready(tx: Transaction, pool_id: UUID) -> None:
    bucket = bucket_of(pool_id)
    await tx.execute(_SQL["pool_ready"], bucket, pool_id, tx.now, tx.new_id(bucket))
    await tx.execute(_SQL["bump"])


async def change_pool(
    tx: Transaction,
    pool_id: UUID,
    account_id: UUID,
    *,
    name: str | None,
    require_verified: bool | None,
    rules: Sequence[Rule] | None = None,
) -> None:
    """None = leave it. Raises Conflict ``pool_name_taken``."""
    written = None if rules is None else [asdict(rule) for rule in rules]
    try:
        await tx.execute(_SQL["change_pool"], pool_id, account_id, name, require_verified, written)
    except asyncpg.UniqueViolationError:
        raise Conflict("there is a pool of this name", code="pool_name_taken") from None
    await tx.execute(_SQL["bump"])


async def remove_pool(tx: Transaction, pool_id: UUID, account_id: UUID) -> bool:
    """Remove it when it is empty; says whether it went. Its bucket is remembered."""
    gone = await tx.fetchval(_SQL["remove_pool"], pool_id, account_id)
    if gone is not None:
        await tx.execute(_SQL["remember_pool"], account_id, bucket_of(pool_id))
    await tx.execute(_SQL["bump"])
    return gone is not None


async def pool_buckets(tx: Transaction, account_id: UUID) -> Sequence[int]:
    """The buckets of all pools of an account, straight from the table and not from a cache."""
    rows = await tx.fetch(_SQL["pools_of"], account_id)
    return sorted({row["bucket"] for row in rows})
