"""``/v1/privacy``: what is kept and for how long, and what must be kept all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relay.api.call import Call, Endpoint, Reply
from relay.api.schemas import PrivacyRequestBody, written
from relay.core import ids
from relay.core.errors import InvalidInput, NotFound, Problem
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.core.retention import RULES, Rule
from relay.services.retention import Report
from relay.storage.holdings import Holding
from relay.storage.retention import Hold


async def ask(call: Call) -> Reply:
    """A request about people's data. So far there is one kind: a hold."""
    body = call.read(PrivacyRequestBody)
    try:
        session_id = ids.parse(IdKind.SESSION, body.session)
    except NotFound:
        raise InvalidInput(Problem("session", "unknown_session", "must be a session of this account")) from None
    key_id = call.caller.key_id
    hold = await call.services.holds.place(
        call.account, session_id, body.operator_reason, key_id=key_id, seed=call.seed
    )
    return Reply(hold_json(hold), 201)


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


def hold_json(h: Hold) -> dict[str, Any]:
    return {
        "id": public(IdKind.REQUEST, h.id),
        "kind": "hold",
        "session": public(IdKind.SESSION, h.session_id),
        "operator_reason": h.reason,
        "placed_at": written(h.placed_at),
        "placed_by": public(IdKind.KEY, h.placed_by),
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


_P, _AUDITOR = Scope.PRIVACY, frozenset({Scope.AUDIT})

ENDPOINTS = (
    Endpoint("POST", "/v1/privacy/requests", _P, ask, "Put a hold on a session", PrivacyRequestBody),
    Endpoint("DELETE", "/v1/privacy/holds/{id}", _P, lift_hold, "Lift the hold on a session (its id)"),
    Endpoint("GET", "/v1/privacy/retention", _P, read_retention, "What is held, and what is overdue", also=_AUDITOR),
    Endpoint("GET", "/v1/privacy/processing-record", _P, read_processing_record, "Record of processing (article 30)"),
)
