"""What carriers still hold of texts: written with the text or with its outcome, deleted when the carrier has deleted it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from relay.core.redaction import CarrierCopy
from relay.storage import queries
from relay.storage.database import Transaction

_SQL = queries.load("redaction")


def columns(copies: Sequence[CarrierCopy], now: datetime) -> list[list[object]]:
    """As statements take them: ids, accounts, connections, sealed names, key numbers, when to delete after the carrier's last
    word and when without one."""
    return [
        [c.id for c in copies],
        [c.account_id for c in copies],
        [c.connection_id for c in copies],
        [c.sealed for c in copies],
        [c.key_id for c in copies],
        [now + c.times.after_last_word for c in copies],
        [now + c.times.without_one for c in copies],
    ]


@dataclass(frozen=True, slots=True)
class Due:
    """A copy that is to be deleted now. ``tries``: how often that was asked for in vain."""

    copy: CarrierCopy
    since: datetime
    tries: int


async def due(tx: Transaction, bucket: int, *, limit: int) -> list[Due]:
    """What is to be deleted now, longest due first."""
    return [
        Due(
            CarrierCopy(r["id"], r["account_id"], r["connection_id"], r["sealed_provider_id"], r["redaction_id"]),
            r["since"],
            r["tries"],
        )
        for r in await tx.fetch(_SQL["due"], bucket, tx.now, limit)
    ]


async def forget(tx: Transaction, bucket: int, ids: Sequence[UUID]) -> None:
    """The carriers hold these no more."""
    await tx.execute(_SQL["forget"], bucket, list(ids))


async def put_off(tx: Transaction, bucket: int, next_tries: Mapping[UUID, datetime]) -> None:
    """These are still there; ask again then."""
    await tx.execute(_SQL["put_off"], bucket, list(next_tries), list(next_tries.values()))
