"""One look into a bucket that says which upkeep has work there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from relay.core.delivery import MAY_STAND_PARKED
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("upkeep")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a send may be silent, and a fan-out unfinished, before somebody else takes care of it."""

    silent_send: timedelta
    fan_out: timedelta


async def glance(tx: Transaction, bucket: int, epoch: int, patience: Patience) -> list[str]:
    """The names of the steps that have work in this bucket now."""
    args = (bucket, tx.now, epoch, tx.now - patience.silent_send, tx.now - patience.fan_out, tx.now - MAY_STAND_PARKED)
    row = await tx.fetchrow(_SQL["glance"], *args)
    return [name for name, has_work in row.items() if has_work] if row else []
