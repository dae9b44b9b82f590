"""How many texts of accounts with a daily cap have left today, in each bucket.

One transaction is in one bucket: what it counts there is exact, for it holds the count until it ends. What the account's other
pools have counted it knows as they last told it, so with several pools as many more may leave as these let out in between.
Accounts without a cap are not counted, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from relay.core.caps import Allowance, Counted, day_of, room
from relay.storage import queries
from relay.storage.configuration import Account
from relay.storage.database import Transaction

_SQL = queries.load("caps")


async def allowance(tx: Transaction, bucket: int, accounts: Iterable[Account]) -> Allowance:
    """What of these accounts may still leave; their counts are held. Sessions and people are locked before, answers after."""
    caps = {account.id: account.daily_cap for account in accounts if account.daily_cap is not None}
    if not caps:
        return Allowance()
    rows = await tx.fetch(_SQL["hold"], bucket, day_of(tx.now), sorted(caps))
    found = {row["account_id"]: Counted(row["here"], row["elsewhere"]) for row in rows}
    return Allowance({account_id: room(caps[account_id], counted) for account_id, counted in found.items()})


async def count(tx: Transaction, bucket: int, taken: Allowance) -> None:
    """Count what was taken."""
    if taken.taken:
        await tx.execute(_SQL["count"], bucket, list(taken.taken), list(taken.taken.values()))


async def counted_here(tx: Transaction, bucket: int, account_id: UUID, day: date) -> int:
    """How many have left this bucket on this day."""
    found: int | None = await tx.fetchval(_SQL["counted_here"], bucket, account_id, day)
    return found or 0


async def tell(tx: Transaction, bucket: int, account_id: UUID, day: date, elsewhere: int) -> None:
    """Let a bucket know how many have left the others on this day. Told when it is over, it changes nothing."""
    await tx.execute(_SQL["tell"], bucket, account_id, day, elsewhere)
