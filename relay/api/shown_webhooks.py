"""What the API shows of webhooks, of what they were told, and of what has happened."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from relay.api.answers import Count, EndpointId, EventId, Page, Shown, Time
from relay.core.webhooks import DeliveryState, DisabledReason, EndpointStatus, Failure

EventType = Annotated[str, Field(description="a type of event", examples=["session.closed"])]
Secret = Annotated[
    str,
    Field(
        pattern="^whsec_", description="shown this once; signs what is posted", examples=["whsec_C2FVsBQIhrscChlQIM..."]
    ),
]
Status = Annotated[int | None, Field(description="the HTTP status that it answered", examples=[204])]
FailureWord = Annotated[Failure | None, Field(description="why the last try came to nothing", examples=[None])]


class Webhook(Shown):
    """An address that is told what happens. The address itself is not shown: it may hold a token."""

    id: EndpointId
    host: Annotated[str, Field(examples=["market.example.com"])]
    events: Annotated[list[str], Field(examples=[["*"]])]
    status: EndpointStatus
    status_since: Time
    disabled_reason: Annotated[DisabledReason | None, Field(examples=[None])]
    failing_since: Annotated[Time | None, Field(examples=[None])]
    created_at: Time


class NewWebhook(Webhook):
    """With the secret that signs what is posted there: in the first answer only."""

    secret: Secret | None = None


class WebhookPage(Page[Webhook]):
    """All webhooks, newest first."""


class RotatedSecret(Shown):
    """A new secret. The one before signs, too, until then."""

    id: EndpointId
    secret: Secret | None = None
    former_secret_until: Annotated[Time, Field(examples=["2026-11-21T08:00:00Z"])]


class WebhookTest(Shown):
    """What it answered."""

    delivered: Annotated[bool, Field(examples=[True])]
    status: Status
    failure: FailureWord


class Delivery(Shown):
    """An event that a webhook is, or was, to be told of."""

    event: EventId
    type: EventType
    state: DeliveryState
    tries: Count
    failure: FailureWord
    last_status: Status
    last_try_at: Annotated[Time | None, Field(examples=["2026-11-20T08:00:00Z"])]
    next_try_at: Annotated[Time | None, Field(examples=[None])]
    created_at: Time


class DeliveryPage(Page[Delivery]):
    """Deliveries, newest event first."""


class Event(Shown):
    """Something that changed its state, as webhooks are told of it."""

    type: EventType
    id: EventId
    timestamp: Time
    sequence: Annotated[int | None, Field(description="its number within its session", examples=[7])]
    data: Annotated[dict[str, str], Field(description="ids, the new state, the reason", examples=[{"state": "closed"}])]


class EventPage(Page[Event]):
    """Events, newest first."""


class Replayed(Shown):
    """Who is told once more."""

    webhooks: list[EndpointId]


class InterceptHook(Shown):
    """A server that is asked before a text of the pool leaves."""

    timeout: Annotated[int, Field(ge=1, le=10, description="seconds", examples=[3])]
    on_timeout: Literal["allow", "refuse"]
    secret: Secret | None = None


class StrangerHook(Shown):
    """A server that is asked about texts that nobody was there to get."""

    timeout: Annotated[int, Field(ge=1, le=10, description="seconds", examples=[3])]
    secret: Secret | None = None


class PoolHooks(Shown):
    """The servers that a pool asks. A secret is shown in the answer that made it, and in no other."""

    intercept: Annotated[InterceptHook | None, Field(examples=[None])]
    out_of_session: Annotated[StrangerHook | None, Field(examples=[None])]
