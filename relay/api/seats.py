"""``/v1/sessions/{id}/...``: somebody else in a person's place, and everybody back in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field

from relay.api.call import Call, Endpoint, Reply
from relay.api.schemas import Body, ExpiresIn, IdleTimeout, Label
from relay.api.schemas import Phone as PhoneText
from relay.api.sessions import named, session_json
from relay.core import ids
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.phone import Phone
from relay.services.sessions import PersonWanted, ReopeningWanted, Replacement


class ReplacementBody(Body):
    """Who comes. Without a label they have the one of who goes."""

    phone: PhoneText
    label: Label | None = None
    verification_token: Annotated[str, Field(max_length=64)] | None = None
    proxy_number: Annotated[str, Field(max_length=40, description="of this pool; no other will do")] | None = None


async def replace(call: Call) -> Reply:
    body = call.read(ReplacementBody)
    person = PersonWanted(Phone.parse(body.phone), token=body.verification_token, proxy_number=named(body.proxy_number))
    session_id = ids.parse(IdKind.SESSION, call.path["id"])
    participant_id = ids.parse(IdKind.PARTICIPANT, call.path["pid"])
    wanted = Replacement(session_id, participant_id, person, body.label)
    view, replaced = await call.services.sessions.replace(call.account, wanted, call.seed)
    return Reply(
        {
            "session": session_json(view),
            "participant": public(IdKind.PARTICIPANT, replaced.participant_id),
            "in_flight": [public(IdKind.MESSAGE, m) for m in replaced.in_flight],
        }
    )


class PersonAgainBody(Body):
    phone: PhoneText


class ReopeningBody(Body):
    """The two people who were in it, in any order."""

    participants: Annotated[tuple[PersonAgainBody, ...], Field(min_length=2, max_length=2)]
    expires_in: ExpiresIn | None = None
    expires_at: AwareDatetime | None = None
    idle_timeout: IdleTimeout | None = None


async def reopen(call: Call) -> Reply:
    body = call.read(ReopeningBody)
    session_id = ids.parse(IdKind.SESSION, call.path["id"])
    one, other = (Phone.parse(p.phone, f"participants.{i}.phone") for i, p in enumerate(body.participants))
    wanted = ReopeningWanted(session_id, (one, other), body.expires_in, body.expires_at, body.idle_timeout)
    return Reply(session_json(await call.services.sessions.reopen(call.account, wanted, call.seed)))


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/sessions/{id}/participants/{pid}/replace",
        Scope.SESSIONS,
        replace,
        "Somebody else in a person's place; says what is in flight to who went",
        ReplacementBody,
    ),
    Endpoint(
        "POST",
        "/v1/sessions/{id}/reopen",
        Scope.SESSIONS,
        reopen,
        "Open it again while its numbers cool down",
        ReopeningBody,
    ),
)
