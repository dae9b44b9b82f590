"""``/v1/messages``: metadata only, and what to do about parked texts."""

from __future__ import annotations

from typing import Any

from relay.api.answers import gives
from relay.api.call import Call, Endpoint, Reply
from relay.api.schemas import EmptyBody
from relay.api.shown import Message
from relay.core import ids
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.times import written
from relay.storage.messages import StoredMessage


async def read_message(call: Call) -> Reply:
    message = await call.services.texts.read(call.account, ids.parse(IdKind.MESSAGE, call.path["id"]))
    return Reply(message_json(message))


async def retry_message(call: Call) -> Reply:
    message = await call.services.texts.retry(call.account, ids.parse(IdKind.MESSAGE, call.path["id"]), call.seed)
    return Reply(message_json(message))


async def discard_message(call: Call) -> Reply:
    message = await call.services.texts.discard(call.account, ids.parse(IdKind.MESSAGE, call.path["id"]), call.seed)
    return Reply(message_json(message))


def message_json(m: StoredMessage) -> dict[str, Any]:
    """A message as the API shows it: everything but what was written."""
    return {
        "id": public(IdKind.MESSAGE, m.id),
        "session": public(IdKind.SESSION, m.session_id) if m.session_id else None,
        "kind": m.kind,
        "from": public(IdKind.PARTICIPANT, m.from_participant) if m.from_participant else None,
        "to": public(IdKind.PARTICIPANT, m.to_participant) if m.to_participant else None,
        "state": m.state,
        "reason": m.reason,
        "segments": m.segments,
        "received_at": written(m.received_at),
        "send_at": written(m.send_at),
        "accepted_at": written(m.accepted_at),
        "delivered_at": written(m.delivered_at),
    }


_S = Scope.SESSIONS
_PARKED = gives(Message, "not_parked")
_RETRIED = gives(Message, "not_parked", "session_closed")

# fmt: off
ENDPOINTS = (
    Endpoint("GET", "/v1/messages/{id}", _S, read_message, "One message's metadata", answers=gives(Message)),
    Endpoint("POST", "/v1/messages/{id}/retry", _S, retry_message, "Send a parked text after all", EmptyBody,
             answers=_RETRIED),
    Endpoint("POST", "/v1/messages/{id}/discard", _S, discard_message, "Give a parked text up", EmptyBody,
             answers=_PARKED),
)
# fmt: on
