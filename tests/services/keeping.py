"""A watcher of what is kept: after every step it reads the tables itself and says what is there too long, or went too early.

It shares no SQL and no period with Relay. The periods are written down here a second time, from what was promised; when a row
is due is worked out in Python. Texts and phones are judged by the state of their message and session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from relay.wiring.steps import steps
from relay.worker.leases import Lease
from tests.services.rig import Rig, Talk, start_talk

Row = dict[str, Any]
Rows = Mapping[str, list[Row]]
Kept = tuple[str, object]  #: the class of something kept, and what names it

MONTHS, MONTH, DAY = timedelta(days=90), timedelta(days=30), timedelta(hours=24)
WEEK, YEAR = timedelta(days=7), timedelta(days=396)
PARKED, QUEUED = timedelta(hours=72), timedelta(hours=4)
NEVER = datetime.max.replace(tzinfo=UTC)
AT_ONCE = datetime.min.replace(tzinfo=UTC)
_TABLES = {
    "session": "id, status, closed_at",
    "participant": "id, session_id, status, number_id, party_index, sealed_phone is not null as has_phone",
    "binding": "number_id, party_index, session_id, nullif(held_until, 'infinity') as held_until",
    "person": "party_index, opted_out, nullif(changed_at, '-infinity') as changed_at",
    "message": "id, session_id, kind, state, received_at, changed_at",
    "outbox": "message_id, party_index, deadline_at",
    "attempt": "id, message_id",
    "event": "id, session_id, at",
    "answer": "number_id, party_index, kind, last_at",
    "idempotency": "key, created_at",
    "inbox_key": "key",
    "suppression": "party_index",
    "fanout": "id",
    "erasure": "session_id, asked_at",
    "privacy_request": "id, asked_at, parties is not null as lasts",
    "privacy_export": "id, made_at",
    "audit_export": "id, asked_at",
    "verification": "id, created_at",
    "number_state": "number_id",
    "api_key": "id",
}


@dataclass(slots=True)
class Watcher:
    """``held``: the sessions on which the test has placed a hold that stands."""

    rig: Rig
    held: set[UUID] = field(default_factory=set)
    known: dict[Kept, datetime] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    async def look(self, upkeep_began: datetime | None = None) -> list[str]:
        """What is wrong now. With ``upkeep_began``, nothing that was due then may be there."""
        now = await self.rig.relay.database.now()
        rows = {table: await self.rig.rows(f"select {columns} from {table}") for table, columns in _TABLES.items()}
        due = dict(self._due(rows))
        wrong = [f"early: {kept}, due {at}" for kept, at in self.known.items() if kept not in due and at > now]
        if upkeep_began is not None:
            wrong += [f"overdue: {kept} since {at}" for kept, at in due.items() if at <= upkeep_began]
        self.seen.update(kind for kind, _ in due.keys() - self.known.keys())
        self.known = due
        return wrong + list(_phones_and_texts(rows))

    def _due(self, rows: Rows) -> Iterable[tuple[Kept, datetime]]:
        erased = {r["session_id"] for r in rows["erasure"]}
        messages = {m["id"]: self._message_due(m, erased) for m in rows["message"]}
        bindings = {(b["number_id"], b["party_index"]): b["held_until"] or NEVER for b in rows["binding"]}
        sessions = {s["id"]: self._session_due(s, rows, messages) for s in rows["session"]}
        yield from ((("message", key), at) for key, at in messages.items())
        yield from ((("binding", key), at) for key, at in bindings.items())
        yield from ((("session", key), at) for key, at in sessions.items())
        yield from ((("attempt", a["id"]), messages.get(a["message_id"], AT_ONCE)) for a in rows["attempt"])
        for p in rows["participant"]:
            yield ("participant", p["id"]), sessions[p["session_id"]]
            if p["party_index"] is not None:
                yield ("party_index", p["id"]), bindings.get((p["number_id"], p["party_index"]), AT_ONCE)
        for e in rows["event"]:
            yield ("event", e["id"]), NEVER if e["session_id"] in self.held else e["at"] + MONTH
        for p in rows["person"]:
            yield ("person", p["party_index"]), _person_due(p, rows)
        yield from ((("answer", tuple(a.values())), a["last_at"] + DAY) for a in rows["answer"])
        yield from ((("idempotency", i["key"]), i["created_at"] + DAY) for i in rows["idempotency"])
        yield from ((("verification", v["id"]), v["created_at"] + DAY) for v in rows["verification"])
        for table in ("inbox_key", "suppression", "number_state", "api_key"):
            yield from (((table, tuple(row.values())), NEVER) for row in rows[table])
        yield from ((("fanout", f["id"]), AT_ONCE) for f in rows["fanout"])
        yield from ((("export", x["id"]), x["made_at"] + WEEK) for x in rows["privacy_export"])
        yield from ((("audit export", x["id"]), x["asked_at"] + WEEK) for x in rows["audit_export"])
        for r in rows["privacy_request"]:
            yield ("request", r["id"]), r["asked_at"] + YEAR
            if r["lasts"]:
                yield ("person of a request", r["id"]), AT_ONCE
        for r in rows["erasure"]:
            waits = [m["id"] for m in rows["message"] if m["session_id"] == r["session_id"]]
            yield ("erasure", r["session_id"]), NEVER if waits else r["asked_at"]

    def _message_due(self, m: Row, erased: set[UUID]) -> datetime:
        waits = m["state"] in ("queued", "sending", "parked")
        due: datetime = AT_ONCE if m["session_id"] in erased else m["received_at"] + MONTHS
        return NEVER if waits or m["session_id"] in self.held else due

    def _session_due(self, s: Row, rows: Rows, messages: Mapping[UUID, datetime]) -> datetime:
        if s["status"] == "open" or s["id"] in self.held:
            return NEVER
        of_messages = [messages[m["id"]] for m in rows["message"] if m["session_id"] == s["id"]]
        of_bindings = [b["held_until"] or NEVER for b in rows["binding"] if b["session_id"] == s["id"]]
        latest: datetime = max(s["closed_at"] + MONTHS, *of_messages, *of_bindings, AT_ONCE)
        return latest


def _person_due(p: Row, rows: Rows) -> datetime:
    if p["opted_out"]:
        return NEVER
    bound = [b["held_until"] or NEVER for b in rows["binding"] if b["party_index"] == p["party_index"]]
    awaited = [o["deadline_at"] for o in rows["outbox"] if o["party_index"] == p["party_index"]]
    latest: datetime = max([*bound, *awaited, p["changed_at"] + DAY if p["changed_at"] else AT_ONCE])
    return latest


def _phones_and_texts(rows: Rows) -> Iterable[str]:
    """A phone is there exactly while its session is open, a sealed text while its message waits or is on its way."""
    is_open = {s["id"]: s["status"] == "open" for s in rows["session"]}
    for p in rows["participant"]:
        if p["has_phone"] != is_open[p["session_id"]]:
            yield f"phone of {p['id']}: there {p['has_phone']}, session open {is_open[p['session_id']]}"
    texts = {o["message_id"] for o in rows["outbox"]}
    for m in rows["message"]:
        ended = m["kind"] == "relay" and m["session_id"] is not None and not is_open[m["session_id"]]
        waits = m["state"] == "sending" or (m["state"] in ("queued", "parked") and not ended)
        if (m["id"] in texts) != waits:
            yield f"text of {m['id']}, which is {m['state']}: there {m['id'] in texts}"
    yield from (f"text of {key}, which is forgotten" for key in texts - {m["id"] for m in rows["message"]})


def waiting_too_long(rows: Iterable[Row], upkeep_began: datetime) -> list[str]:
    """Messages that should have been given up."""
    longest = {"parked": PARKED, "queued": QUEUED}
    return [
        f"{m['id']} is {m['state']} since {m['changed_at']}"
        for m in rows
        if m["state"] in longest and m["changed_at"] + longest[m["state"]] <= upkeep_began
    ]


async def upkeep(rig: Rig) -> None:
    """Every step of upkeep, as a worker has them, in every bucket, until nothing is left to do."""
    for bucket in (await rig.relay.configuration.refreshed()).buckets:
        lease = Lease(bucket, await rig.epoch(bucket), float("inf"))
        for step in steps(rig.relay):
            while await step.work(lease):
                pass


async def left(rig: Rig) -> dict[str, object]:
    """How many rows there are of what a session leaves behind."""
    tables = ("session", "participant", "message", "attempt")
    found = {table: await rig.value(f"select count(*) from {table}") for table in tables}
    return found | {"event": await rig.value("select count(*) from event where session_id is not null")}


GONE = dict.fromkeys(("session", "participant", "message", "attempt", "event"), 0)


async def over(rig: Rig) -> Talk:
    """A session in which two texts were sent, closed, with its numbers free again."""
    talk = await start_talk(rig, cool_down=3600)
    await talk.say("hello")
    await talk.say("hello yourself", slot=2)
    await rig.send_all(talk.bucket)
    await rig.relay.sessions.close(rig.account, talk.id)
    rig.later(hours=1)
    await upkeep(rig)
    return talk
