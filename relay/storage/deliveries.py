"""Deliveries: one event for one endpoint, in the event's bucket, until it is taken or given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from relay.core.ids import bucket_of
from relay.core.webhooks import Answer, DeliveryState, Failure, Happened, Verdict
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("deliveries")


async def add(tx: Transaction, bucket: int, told: Sequence[tuple[UUID, Happened]]) -> None:
    """Tell each of these endpoints of its event, as soon as may be."""
    if told:
        columns = [e for e, _ in told], [event.id for _, event in told], [event.account_id for _, event in told]
        await tx.execute(_SQL["add"], bucket, tx.now, *columns)


async def again(tx: Transaction, account_id: UUID, event_id: UUID, endpoint_ids: Sequence[UUID]) -> list[UUID]:
    """Tell these endpoints of an event once more; returns those that will be: none when it is forgotten."""
    rows = await tx.fetch(_SQL["again"], bucket_of(event_id), tx.now, event_id, account_id, list(endpoint_ids))
    return [row["endpoint_id"] for row in rows]


async def with_due(tx: Transaction, bucket: int, endpoint_ids: Sequence[UUID]) -> list[UUID]:
    """Those of these endpoints for which something is due."""
    return [row["endpoint_id"] for row in await tx.fetch(_SQL["with_due"], bucket, tx.now, list(endpoint_ids))]


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that is to be tried now. ``tries``: how often it was."""

    event_id: UUID
    tries: int


async def due(tx: Transaction, bucket: int, endpoint_id: UUID, *, limit: int) -> list[Due]:
    """What is due for an endpoint, longest due first."""
    return [Due(**row) for row in await tx.fetch(_SQL["due"], bucket, endpoint_id, tx.now, limit)]


async def settle(tx: Transaction, bucket: int, endpoint_id: UUID, one: Due, answer: Answer, verdict: Verdict) -> None:
    """Note what became of a try, unless somebody else has noted one meanwhile."""
    outcome = (verdict.state, verdict.due_at, tx.now, answer.status, verdict.failure)
    await tx.execute(_SQL["settle"], bucket, endpoint_id, one.event_id, one.tries, *outcome)


async def give_up(tx: Transaction, bucket: int, endpoint_id: UUID) -> None:
    """Nothing waits for this endpoint any more: it is disabled."""
    await tx.execute(_SQL["give_up"], bucket, endpoint_id)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one endpoint, as its owner sees it. ``type`` None: the event is just being forgotten."""

    event_id: UUID
    type: str | None
    state: DeliveryState
    tries: int
    made_at: datetime
    due_at: datetime | None
    last_at: datetime | None
    last_status: int | None
    failure: Failure | None


async def page(
    tx: Transaction,
    bucket: int,
    account_id: UUID,
    endpoint_id: UUID,
    *,
    before: UUID,
    limit: int,
    state: DeliveryState | None,
) -> list[Delivery]:
    """Deliveries to an endpoint of events before this one, newest event first."""
    rows = await tx.fetch(_SQL["page"], bucket, account_id, endpoint_id, before, limit, state)
    return [_delivery(dict(row)) for row in rows]


def _delivery(values: dict[str, Any]) -> Delivery:
    failure = values.pop("failure")
    return Delivery(**{**values, "state": DeliveryState(values["state"]), "failure": failure and Failure(failure)})
