"""API keys as rows. Their secrets never come here, only the hash."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.model import Scope
from relay.core.periods import CONSOLE_SESSIONS_FOR
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("keys")
_USED_RESOLUTION = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of a key."""

    id: UUID
    account_id: UUID
    secret_hash: bytes = field(repr=False)
    scopes: frozenset[Scope]
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def works(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored."""

    id: UUID
    account_id: UUID
    name: str
    secret_hash: bytes = field(repr=False)
    scopes: frozenset[Scope]
    expires_at: datetime | None


async def add(tx: Transaction, new: NewKey) -> None:
    bucket = bucket_of(new.id)
    await tx.execute(
        _SQL["add"],
        bucket,
        new.id,
        new.account_id,
        new.name,
        new.secret_hash,
        sorted(new.scopes),
        tx.now,
        new.expires_at,
        tx.new_id(bucket),
    )


async def read(tx: Transaction, key_id: UUID) -> StoredKey | None:
    row = await tx.fetchrow(_SQL["read"], bucket_of(key_id), key_id)
    if row is None:
        return None
    return StoredKey(**{**dict(row), "scopes": frozenset(Scope(word) for word in row["scopes"])})


async def used(tx: Transaction, key_id: UUID) -> None:
    """Note that the key was used, at most once a minute."""
    await tx.execute(_SQL["used"], bucket_of(key_id), key_id, tx.now, tx.now - _USED_RESOLUTION)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as its owner sees it."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


async def listed(tx: Transaction, bucket: int, account_id: UUID) -> list[ListedKey]:
    return [ListedKey(**row) for row in await tx.fetch(_SQL["list"], bucket, account_id)]


async def revoke(tx: Transaction, account_id: UUID, key_id: UUID) -> bool:
    """Revoke a live key; says whether there was one."""
    bucket = bucket_of(key_id)
    return await tx.fetchval(_SQL["revoke"], bucket, account_id, key_id, tx.now, tx.new_id(bucket)) is not None


async def forget_sessions(tx: Transaction, bucket: int, *, limit: int) -> int:
    """Forget sessions at the console that were over a day ago; says how many."""
    return len(await tx.fetch(_SQL["forget_sessions"], bucket, tx.now - CONSOLE_SESSIONS_FOR, limit))


@dataclass(frozen=True, slots=True)
class NewLink:
    """A way into the console, to be stored. Its row is known by the key that it is for."""

    key_id: UUID
    account_id: UUID
    secret_hash: bytes = field(repr=False)
    expires_at: datetime


async def add_link(tx: Transaction, new: NewLink) -> None:
    bucket = bucket_of(new.key_id)
    event_id = tx.new_id(bucket)
    await tx.execute(
        _SQL["add_link"], bucket, new.key_id, new.account_id, new.secret_hash, tx.now, new.expires_at, event_id
    )


async def link_hash(tx: Transaction, key_id: UUID) -> bytes | None:
    """The hash of a link's secret; None = there is no link to this key."""
    found: bytes | None = await tx.fetchval(_SQL["link_hash"], bucket_of(key_id), key_id)
    return found


async def use_link(tx: Transaction, key_id: UUID, use_id: UUID) -> bool:
    """Use a link up; False = it was used up before, or its time is over. The same use again is the same."""
    bucket = bucket_of(key_id)
    return await tx.fetchval(_SQL["use_link"], bucket, key_id, tx.now, use_id, tx.new_id(bucket)) is not None


async def refuse_link(tx: Transaction, key_id: UUID) -> None:
    """Note that a link was shown again after it had been used; told the first time only."""
    bucket = bucket_of(key_id)
    await tx.execute(_SQL["refuse_link"], bucket, key_id, tx.now, tx.new_id(bucket))
