"""Holds: what is known of a session is kept beyond its period while somebody has a reason (GDPR articles 18 and 17(3)).

A hold keeps rows of metadata: session, participants, messages, attempts, events. It keeps no phone, which goes when the session
closes, and no text, which goes when it has left.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from relay.core.errors import Conflict, InvalidInput, NotFound, Problem
from relay.core.ids import Seed, bucket_of
from relay.core.model import HoldReason
from relay.storage import retention, sessions
from relay.storage.configuration import Account
from relay.storage.database import Database, Transaction
from relay.storage.retention import Hold, NewHold


@dataclass(frozen=True, slots=True)
class Holds:
    """Placing and lifting are each told by one event, ``privacy.hold``."""

    database: Database

    async def place(self, account: Account, session_id: UUID, reason: HoldReason, *, key_id: UUID, seed: Seed) -> Hold:
        """Keep what is known of a session from now on; the same seed again changes nothing.

        Raises InvalidInput for a session that the account does not have, Conflict ``already_held`` and ``session_erased``.
        """
        new = NewHold(seed.id_in(bucket_of(session_id)), account.id, session_id, reason, key_id)

        async def work(tx: Transaction) -> Hold | None:
            if not await sessions.read(tx, bucket_of(session_id), account.id, [session_id]):
                return None
            await retention.place_hold(tx, new)
            hold = await retention.standing_hold(tx, account.id, session_id)
            if hold is None:
                raise Conflict("this session is erased: nothing is left to be held", code="session_erased")
            return hold

        hold = await self.database.run(work)
        if hold is None:
            raise InvalidInput(Problem("session", "unknown_session", "must be a session of this account"))
        if hold.id != new.id:
            raise Conflict("a hold on this session stands already", code="already_held")
        return hold

    async def lift(self, account: Account, session_id: UUID) -> None:
        """What is past its period is forgotten at upkeep's next round. Raises NotFound when no hold stands."""
        if not await self.database.run(lambda tx: retention.lift_hold(tx, account.id, session_id), single=True):
            raise NotFound
