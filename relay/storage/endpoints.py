"""Writes to the account's endpoints, each told to the caches that hold them; and how long one has taken nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.webhooks import DisabledReason, EndpointStatus
from relay.storage import queries
from relay.storage.configuration import Endpoint, endpoint_from
from relay.storage.database import Transaction

_SQL = queries.load("endpoints")
_BUMP = queries.load("configuration")["bump"]


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint to be stored, its address and secret sealed already."""

    id: UUID
    account_id: UUID
    events: Sequence[str]
    sealed_settings: bytes = field(repr=False)
    key_id: int


async def add(tx: Transaction, new: NewEndpoint, *, at_most: int) -> bool:
    """Store an endpoint; says whether it is there now. Not when the account has so many."""
    bucket = bucket_of(new.id)
    sealed = (new.sealed_settings, new.key_id)
    args = (bucket, new.id, new.account_id, list(new.events), *sealed, tx.now, tx.new_id(bucket), at_most)
    added = await tx.fetchval(_SQL["add"], *args)
    await tx.execute(_BUMP)
    return added is not None or await lock(tx, new.account_id, new.id) is not None


async def lock(tx: Transaction, account_id: UUID, endpoint_id: UUID) -> Endpoint | None:
    """An endpoint as it is now, kept from changing."""
    row = await tx.fetchrow(_SQL["lock"], account_id, endpoint_id)
    return endpoint_from(row) if row else None


async def change(tx: Transaction, endpoint: Endpoint) -> None:
    """Store its filter and its settings."""
    sealed = (endpoint.sealed_settings, endpoint.key_id)
    await tx.execute(_SQL["change"], endpoint.account_id, endpoint.id, list(endpoint.events), *sealed)
    await tx.execute(_BUMP)


async def enable(tx: Transaction, account_id: UUID, endpoint_id: UUID) -> bool:
    """Says whether it was disabled."""
    return await _set_status(tx, account_id, endpoint_id, EndpointStatus.ENABLED, None)


async def disable(tx: Transaction, account_id: UUID, endpoint_id: UUID, reason: DisabledReason) -> bool:
    """Says whether it was enabled."""
    return await _set_status(tx, account_id, endpoint_id, EndpointStatus.DISABLED, reason)


async def _set_status(
    tx: Transaction, account_id: UUID, endpoint_id: UUID, status: EndpointStatus, reason: DisabledReason | None
) -> bool:
    bucket = bucket_of(endpoint_id)
    args = (bucket, account_id, endpoint_id, status, reason, tx.now, tx.new_id(bucket))
    changed = await tx.fetchval(_SQL["set_status"], *args)
    await tx.execute(_BUMP)
    return changed is not None


async def remove(tx: Transaction, account_id: UUID, endpoint_id: UUID) -> None:
    """It is told nothing any more."""
    bucket = bucket_of(endpoint_id)
    await tx.fetchval(_SQL["remove"], bucket, account_id, endpoint_id, tx.now, tx.new_id(bucket))
    await tx.execute(_BUMP)


async def failing_since(tx: Transaction, endpoint_id: UUID) -> datetime | None:
    """Since when it has taken nothing; None = it took what it was last given."""
    since: datetime | None = await tx.fetchval(_SQL["failing_since"], bucket_of(endpoint_id), endpoint_id)
    return since


async def took(tx: Transaction, endpoint_id: UUID) -> None:
    """It has taken something."""
    await tx.execute(_SQL["took"], bucket_of(endpoint_id), endpoint_id)


async def failed(tx: Transaction, endpoint_id: UUID) -> None:
    """It has not."""
    await tx.execute(_SQL["failed"], bucket_of(endpoint_id), endpoint_id, tx.now)
