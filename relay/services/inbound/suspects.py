"""The texts of one batch that may belong to a loop: counted in its transaction, parked in it when they do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from relay import metrics
from relay.core.loops import too_many
from relay.core.routing import Participant
from relay.services.inbound.recent import Recent
from relay.storage import loops
from relay.storage.database import Transaction
from relay.storage.loops import Repeats, Same


@dataclass(frozen=True, slots=True)
class Said:
    """A text on its way ``to`` somebody. ``by``: the party index of who said it. ``place`` counts the texts of its session."""

    message_id: UUID
    session_id: UUID
    by: bytes
    to: Participant
    place: int
    fingerprint: bytes


@dataclass(slots=True)
class Suspects:
    recent: Recent
    _same: dict[Same, list[UUID]] = field(default_factory=dict)
    _first: dict[Same, datetime] = field(default_factory=dict)  #: when the one was said that they repeat
    _by: dict[bytes, list[UUID]] = field(default_factory=dict)  #: party index -> texts
    _busy: dict[tuple[UUID, UUID], list[UUID]] = field(default_factory=dict)  #: (session, participant) -> texts

    def look_at(self, said: Said, now: datetime) -> bool:
        """May this text belong to a loop? Then it must not leave before ``park`` has counted."""
        before = self.recent.said_before(said.to.id, said.fingerprint, now)
        busy = self.recent.seems_busy(said.session_id, said.place, now)
        talkative = self.recent.seems_talkative(said.by, now)
        if before is not None:
            same = Same(said.to.number_id, said.to.party_index, said.fingerprint)
            self._first.setdefault(same, before)
            self._same.setdefault(same, []).append(said.message_id)
        if busy:
            self._busy.setdefault((said.session_id, said.to.id), []).append(said.message_id)
        if talkative:
            self._by.setdefault(said.by, []).append(said.message_id)
        return busy or talkative or before is not None

    async def park(self, tx: Transaction, bucket: int) -> set[UUID]:
        """Park what is too much; the batch's texts are written already, and nobody else sees them yet."""
        limits, gone = self.recent.limits, set[UUID]()
        if self._same:
            repeats = {same: Repeats(self._first[same], len(texts)) for same, texts in self._same.items()}
            counted = await loops.count_repeats(tx, bucket, repeats)
            for same, texts in self._same.items():
                gone.update(too_many(texts, counted[same], limits.repeats - 1))
        if self._busy:
            lately = await loops.said_lately(tx, bucket, {session_id for session_id, _ in self._busy})
            for leg, texts in self._busy.items():
                gone.update(too_many(texts, lately.get(leg, 0), limits.per_minute))
        if self._by:
            said = await loops.said_by(tx, bucket, self._by)
            for person, texts in self._by.items():
                gone.update(too_many(texts, said.get(person, 0), limits.per_person))
        if gone:
            await loops.park(tx, bucket, sorted(gone))
            metrics.parked_loops.inc(len(gone))
        return gone
