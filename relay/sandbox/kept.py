"""What the relay keeps about a session, as JSON for the panel beside the handsets and for the tour.

Rows of ``storage.panel``, with ids in their public spelling and sealed bytes as the first of their hexadecimal digits. There
is no phone and no text to be had here: the vault is never asked to open anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from relay.core import ids
from relay.core.errors import NotFound
from relay.core.ids import IdKind, public
from relay.storage import panel
from relay.storage.database import Database
from relay.storage.panel import EventRow, Kept, MessageRow, OutboxRow, ParticipantRow, SessionRow


async def kept_json(database: Database, public_id: str) -> dict[str, Any]:
    """All that is kept about a session, newest first. Raises NotFound, StorageUnavailable."""
    session_id = ids.parse(IdKind.SESSION, public_id)
    async with database.transaction() as tx:
        found = await panel.kept(tx, session_id)
    if found is None:
        raise NotFound
    return _whole(found)


def _whole(kept: Kept) -> dict[str, Any]:
    return {
        "session": _session(kept.session),
        "participants": [_participant(row) for row in kept.participants],
        "messages": [_message(row) for row in kept.messages],
        "outbox": [_waiting(row) for row in kept.outbox],
        "events": [_event(row) for row in kept.events],
    }


def _session(row: SessionRow) -> dict[str, Any]:
    return {
        "id": public(IdKind.SESSION, row.id),
        "status": row.status,
        "created_at": _time(row.created_at),
        "expires_at": _time(row.expires_at),
        "last_message_at": _time(row.last_message_at),
        "closed_at": _time(row.closed_at),
        "close_reason": row.close_reason,
    }


def _participant(row: ParticipantRow) -> dict[str, Any]:
    return {
        "id": public(IdKind.PARTICIPANT, row.id),
        "slot": row.slot,
        "label": row.label,
        "status": row.status,
        "number": row.number,
        "opted_out": row.opted_out,
        "party_index": _start(row.index_start),
        "sealed_phone": _start(row.phone_start),
        "sealed_phone_bytes": row.phone_bytes,
        "epoch": row.epoch_id,
        "holds_number": row.held,
        "held_until": _time(row.held_until),
    }


def _message(row: MessageRow) -> dict[str, Any]:
    return {
        "id": public(IdKind.MESSAGE, row.id),
        "kind": row.kind,
        "from": _public(IdKind.PARTICIPANT, row.from_participant),
        "to": _public(IdKind.PARTICIPANT, row.to_participant),
        "state": row.state,
        "reason": row.reason,
        "segments": row.segments,
        "received_at": _time(row.received_at),
        "last_outcome": row.last_outcome,
    }


def _waiting(row: OutboxRow) -> dict[str, Any]:
    return {
        "message": public(IdKind.MESSAGE, row.message_id),
        "kind": row.kind,
        "phase": row.phase,
        "sealed_phone": _start(row.phone_start),
        "sealed_phone_bytes": row.phone_bytes,
        "sealed_text": _start(row.text_start),
        "sealed_text_bytes": row.text_bytes,
        "transit_key": row.transit_id,
        "due_at": _time(row.due_at),
    }


def _event(row: EventRow) -> dict[str, Any]:
    return {
        "id": public(IdKind.EVENT, row.id),
        "type": row.type,
        "participant": _public(IdKind.PARTICIPANT, row.participant_id),
        "message": _public(IdKind.MESSAGE, row.message_id),
        "reason": row.reason,
        "at": _time(row.at),
    }


def _public(kind: IdKind, row_id: UUID | None) -> str | None:
    return public(kind, row_id) if row_id is not None else None


def _start(sealed: bytes | None) -> str | None:
    return sealed.hex() if sealed is not None else None


def _time(at: datetime | None) -> str | None:
    """RFC 3339, UTC, to the millisecond: people watch things happen."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at is not None else None
