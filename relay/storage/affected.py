"""How many rows of an account lay in a table in a window, about how many people, in which sessions. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from relay.core.affected import Source, Window
from relay.storage import queries
from relay.storage.database import Row, Transaction

_SQL = queries.load("affected")

_WITHIN = 300.0  # seconds: it goes through all that a bucket has of an account
#: What has an end of its own: dated from both sides.
_ENDING = {
    Source.PHONES: _SQL["phones"],
    Source.INDEXES: _SQL["indexes"],
    Source.PEOPLE: _SQL["people"],
    Source.TEXTS: _SQL["texts"],
}
#: What names a session: one statement, told which.
_NAMING = frozenset({Source.SESSIONS, Source.MESSAGES, Source.EVENTS, Source.HOLDS, Source.ERASURES})
_OF_SESSIONS = {
    Source.PARTICIPANTS: _SQL["participants"],
    Source.ATTEMPTS: _SQL["attempts"],
}
_DATED = {
    Source.VERIFICATIONS: _SQL["verifications"],
    Source.ANSWERS: _SQL["answers"],
    Source.FANOUTS: _SQL["fanouts"],
    Source.HOOK_CALLS: _SQL["hook_calls"],
    Source.PRIVACY_REQUESTS: _SQL["privacy_requests"],
    Source.PRIVACY_EXPORTS: _SQL["privacy_exports"],
    Source.CARRIER_COPIES: _SQL["carrier_copies"],
    Source.AUDIT_ENTRIES: _SQL["audit_entries"],
    Source.INBOX_KEYS: _SQL["inbox_keys"],
    Source.IDEMPOTENCY_ANSWERS: _SQL["idempotency_answers"],
    Source.API_KEYS: _SQL["api_keys"],
}
_UNDATED = {
    Source.SUPPRESSIONS: _SQL["suppressions"],
    Source.NUMBER_STATES: _SQL["number_states"],
}
#: What can be counted in a bucket.
COUNTED = frozenset({*_ENDING, *_NAMING, *_OF_SESSIONS, *_DATED, *_UNDATED})


@dataclass(frozen=True, slots=True)
class Page:
    """Which of the sessions are named: the newest so many, older than the last one that was named."""

    before: UUID | None
    limit: int


@dataclass(frozen=True, slots=True)
class Count:
    """``people`` None: the rows are about nobody outside. ``session_ids``: a page of the sessions concerned, newest first."""

    records: int = 0
    people: int | None = None
    sessions: int = 0
    session_ids: tuple[UUID, ...] = ()

    def plus(self, other: Count) -> Count:
        """Both together; they are of two buckets, so no session is in both."""
        known = [count for count in (self.people, other.people) if count is not None]
        return Count(
            self.records + other.records,
            sum(known) if known else None,
            self.sessions + other.sessions,
            self.session_ids + other.session_ids,
        )


async def count(tx: Transaction, bucket: int, account_id: UUID, source: Source, *, window: Window, page: Page) -> Count:
    """What a bucket holds of an account that is told of by this."""
    row = await _row(tx, bucket, account_id, source, window=window, page=page)
    if row is None:
        return Count()
    if source in _DATED or source in _UNDATED:
        return Count(row["records"], row["people"])
    return Count(row["records"], row["people"], row["sessions"], tuple(row["ids"]))


async def _row(
    tx: Transaction, bucket: int, account_id: UUID, source: Source, *, window: Window, page: Page
) -> Row | None:
    whose = (bucket, account_id)
    if source in _UNDATED:
        return await tx.fetchrow(_UNDATED[source], *whose)
    if source in _DATED:
        return await tx.fetchrow(_DATED[source], *whose, window.until, within=_WITHIN)
    paged = (*whose, window.until, page.before, page.limit)
    if source in _NAMING:
        return await tx.fetchrow(_SQL["of_sessions"], *paged, source, within=_WITHIN)
    if source in _OF_SESSIONS:
        return await tx.fetchrow(_OF_SESSIONS[source], *paged, within=_WITHIN)
    return await tx.fetchrow(_ENDING[source], *paged, window.since, within=_WITHIN)
