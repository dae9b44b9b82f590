"""``/v1/sessions/{id}/...``: somebody else in a person's place, and everybody back in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from relay.api.answers import ParticipantId, Shown, example_id, gives
from relay.api.call import Call, Endpoint, Reply
from relay.api.schemas import Body, ExpiresIn, IdleTimeout, Label, Moment, shown_by
from relay.api.schemas import Phone as PhoneText
from relay.api.sessions import named, session_json
from relay.api.shown import InFlight, Session
from relay.core import ids
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.phone import Phone
from relay.services.sessions import PersonWanted, ReopeningWanted, Replacement


class Replaced(Shown):
    """The session, and the id of who came."""

    session: Session
    participant: Annotated[ParticipantId, Field(examples=[example_id(IdKind.PARTICIPANT, 2)])]
    in_flight: InFlight


class ReplacementBody(Body):
    """Who comes. Without a label they have the one of who goes."""

    model_config = shown_by({"phone": "+12025550151", "label": "driver"})

    phone: PhoneText
    label: Label | None = None
    verification_token: Annotated[str, Field(max_length=64)] | None = None
    proxy_number: Annotated[str, Field(max_length=40, description="of this pool; no other will do")] | None = None


async def replace_participant(call: Call) -> Reply:
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

    model_config = shown_by({"participants": [{"phone": "+12025550152"}, {"phone": "+12025550153"}]})

    participants: Annotated[tuple[PersonAgainBody, ...], Field(min_length=2, max_length=2)]
    expires_in: ExpiresIn | None = None
    expires_at: Moment | None = None
    idle_timeout: IdleTimeout | None = None


async def reopen_session(call: Call) -> Reply:
    body = call.read(ReopeningBody)
    session_id = ids.parse(IdKind.SESSION, call.path["id"])
    one, other = (Phone.parse(p.phone, f"participants.{i}.phone") for i, p in enumerate(body.participants))
    wanted = ReopeningWanted(session_id, (one, other), body.expires_in, body.expires_at, body.idle_timeout)
    return Reply(session_json(await call.services.sessions.reopen(call.account, wanted, call.seed)))


_S = Scope.SESSIONS
_PERSON = ("phone_invalid", "phone_kind_refused", "own_number", "country_not_allowed")
_REPLACED = gives(
    Replaced,
    *(
        "session_closed",
        "participant_replaced",
        "busy",
        "no_number_available",
        "participant_opted_out",
        "phone_unreadable",
    ),
    *("same_person", "verification_token_invalid", "pool_preparing", *_PERSON),
)
_REOPENED = gives(
    Session,
    *("session_open", "session_not_reopenable", "participant_opted_out", "unique_name_taken"),
    *("not_the_same_people", "same_person", *_PERSON),
)

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/sessions/{id}/participants/{pid}/replace", _S, replace_participant,
             "Somebody else in a person's place; says what is in flight to who went", ReplacementBody, answers=_REPLACED),
    Endpoint("POST", "/v1/sessions/{id}/reopen", _S, reopen_session, "Open it again while its numbers cool down",
             ReopeningBody, answers=_REOPENED),
)
# fmt: on
