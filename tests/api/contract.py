"""The API as it was promised: every call, the scope that it needs, and an example that succeeds.

Written down a second time on purpose. The application is read from its own table of routes; were the tests to read that
table, too, a route that was lost or opened to the wrong key would be missed by both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from relay.core.ids import IdKind, bucket_of, parse
from relay.core.model import Scope
from relay.core.notes import parse_note
from tests.api.rig import ALICE, BOB, CAROL, DAVE, EVE, Api, opening
from tests.evidence.logs import witness_named
from tests.services.carrier import lost_answer
from tests.services.rig import CREDENTIALS

FRANK, GRACE, HEIDI = "+12025550151", "+12025550152", "+12025550153"
World = Mapping[str, str]  #: what there is in an account: its name in a path or body -> public id


@dataclass(frozen=True, slots=True)
class Row:
    """One call. ``{id}`` in the path is the id of the world's ``thing``, ``{pid}`` that of somebody in it."""

    method: str
    path: str
    scope: Scope
    thing: str = ""
    body: Callable[[World], dict[str, object]] | None = None
    also: tuple[Scope, ...] = ()
    tail: str = ""  #: what {path} in the path stands for
    asked: str = ""  #: a parameter that has to be given: its name is that of a thing of the world

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def at(self, world: World) -> str:
        path = self.path.replace("{pid}", world["other participant"])
        path = path.replace("{id}", world[self.thing]) if self.thing else path
        return path.replace("{path}", self.tail) + (f"?{self.asked}={world[self.asked]}" if self.asked else "")

    def said(self, world: World) -> dict[str, object] | None:
        return self.body(world) if self.body else None


def _nothing(_: World) -> dict[str, object]:
    return {}


def _text(world: World) -> dict[str, object]:
    return {"to": world["participant"], "text": "Your driver is here."}


def _again(one: str, other: str) -> dict[str, object]:
    return {"participants": [{"phone": one}, {"phone": other}]}


def _connection(_: World) -> dict[str, object]:
    return {"provider": "twilio", "credentials": dict(CREDENTIALS)}


def _number(world: World) -> dict[str, object]:
    return {"number": "+12025550109", "connection": world["connection"]}


def _hold(world: World) -> dict[str, object]:
    return {"kind": "hold", "session": world["session"], "operator_reason": "legal_claim"}


def _webhook(_: World) -> dict[str, object]:
    return {"url": "https://hooks.example.com/relay?token=abc089", "events": ["session.*"]}


_W = Scope.WEBHOOKS
_S, _N, _A, _P, _L = Scope.SESSIONS, Scope.NUMBERS, Scope.ADMIN, Scope.PRIVACY, Scope.AUDIT

#: In an order in which each can succeed in one world after the others: what ends something comes last.
CONTRACT: tuple[Row, ...] = (
    Row("POST", "/v1/sessions", _S, body=lambda _: opening(ALICE, CAROL)),
    Row("POST", "/v1/sessions/dry-run", _S, body=lambda _: opening(BOB, CAROL)),
    Row("POST", "/v1/sessions/bulk-close", _S, body=lambda _: {"filter": {"unique_name_prefix": "trip-"}}),
    Row("GET", "/v1/sessions/bulk-close/{id}", _S, "bulk close"),
    Row("GET", "/v1/sessions", _S),
    Row("GET", "/v1/sessions/{id}", _S, "session"),
    Row("PATCH", "/v1/sessions/{id}", _S, "session", lambda _: {"metadata": {"order": "991"}}),
    Row("POST", "/v1/sessions/{id}/messages", _S, "session", _text),
    Row("GET", "/v1/sessions/{id}/messages", _S, "session"),
    Row("POST", "/v1/templates", _S, body=lambda _: {"name": "near", "text": "{driver} is near"}),
    Row("GET", "/v1/templates", _S),
    Row("GET", "/v1/templates/{id}", _S, "template"),
    Row("PATCH", "/v1/templates/{id}", _S, "template", lambda _: {"text": "{driver} waits"}),
    Row("DELETE", "/v1/templates/{id}", _S, "template"),
    Row("GET", "/v1/messages/{id}", _S, "parked"),
    Row("POST", "/v1/messages/{id}/retry", _S, "parked", _nothing),
    Row("POST", "/v1/messages/{id}/discard", _S, "also parked", _nothing),
    Row("POST", "/v1/sessions/{id}/participants/{pid}/replace", _S, "session", lambda _: {"phone": FRANK}),
    Row("POST", "/v1/sessions/{id}/close", _S, "session", _nothing),
    Row("POST", "/v1/sessions/{id}/reopen", _S, "closed session", lambda _: _again(GRACE, HEIDI)),
    Row("POST", "/v1/verifications", _S, body=lambda _: {"phone": BOB, "purpose": "session"}),
    Row("POST", "/v1/verifications/{id}/check", _S, "verification", lambda _: {"code": "000000"}),
    Row("GET", "/v1/account", _A),
    Row("PATCH", "/v1/account", _A, body=lambda _: {"programme": "Rides"}),
    Row("POST", "/v1/connections", _A, body=_connection),
    Row("GET", "/v1/connections", _A),
    Row("GET", "/v1/connections/{id}", _A, "connection"),
    Row("POST", "/v1/connections/{id}/test", _A, "connection", _nothing),
    Row("DELETE", "/v1/connections/{id}", _A, "unused connection"),
    Row("POST", "/v1/numbers", _N, body=_number),
    Row("GET", "/v1/numbers", _N),
    Row("GET", "/v1/numbers/{id}", _N, "number"),
    Row("PATCH", "/v1/numbers/{id}", _N, "number", lambda _: {"rate": 2.5}),
    Row("DELETE", "/v1/numbers/{id}", _N, "number"),
    Row("POST", "/v1/pools", _N, body=lambda _: {"name": "night"}),
    Row("GET", "/v1/pools", _N),
    Row("GET", "/v1/pools/{id}", _N, "empty pool"),
    Row("PATCH", "/v1/pools/{id}", _N, "empty pool", lambda _: {"name": "noon"}),
    Row("DELETE", "/v1/pools/{id}", _N, "empty pool"),
    Row("POST", "/v1/privacy/requests", _P, body=_hold),
    Row("GET", "/v1/privacy/requests/{id}", _P, "request"),
    Row("DELETE", "/v1/privacy/holds/{id}", _P, "held session"),
    Row("DELETE", "/v1/sessions/{id}", _S, "held session"),
    Row("GET", "/v1/privacy/retention", _P, also=(Scope.AUDIT,)),
    Row("GET", "/v1/privacy/processing-record", _P),
    Row("GET", "/v1/privacy/affected", _P),
    Row("GET", "/v1/suppressions", _P),
    Row("POST", "/v1/suppressions", _P, body=lambda _: {"phone": "+12025550144", "reason": "complaint"}),
    Row("POST", "/v1/suppressions/lift", _P, body=lambda _: {"phone": "+12025550144"}),
    Row("POST", "/v1/suppressions/import", _P, body=lambda _: {"phones": ["+12025550145"], "reason": "earlier_system"}),
    Row("POST", "/v1/suppressions/check", _P, body=lambda _: {"phones": ["+12025550145"]}),
    Row("POST", "/v1/webhooks", _W, body=_webhook),
    Row("GET", "/v1/webhooks", _W),
    Row("GET", "/v1/webhooks/{id}", _W, "webhook"),
    Row("PATCH", "/v1/webhooks/{id}", _W, "webhook", lambda _: {"events": ["*"]}),
    Row("POST", "/v1/webhooks/{id}/rotate", _W, "webhook", _nothing),
    Row("POST", "/v1/webhooks/{id}/test", _W, "webhook", _nothing),
    Row("GET", "/v1/webhooks/{id}/deliveries", _W, "webhook"),
    Row("GET", "/v1/events", _W),
    Row("POST", "/v1/events/{id}/replay", _W, "event", _nothing),
    Row("DELETE", "/v1/webhooks/{id}", _W, "webhook"),
    Row("GET", "/v1/audit/checkpoint", _L),
    Row("GET", "/v1/audit/tile/{path}", _L, tail="entries/000.p/1"),
    Row("GET", "/v1/audit/proof", _L, asked="entry"),
    Row("GET", "/v1/audit/entries", _L),
    Row("GET", "/v1/audit/keys", _L),
    Row("POST", "/v1/audit/exports", _L, body=lambda _: {"since": "2026-01-01T00:00:00Z"}),
    Row("GET", "/v1/audit/exports/{id}", _L, "audit export"),
    Row("POST", "/v1/audit/witnesses", _A, body=lambda _: {"key": witness_named("second.example").public.written()}),
    Row("GET", "/v1/audit/witnesses", _A, also=(Scope.AUDIT,)),
    Row("POST", "/v1/audit/cosignatures", _L, body=lambda world: {"checkpoint": world["cosigned head"]}),
    Row("DELETE", "/v1/audit/witnesses/{id}", _A, "witness"),
)

#: The kind of id that each thing has.
KINDS = {
    "session": IdKind.SESSION,
    "held session": IdKind.SESSION,
    "closed session": IdKind.SESSION,
    "parked": IdKind.MESSAGE,
    "also parked": IdKind.MESSAGE,
    "connection": IdKind.CONNECTION,
    "unused connection": IdKind.CONNECTION,
    "number": IdKind.NUMBER,
    "empty pool": IdKind.POOL,
    "verification": IdKind.VERIFICATION,
    "request": IdKind.REQUEST,
    "template": IdKind.TEMPLATE,
    "bulk close": IdKind.REQUEST,
    "audit export": IdKind.REQUEST,
    "witness": IdKind.WITNESS,
    "webhook": IdKind.ENDPOINT,
    "event": IdKind.EVENT,
}


async def furnished(api: Api) -> World:
    """One of everything: a session with two parked texts, one on hold, a closed one, connections, a number that nobody holds, an
    empty pool, a code."""
    session = await api.session()
    parked = [await parked_text(api, session) for _ in range(2)]
    held, closed = await api.session(DAVE, EVE), await api.session(GRACE, HEIDI)
    await api.made(f"/v1/sessions/{closed['id']}/close", {})
    await api.made("/v1/privacy/requests", _hold({"session": held["id"]}))
    request = await api.made(
        "/v1/privacy/requests", {"kind": "access", "phone": EVE, "operator_reason": "own_initiative"}
    )
    await api.rig.relay.audit_log.seal(api.rig.account.bucket)
    entries = (await api.ask("GET", "/v1/audit/entries?limit=1")).json()["data"]
    head = parse_note((await api.ask("GET", "/v1/audit/checkpoint")).text)
    watching = witness_named("first.example")
    witness = await api.made("/v1/audit/witnesses", {"key": watching.public.written()})
    webhook = await api.made("/v1/webhooks", _webhook({}))
    events = (await api.ask("GET", f"/v1/events?type=session.opened&session={session['id']}")).json()["data"]
    spare = {"number": "+12025550108", "connection": api.connection, "reserved": True}
    return {
        "session": session["id"],
        "entry": entries[0]["id"],
        "webhook": webhook["id"],
        "event": events[0]["id"],
        "audit export": (await api.made("/v1/audit/exports", {}))["id"],
        "witness": witness["id"],
        "cosigned head": watching.under(head, at=1).written(),
        "held session": held["id"],
        "closed session": closed["id"],
        "request": request["id"],
        "template": (await api.made("/v1/templates", {"name": "late", "text": "{driver} is late"}))["id"],
        "participant": session["participants"][0]["id"],
        "other participant": session["participants"][1]["id"],
        "bulk close": (await api.made("/v1/sessions/bulk-close", {"filter": {"unique_name_prefix": "trip-"}}))["id"],
        "parked": parked[0],
        "also parked": parked[1],
        "connection": api.connection,
        "unused connection": (await api.made("/v1/connections", _connection({})))["id"],
        "number": (await api.made("/v1/numbers", spare))["id"],
        "empty pool": (await api.made("/v1/pools", {"name": "empty"}))["id"],
        "verification": (await api.made("/v1/verifications", {"phone": CAROL, "purpose": "privacy"}))["id"],
    }


async def parked_text(api: Api, session: Mapping[str, object]) -> str:
    """The id of a text whose fate nobody knows: the carrier failed halfway, and was asked in vain."""
    people = session["participants"]
    assert isinstance(people, list)
    body = {"to": people[0]["id"], "text": "Your driver is near."}
    message = await api.made(f"/v1/sessions/{session['id']}/messages", body)
    bucket = bucket_of(parse(IdKind.MESSAGE, message["id"]))
    api.rig.carrier.answer = lost_answer
    await api.rig.send_all(bucket)
    api.rig.carrier.answer = None
    api.rig.later(seconds=200)
    await api.rig.relay.ambiguity.look(bucket)
    return str(message["id"])
