"""``/v1/privacy``: what is kept and for how long, what must be kept all the same, and what one person may ask."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, TypeVar

from relay.api.answers import gives
from relay.api.call import Call, Endpoint, Reply, limit_of
from relay.api.cursors import Cursors
from relay.api.downloads import DOWNLOADS, Links
from relay.api.parameters import LIST, Instant, Parameter
from relay.api.schemas import PrivacyRequestBody
from relay.api.sessions import stays_json
from relay.api.shown_records import Affected, PersonRequest, PrivacyRequest, ProcessingRecord, RetentionReport
from relay.core import ids
from relay.core.affected import NOT_COUNTED, TOLD, columns_of, is_clear, read_leak
from relay.core.data_class import DataClass, Rule
from relay.core.data_rules import RULES
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, public
from relay.core.model import HoldReason, Scope
from relay.core.phone import Phone
from relay.core.subject import STAYS, OperatorReason, RequestKind
from relay.core.times import written
from relay.services.affected import Answer, Concerned
from relay.services.retention import Report
from relay.services.subjects import Request, SubjectWanted
from relay.storage.affected import Page
from relay.storage.holdings import Holding
from relay.storage.retention import Hold

_HOLD_FIELDS, _PERSON_FIELDS = {"session", "operator_reason"}, {"phone", "verification_token", "operator_reason"}


async def make_privacy_request(call: Call) -> Reply:
    """A request about people's data: that a session is held, or what there is about one person, or that it goes."""
    body = call.read(PrivacyRequestBody)
    return await (_hold(call, body) if body.kind == "hold" else _ask_about_person(call, body))


async def _hold(call: Call, body: PrivacyRequestBody) -> Reply:
    _refuse_fields(body, _HOLD_FIELDS, needed=_HOLD_FIELDS)
    reason = _word(HoldReason, body.operator_reason or "")
    try:
        session_id = ids.parse(IdKind.SESSION, body.session or "")
    except NotFound:
        raise InvalidInput(Problem("session", "unknown_session", "must be a session of this account")) from None
    key_id = call.caller.key_id
    hold = await call.services.holds.place(call.account, session_id, reason, key_id=key_id, seed=call.seed)
    return Reply(hold_json(hold), 201)


async def _ask_about_person(call: Call, body: PrivacyRequestBody) -> Reply:
    _refuse_fields(body, _PERSON_FIELDS, needed={"phone"})
    if (body.verification_token is None) == (body.operator_reason is None):
        words = "give a token that proves the phone, or an operator_reason; one of the two"
        raise InvalidInput(Problem("verification_token", "missing", words))
    wanted = SubjectWanted(
        RequestKind(body.kind),
        Phone.parse(body.phone or ""),
        body.verification_token,
        None if body.operator_reason is None else _word(OperatorReason, body.operator_reason),
    )
    request = await call.services.subjects.ask(call.account, wanted, key_id=call.caller.key_id, seed=call.seed)
    document = request_json(call, request)
    if request.kind is RequestKind.ERASURE:
        unreadable_from = written(await call.services.erasure.unreadable_from())
        stays = [stays_json(one) for one in STAYS]
        document |= {"stays": stays, "backups_unreadable_from": unreadable_from}
    return Reply(document, 201)


def _refuse_fields(body: PrivacyRequestBody, known: set[str], *, needed: set[str]) -> None:
    """Raises InvalidInput for a field that this kind of request does not take, and for one that it lacks."""
    given = {name for name, value in body if value is not None} - {"kind"}
    wrong = [Problem(f, "unknown_field", "is not a field of this request") for f in sorted(given - known)]
    wrong += [Problem(f, "missing", "is required") for f in sorted(needed - given)]
    if wrong:
        raise InvalidInput(*wrong)


W = TypeVar("W", bound=StrEnum)


def _word(words: type[W], given: str) -> W:
    """Raises InvalidInput for a reason that there is not for this kind of request."""
    try:
        return words(given)
    except ValueError:
        said = f"must be one of: {', '.join(words)}"
        raise InvalidInput(Problem("operator_reason", "invalid", said)) from None


async def read_privacy_request(call: Call) -> Reply:
    request_id = ids.parse(IdKind.REQUEST, call.path["id"])
    return Reply(request_json(call, await call.services.subjects.read(call.account, request_id)))


async def lift_hold(call: Call) -> Reply:
    await call.services.holds.lift(call.account, ids.parse(IdKind.SESSION, call.path["id"]))
    return Reply({}, 204)


async def read_retention(call: Call) -> Reply:
    return Reply(report_json(await call.services.retention.report(call.account)))


async def read_processing_record(call: Call) -> Reply:
    directory = await call.services.configuration.refreshed()
    providers = sorted({connection.provider for connection in directory.connections_of(call.account.id)})
    recipients = [{"provider": name, "receives": ["phone", "text"]} for name in providers]
    activities = [{"class": str(data_class), **_activity(rule)} for data_class, rule in RULES.items()]
    return Reply({"controller": call.account.name, "activities": activities, "recipients": recipients})


async def read_affected(call: Call) -> Reply:
    """Whom a leak concerns, with a page of the sessions."""
    asked = {name: call.query.get(name) for name in ("table", "class", "from", "until")}
    leak = read_leak(
        table=asked["table"],
        data_class=asked["class"],
        since=asked["from"],
        until=asked["until"],
        now=await call.services.database.now(),
    )
    limit, cursors = limit_of(call), Cursors(call.services.vault.tokens.cursor_secret)
    before = cursors.read("affected", call.account.id, call.query.get("cursor"))
    answer = await call.services.affected.by(call.account, leak, Page(before, limit + 1))
    more = len(answer.session_ids) > limit
    after = cursors.write("affected", call.account.id, answer.session_ids[limit - 1]) if more else None
    return Reply(affected_json(answer, limit=limit) | {"next_cursor": after})


def request_json(call: Call, r: Request) -> dict[str, Any]:
    """A request about a person: not about whom."""
    download = None
    if r.download_until is not None:
        token = Links(call.services.vault.tokens.download_secret).write(r.id, r.download_until)
        address = call.services.public_url.rstrip("/") + DOWNLOADS.replace("{token}", token)
        download = {"url": address, "expires_at": written(r.download_until)}
    return {
        "id": public(IdKind.REQUEST, r.id),
        "kind": str(r.kind),
        "asked_at": written(r.asked_at),
        "download": download,
    }


def hold_json(h: Hold) -> dict[str, Any]:
    return {
        "id": public(IdKind.REQUEST, h.id),
        "kind": "hold",
        "session": public(IdKind.SESSION, h.session_id),
        "operator_reason": h.reason,
        "placed_at": written(h.placed_at),
        "placed_by": public(IdKind.KEY, h.placed_by),
    }


def affected_json(a: Answer, *, limit: int) -> dict[str, Any]:
    """Whom a leak concerns: numbers, and ids of sessions; no phone, and nobody's hash."""
    window = a.leak.window
    return {
        "at": written(a.at),
        "from": written(window.since),
        "until": written(window.until),
        "data": [_concerned_json(one) for one in a.concerned],
        "not_counted": NOT_COUNTED,
        "sessions": a.sessions,
        "session_ids": [public(IdKind.SESSION, session_id) for session_id in a.session_ids[:limit]],
    }


def _concerned_json(one: Concerned) -> dict[str, Any]:
    rule, count = RULES[one.reading.data_class], one.count
    return {
        "table": one.reading.table,
        "class": str(one.reading.data_class),
        "data": rule.what,
        "about": rule.people,
        "columns": list(columns_of(one.reading)),
        "protection": rule.sealed_by,
        "readable_without_keyring": is_clear(one.reading.data_class),
        "kept_until": rule.until,
        "counted": one.reading.told.how,
        "records": count.records if count else None,
        "people": count.people if count else None,
        "sessions": count.sessions if count else None,
    }


def report_json(r: Report) -> dict[str, Any]:
    """The retention report; ``oldest_age`` in whole seconds."""
    return {"at": written(r.at), "overdue": r.overdue, "data": [_holding_json(h, r) for h in r.holdings]}


def _holding_json(h: Holding, r: Report) -> Mapping[str, Any]:
    rule = RULES[h.data_class]
    return {
        "class": str(h.data_class),
        "kept_until": rule.until,
        "held": h.held,
        "oldest_at": written(h.oldest),
        "oldest_age": int((r.at - h.oldest).total_seconds()) if h.oldest else None,
        "overdue": h.overdue,
    }


def _activity(rule: Rule) -> dict[str, Any]:
    """One activity of the record of processing (GDPR article 30); ``period`` in seconds, where it is one."""
    return {
        "data": rule.what,
        "people": rule.people,
        "purpose": rule.purpose,
        "kept_until": rule.until,
        "period": int(rule.period.total_seconds()) if rule.period else None,
        "protection": rule.sealed_by,
        "columns": {table: list(columns) for table, columns in rule.columns.items()},
    }


_LEAK = {
    "table": Parameter("what was copied; the whole database when not given", Literal[tuple(TOLD)]),
    "class": Parameter("only this class of data", DataClass),
    "from": Parameter("since when it may have been copied, with a zone; ever when not given", Instant),
    "until": Parameter("and until when; now when not given", Instant),
}
_P, _AUDITOR = Scope.PRIVACY, frozenset({Scope.AUDIT})
_MADE = gives(
    PrivacyRequest,
    *("already_held", "session_erased", "phone_invalid", "phone_kind_refused", "verification_token_invalid"),
    status=201,
)

# fmt: off
ENDPOINTS = (
    Endpoint("POST", "/v1/privacy/requests", _P, make_privacy_request, "Hold a session; access or erasure for a person",
             PrivacyRequestBody, answers=_MADE),
    Endpoint("GET", "/v1/privacy/requests/{id}", _P, read_privacy_request,
             "A request for access or erasure, and its download", answers=gives(PersonRequest)),
    Endpoint("DELETE", "/v1/privacy/holds/{id}", _P, lift_hold, "Lift the hold on a session (its id)", answers=gives(None)),
    Endpoint("GET", "/v1/privacy/retention", _P, read_retention, "What is held, and what is overdue", also=_AUDITOR,
             answers=gives(RetentionReport)),
    Endpoint("GET", "/v1/privacy/processing-record", _P, read_processing_record, "Record of processing (article 30)",
             answers=gives(ProcessingRecord)),
    Endpoint("GET", "/v1/privacy/affected", _P, read_affected, "Whom a leak concerns (article 33)",
             query={**LIST, **_LEAK}, answers=gives(Affected)),
)
# fmt: on
