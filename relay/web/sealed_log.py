"""The sealed audit log, as the page wants it: records read out, days turned into times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from relay.core import ids
from relay.core.entries import decoded
from relay.core.errors import EvidenceRefused, NotFound
from relay.core.ids import IdKind
from relay.services.audit_page import AuditPage, Shown
from relay.storage import audit_reading
from relay.storage.configuration import Account
from relay.web.filters import begins, times_of
from relay.web.log import DayCount, Entry, Found, Head, Wanted, Witnessed

_MORE = ("direction", "segments", "number", "provider", "country", "rule", "message", "verification")
_ID_OF_NONE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class SealedLog:
    page: AuditPage

    async def read(self, account: Account, key_id: UUID, wanted: Wanted, *, limit: int) -> Found:
        session_id, session_ref = _session(wanted.session)
        since, until = times_of(wanted)
        asked = audit_reading.Wanted(
            session_ref=session_ref,
            type=wanted.event,
            reason=wanted.reason,
            since=since,
            until=until,
            before=wanted.before,
        )
        shown = await self.page.read(account, key_id, asked, session_id=session_id, limit=limit + 1)
        if shown is None:
            return Found(None, (), has_older=False)
        return Found(_head(shown), [_entry(e) for e in shown.entries[:limit]], len(shown.entries) > limit)

    async def counts(self, account: Account, since: date, until: date) -> Sequence[DayCount]:
        counts = await self.page.counts(account, begins(since), begins(until, later=1))
        return [DayCount(c.day, c.event, c.count) for c in counts]


def _session(given: str | None) -> tuple[UUID | None, str | None]:
    """A session's id, or its name in the log."""
    if given is None or not given.startswith(IdKind.SESSION):
        return None, given
    try:
        return ids.parse(IdKind.SESSION, given), None
    except NotFound:
        return _ID_OF_NONE, None


def _head(shown: Shown) -> Head:
    witnessed = [Witnessed(word.key.name, word.size, word.at, stands) for word, stands in shown.witnessed]
    return Head(shown.head.size, shown.head.signed_at, shown.is_proved, witnessed)


def _entry(e: audit_reading.Entry) -> Entry:
    if e.record is None:
        return Entry(e.n, None, None, is_erased=True)
    try:
        said = {name: str(value) for name, value in decoded(e.record).items()}
    except EvidenceRefused:
        return Entry(e.n, None, None)
    return Entry(
        e.n,
        said["event"],
        datetime.fromisoformat(said["time"]),
        reason=said.get("reason"),
        session=said.get("session"),
        more={name: said[name] for name in _MORE if name in said},
    )
