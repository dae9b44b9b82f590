"""``/v1/webhooks`` and ``/v1/events``."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from relay.api.answers import SessionId, gives
from relay.api.call import Call, Endpoint, Reply, limit_of
from relay.api.cursors import Cursors
from relay.api.parameters import LIST, Parameter
from relay.api.schemas import Body, EmptyBody
from relay.api.shown_webhooks import (
    DeliveryPage,
    EventPage,
    NewWebhook,
    Replayed,
    RotatedSecret,
    Webhook,
    WebhookPage,
    WebhookTest,
)
from relay.core import ids
from relay.core.customer_url import LONGEST
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.times import written
from relay.core.webhooks import EVENT_TYPES, LONGEST_FILTER, Answer, DeliveryState, document
from relay.services.webhooks import EndpointChange, EndpointView
from relay.services.webhooks.ledger import EventsWanted
from relay.storage.deliveries import Delivery

_Url = Annotated[
    str, Field(max_length=LONGEST, description="https, port 443 or 8443", examples=["https://market.example.com/relay"])
]
_Filter = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(min_length=1, max_length=LONGEST_FILTER, description='["*"], ["session.*"], ["session.closed"]'),
]


class WebhookBody(Body):
    url: _Url
    events: _Filter = Field(default=["*"])


class WebhookChangeBody(Body):
    url: _Url | None = None
    events: _Filter | None = None
    enabled: bool | None = None


class ReplayBody(Body):
    """To one webhook; to all that take such an event when none is given."""

    webhook: Annotated[str, Field(max_length=64)] | None = None


async def add_webhook(call: Call) -> Reply:
    body = call.read(WebhookBody)
    view, secret = await call.services.webhooks.add(call.account, body.url, body.events, call.seed)
    return Reply({**webhook_json(view), "secret": secret}, 201, shown_once=("secret",))


async def list_webhooks(call: Call) -> Reply:
    found = await call.services.webhooks.listed(call.account)
    return Reply({"data": [webhook_json(view) for view in reversed(found)], "next_cursor": None})


async def read_webhook(call: Call) -> Reply:
    return Reply(webhook_json(await call.services.webhooks.read(call.account, _endpoint_id(call))))


async def change_webhook(call: Call) -> Reply:
    body = call.read(WebhookChangeBody)
    change = EndpointChange(body.url, body.events, body.enabled)
    return Reply(webhook_json(await call.services.webhooks.change(call.account, _endpoint_id(call), change)))


async def remove_webhook(call: Call) -> Reply:
    await call.services.webhooks.remove(call.account, _endpoint_id(call))
    return Reply({}, 204)


async def rotate_secret(call: Call) -> Reply:
    endpoint_id = _endpoint_id(call)
    secret, until = await call.services.webhooks.rotate(call.account, endpoint_id)
    shown = {"id": public(IdKind.ENDPOINT, endpoint_id), "secret": secret, "former_secret_until": written(until)}
    return Reply(shown, shown_once=("secret",))


async def test_webhook(call: Call) -> Reply:
    return Reply(answer_json(await call.services.webhooks.test(call.account, _endpoint_id(call))))


async def list_deliveries(call: Call) -> Reply:
    limit, cursors = limit_of(call), Cursors(call.services.vault.tokens.cursor_secret)
    endpoint = await call.services.webhooks.find(call.account, _endpoint_id(call))
    which = f"deliveries {endpoint.id.hex}"
    before, state = cursors.read(which, call.account.id, call.query.get("cursor")), _state(call)
    found = await call.services.ledger.deliveries(call.account, endpoint, limit=limit + 1, before=before, state=state)
    more = cursors.write(which, call.account.id, found[limit - 1].event_id) if len(found) > limit else None
    return Reply({"data": [delivery_json(one) for one in found[:limit]], "next_cursor": more})


async def list_events(call: Call) -> Reply:
    cursors = Cursors(call.services.vault.tokens.cursor_secret)
    before = cursors.read("events", call.account.id, call.query.get("cursor"))
    page = await call.services.ledger.events(call.account, _wanted(call), limit=limit_of(call), before=before)
    more = cursors.write("events", call.account.id, page.more) if page.more else None
    return Reply({"data": [document(event) for event in page.events], "next_cursor": more})


async def replay_event(call: Call) -> Reply:
    body, event_id = call.read(ReplayBody), ids.parse(IdKind.EVENT, call.path["id"])
    told = await call.services.ledger.replay(call.account, event_id, _chosen(body))
    return Reply({"webhooks": [public(IdKind.ENDPOINT, endpoint_id) for endpoint_id in told]}, 202)


def _endpoint_id(call: Call) -> UUID:
    return ids.parse(IdKind.ENDPOINT, call.path["id"])


def _chosen(body: ReplayBody) -> UUID | None:
    if body.webhook is None:
        return None
    try:
        return ids.parse(IdKind.ENDPOINT, body.webhook)
    except NotFound:
        raise InvalidInput(Problem("webhook", "unknown_webhook", "must be one of the account's webhooks")) from None


def _state(call: Call) -> DeliveryState | None:
    given = call.query.get("state")
    if given is not None and given not in set(DeliveryState):
        raise InvalidInput(Problem("state", "invalid", f"must be one of: {', '.join(DeliveryState)}"))
    return DeliveryState(given) if given else None


def _wanted(call: Call) -> EventsWanted:
    event_type, session = call.query.get("type"), call.query.get("session")
    if event_type is not None and event_type not in EVENT_TYPES:
        raise InvalidInput(Problem("type", "unknown_event", "must be a type of event, such as session.closed"))
    if session is None:
        return EventsWanted(event_type)
    try:
        return EventsWanted(event_type, ids.parse(IdKind.SESSION, session))
    except NotFound:
        raise InvalidInput(Problem("session", "invalid", "must be the id of a session")) from None


def webhook_json(view: EndpointView) -> dict[str, Any]:
    """A webhook without its secret, and of its address only where it is."""
    one = view.endpoint
    return {
        "id": public(IdKind.ENDPOINT, one.id),
        "host": view.host,
        "events": list(one.events),
        "status": one.status,
        "status_since": written(one.changed_at),
        "disabled_reason": one.disabled_reason,
        "failing_since": written(view.failing_since),
        "created_at": written(one.created_at),
    }


def answer_json(answer: Answer) -> dict[str, Any]:
    return {"delivered": answer.is_taken, "status": answer.status, "failure": answer.failure}


def delivery_json(one: Delivery) -> dict[str, Any]:
    return {
        "event": public(IdKind.EVENT, one.event_id),
        "type": one.type,
        "state": one.state,
        "tries": one.tries,
        "failure": one.failure,
        "last_status": one.last_status,
        "last_try_at": written(one.last_at),
        "next_try_at": written(one.due_at),
        "created_at": written(one.made_at),
    }


_W = Scope.WEBHOOKS
_EVENTS = {
    "type": Parameter("one type of event", Annotated[str, Field(examples=["session.closed"])]),
    "session": Parameter("of one session", SessionId),
}
_DELIVERIES = {"state": Parameter("where they are", DeliveryState)}
_ONE = "/v1/webhooks/{id}"

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/webhooks", _W, add_webhook, "Tell an address what happens; its secret is shown once", WebhookBody,
             answers=gives(NewWebhook, "too_many_webhooks", status=201)),
    Endpoint("GET", "/v1/webhooks", _W, list_webhooks, "All webhooks, newest first", answers=gives(WebhookPage)),
    Endpoint("GET", _ONE, _W, read_webhook, "One webhook", answers=gives(Webhook)),
    Endpoint("PATCH", _ONE, _W, change_webhook, "Another address or filter; enable, disable", WebhookChangeBody,
             answers=gives(Webhook)),
    Endpoint("DELETE", _ONE, _W, remove_webhook, "Remove a webhook", answers=gives(None)),
    Endpoint("POST", f"{_ONE}/rotate", _W, rotate_secret, "A new secret; the former one signs for a day more", EmptyBody,
             answers=gives(RotatedSecret)),
    Endpoint("POST", f"{_ONE}/test", _W, test_webhook, "Post a signed event of no meaning, now", EmptyBody,
             answers=gives(WebhookTest)),
    Endpoint("GET", f"{_ONE}/deliveries", _W, list_deliveries, "What it was told, newest event first",
             query={**LIST, **_DELIVERIES}, answers=gives(DeliveryPage)),
    Endpoint("GET", "/v1/events", _W, list_events, "What has happened, newest first", query={**LIST, **_EVENTS},
             answers=gives(EventPage)),
    Endpoint("POST", "/v1/events/{id}/replay", _W, replay_event, "Tell webhooks of an event once more", ReplayBody,
             answers=gives(Replayed, "no_webhook", status=202)),
)
# fmt: on
