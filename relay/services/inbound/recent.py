"""What this process has just seen go by, to know cheaply where a loop may be.

A hint and no more: processes come and go, and several take texts in for one session. Whoever is told that something seems to be
repeated, or that a leg seems busy, counts in the database. Where nothing seems so, nothing is asked.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime
from uuid import UUID

from relay.core.loops import WINDOW, LegLimits

_MOST = 20_000  # texts, sessions and people that are remembered
_PROCESSES = 4  # among which a person's texts may be spread: whoever has seen so much of the limit counts them


class Recent:
    """The last minute of this process, as far as it fits."""

    def __init__(self, limits: LegLimits, most: int = _MOST) -> None:
        self.limits = limits
        self._most = most
        self._said: OrderedDict[tuple[UUID, bytes], datetime] = OrderedDict()
        self._people: OrderedDict[bytes, deque[datetime]] = OrderedDict()
        self._legs: OrderedDict[UUID, deque[tuple[datetime, int]]] = OrderedDict()

    def said_before(self, to: UUID, fingerprint: bytes, now: datetime) -> datetime | None:
        """When the same was said to this participant, if that is less than a minute ago. Remembers it."""
        if not self.limits.repeats:
            return None
        key = (to, fingerprint)
        before = self._said.pop(key, None)
        self._said[key] = now
        if len(self._said) > self._most:
            self._said.popitem(last=False)
        return before if before is not None and now - before < WINDOW else None

    def seems_busy(self, session_id: UUID, leg_no: int, now: datetime) -> bool:
        """Has more been said in this session within a minute than to one person may? Places in a session's legs count what other
        processes take in, too."""
        most = self.limits.per_minute
        if not most:
            return False
        seen = self._legs.pop(session_id, None) or deque(maxlen=most + 1)
        self._legs[session_id] = seen
        if len(self._legs) > self._most:
            self._legs.popitem(last=False)
        seen.append((now, leg_no))
        while now - seen[0][0] >= WINDOW:
            seen.popleft()
        return leg_no - seen[0][1] >= most

    def seems_talkative(self, party_index: bytes, now: datetime) -> bool:
        """Has this person said much within a minute, to whomever?"""
        enough = -(-self.limits.per_person // _PROCESSES)
        if not enough:
            return False
        seen = self._people.pop(party_index, None) or deque(maxlen=enough)
        self._people[party_index] = seen
        if len(self._people) > self._most:
            self._people.popitem(last=False)
        seen.append(now)
        return len(seen) == enough and now - seen[0] < WINDOW
