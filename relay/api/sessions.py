"""``/v1/sessions``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from relay.api.answers import gives
from relay.api.call import Call, Endpoint, Reply, limit_of
from relay.api.cursors import Cursors
from relay.api.messages import message_json
from relay.api.parameters import LIST, Parameter
from relay.api.schemas import LONGEST_NAME, EmptyBody, SessionBody, SessionChangeBody, TextBody
from relay.api.shown import ClosedSession, DryRun, ErasedSession, Message, MessagePage, Session, SessionPage
from relay.core import ids
from relay.core.erasure import Stays
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.phone import Phone, as_stored
from relay.core.times import written
from relay.services.sessions import PersonWanted, SessionChange, SessionView, SessionWanted
from relay.services.texts import TextWanted
from relay.storage.sessions import SessionFilter


async def open_session(call: Call) -> Reply:
    view = await call.services.sessions.open(call.account, await _wanted(call), call.seed)
    return Reply(session_json(view), 201)


async def dry_run(call: Call) -> Reply:
    wanted = await _wanted(call)
    numbers = await call.services.sessions.dry_run(call.account, wanted)
    people = [{"label": p.label, "proxy_number": n} for p, n in zip(wanted.people, numbers, strict=True)]
    return Reply({"pool": wanted.pool.name, "participants": people})


async def read_session(call: Call) -> Reply:
    view = await call.services.sessions.read(call.account, ids.parse(IdKind.SESSION, call.path["id"]))
    return Reply(session_json(view))


async def list_sessions(call: Call) -> Reply:
    limit, cursors = limit_of(call), Cursors(call.services.vault.tokens.cursor_secret)
    before = cursors.read("sessions", call.account.id, call.query.get("cursor"))
    wanted = await _filter(call)
    views = await call.services.sessions.listed(call.account, limit=limit + 1, before=before, wanted=wanted)
    more = cursors.write("sessions", call.account.id, views[limit - 1].session.id) if len(views) > limit else None
    return Reply({"data": [session_json(v) for v in views[:limit]], "next_cursor": more})


async def change_session(call: Call) -> Reply:
    body = call.read(SessionChangeBody)
    ends = (body.expires_in, body.expires_at, body.idle_timeout)
    change = SessionChange(*ends, expiring_notice=body.expiring_notice, metadata=body.metadata)
    view = await call.services.sessions.change(call.account, ids.parse(IdKind.SESSION, call.path["id"]), change)
    return Reply(session_json(view))


async def close_session(call: Call) -> Reply:
    session_id = ids.parse(IdKind.SESSION, call.path["id"])
    view, in_flight = await call.services.sessions.close(call.account, session_id)
    return Reply({"session": session_json(view), "in_flight": [public(IdKind.MESSAGE, m) for m in in_flight]})


async def erase_session(call: Call) -> Reply:
    session_id = ids.parse(IdKind.SESSION, call.path["id"])
    erased = await call.services.erasure.erase(call.account, session_id)
    view = await call.services.sessions.read(call.account, session_id)
    return Reply(
        {
            "session": session_json(view),
            "in_flight": [public(IdKind.MESSAGE, m) for m in erased.in_flight],
            "stays": [stays_json(one) for one in erased.stays],
            "backups_unreadable_from": written(erased.unreadable_from),
        }
    )


async def send_text(call: Call) -> Reply:
    body = call.read(TextBody)
    session_id = ids.parse(IdKind.SESSION, call.path["id"])
    try:
        recipient_id = ids.parse(IdKind.PARTICIPANT, body.to)
    except NotFound:
        raise InvalidInput(Problem("to", "unknown_participant", "must be a participant of this session")) from None
    wanted = TextWanted(
        session_id,
        recipient_id,
        await _words(call, body),
        send_at=body.send_at,
        respects_quiet_hours=body.quiet_hours == "respect",
    )
    return Reply(message_json(await call.services.texts.send(call.account, wanted, call.seed)), 202)


async def _words(call: Call, body: TextBody) -> str:
    """What the text says. Raises InvalidInput unless it is given in exactly one way."""
    if (body.text is None) == (body.template is None):
        raise InvalidInput(Problem("text", "one_of", "give either text or template"))
    if body.template is not None:
        return await call.services.templates.rendered(call.account, body.template, body.variables or {})
    if body.variables is not None:
        raise InvalidInput(Problem("variables", "without_template", "are for a template"))
    return body.text or ""


async def list_messages(call: Call) -> Reply:
    session_id = ids.parse(IdKind.SESSION, call.path["id"])
    limit, cursors = limit_of(call), Cursors(call.services.vault.tokens.cursor_secret)
    before = cursors.read(f"messages {session_id.hex}", call.account.id, call.query.get("cursor"))
    found = await call.services.texts.of_session(call.account, session_id, limit=limit + 1, before=before)
    more = None
    if len(found) > limit:
        more = cursors.write(f"messages {session_id.hex}", call.account.id, found[limit - 1].id)
    return Reply({"data": [message_json(m) for m in found[:limit]], "next_cursor": more})


async def _wanted(call: Call) -> SessionWanted:
    body = call.read(SessionBody)
    try:
        pool = await call.services.pools.find(call.account, body.pool, fresh=False)
    except NotFound:
        raise InvalidInput(Problem("pool", "unknown_pool", "must be the name or id of a pool")) from None
    one, other = (
        PersonWanted(
            Phone.parse(p.phone, f"participants.{i}.phone"), p.label, p.verification_token, named(p.proxy_number)
        )
        for i, p in enumerate(body.participants)
    )
    return SessionWanted(
        pool=pool,
        people=(one, other),
        unique_name=body.unique_name,
        expires_in=body.expires_in,
        expires_at=body.expires_at,
        idle_timeout=body.idle_timeout,
        cool_down=body.cool_down,
        expiring_notice=body.expiring_notice,
        geo_match=body.geo_match,
        geo_fallback=body.geo_fallback,
        greeting=body.greeting,
        metadata=body.metadata,
    )


def named(proxy_number: str | None) -> str | None:
    return as_stored(proxy_number) if proxy_number is not None else None


async def _filter(call: Call) -> SessionFilter:
    status = call.query.get("status")
    if status not in (None, "open", "closed"):
        raise InvalidInput(Problem("status", "invalid", "must be open or closed"))
    name = call.query.get("unique_name")
    if name is not None and not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
        raise InvalidInput(Problem("unique_name", "invalid", "must be a name that a session could have"))
    pool_id = None
    if "pool" in call.query:
        try:
            pool_id = (await call.services.pools.find(call.account, call.query["pool"])).id
        except NotFound:
            raise InvalidInput(Problem("pool", "unknown_pool", "must be the name or id of a pool")) from None
    return SessionFilter(status, name, pool_id)


def session_json(view: SessionView) -> dict[str, Any]:
    """A session as the API shows it: no phone, no text."""
    s = view.session
    return {
        "id": public(IdKind.SESSION, s.id),
        "status": s.status,
        "unique_name": s.unique_name,
        "pool": view.pool_name,
        "metadata": dict(s.metadata),
        "created_at": written(s.created_at),
        "expires_at": written(s.expires_at),
        "idle_timeout": s.idle_timeout,
        "cool_down": s.cool_down,
        "expiring_notice": s.expiring_notice,
        "last_message_at": written(s.last_message_at),
        "closed_at": written(s.closed_at),
        "close_reason": s.close_reason,
        "participants": [
            {
                "id": public(IdKind.PARTICIPANT, p.id),
                "label": p.label,
                "proxy_number": view.proxy_numbers.get(p.number_id),
                "opted_out": p.opted_out,
            }
            for p in view.participants
        ],
    }


def stays_json(one: Stays) -> dict[str, Any]:
    """Something that an erasure leaves."""
    return {"what": str(one.what), "why": one.why, "until": written(one.until)}


_FILTER = {
    "status": Parameter("only those", Literal["open", "closed"]),
    "unique_name": Parameter("exactly this name", Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]),
    "pool": Parameter("only of this pool, by name or id", Annotated[str, Field(max_length=64)]),
}
_NOBODY = ("phone_invalid", "phone_kind_refused", "own_number", "country_not_allowed", "same_person")
_UNFIT = ("no_number_available", "participant_opted_out", "pool_preparing", "verification_token_invalid", *_NOBODY)
_S = Scope.SESSIONS
_OPENED = gives(Session, "busy", "unique_name_taken", *_UNFIT, status=201)
_SENT = gives(Message, "session_closed", "participant_opted_out", "phone_unreadable", "daily_cap_reached", status=202)

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/sessions", _S, open_session, "Open a session", SessionBody, answers=_OPENED),
    Endpoint("POST", "/v1/sessions/dry-run", _S, dry_run, "What would be assigned; writes nothing", SessionBody,
             answers=gives(DryRun, *_UNFIT)),
    Endpoint("GET", "/v1/sessions", _S, list_sessions, "Sessions, newest first", query={**LIST, **_FILTER},
             answers=gives(SessionPage)),
    Endpoint("GET", "/v1/sessions/{id}", _S, read_session, "One session", answers=gives(Session)),
    Endpoint("PATCH", "/v1/sessions/{id}", _S, change_session, "Extend, shorten or annotate", SessionChangeBody,
             answers=gives(Session, "session_closed")),
    Endpoint("DELETE", "/v1/sessions/{id}", _S, erase_session, "Close and erase; says what stays, and why",
             answers=gives(ErasedSession, "on_hold")),
    Endpoint("POST", "/v1/sessions/{id}/close", _S, close_session, "Close; says what is in flight", EmptyBody,
             answers=gives(ClosedSession)),
    Endpoint("POST", "/v1/sessions/{id}/messages", _S, send_text, "A text from the platform", TextBody, answers=_SENT),
    Endpoint("GET", "/v1/sessions/{id}/messages", _S, list_messages, "Metadata, newest first", query=LIST,
             answers=gives(MessagePage)),
)
# fmt: on
