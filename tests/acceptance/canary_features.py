"""Every feature that there is, used once at least by people whose phones and texts a canary knows.

What must come of it is for other tests to say; here it is only made sure that each feature was really met.
"""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from relay.core.notes import parse_note
from tests.acceptance.canary_town import NORTH, PEOPLE, SOUTH, STRANGER, WEST, Pair, Town, eventually, text_of, word
from tests.acceptance.processes import ACCOUNT_SID
from tests.cli.command import Command
from tests.evidence.logs import witness_named

#: People to whom the carrier does something of its own, by their place in ``PEOPLE``; each is the second of their pair.
REFUSED, FILTERED, UNREACHABLE, MUTE, SWALLOWED, GARBLED = (21, 23), (25,), (27,), (29,), (31, 33, 35), (37,)
#: Pairs whose texts have all been said before the backup is taken; the others' texts wait in it.
TALKING = 50


async def furnish(town: Town) -> None:
    """A second pool, an account with words of its own, and everybody's sessions."""
    await town.made("POST", "/v1/pools", {"name": "south"})
    for number in SOUTH:
        body = {"number": number, "pool": "south", "connection": town.place.connection, "rate": 100}
        await town.made("POST", "/v1/numbers", body)
    await town.made(
        "PATCH", "/v1/account", {"programme": "Rides", "help_contact": "help@rides.example", "daily_cap": 10_000}
    )
    halves = [range(0, len(PEOPLE), 4), range(2, len(PEOPLE), 4)]
    for pool, firsts in zip(("default", "south"), halves, strict=True):
        await asyncio.gather(*(town.open(first, pool=pool, cool_down=3600) for first in firsts))
    town.pairs.sort(key=lambda pair: pair.first)


async def listen(town: Town) -> None:
    """From now on the marketplace is told everything; whoever listens keeps it."""
    webhook = await town.made("POST", "/v1/webhooks", {"url": f"{town.listener}/told?token=abc089"})
    assert (await town.made("POST", f"/v1/webhooks/{webhook['id']}/test", {}))["delivered"]


async def be_told_again(town: Town) -> None:
    """What was told is read, rotated, told once more; another listens for a while, and is told of nothing."""
    (webhook,) = (await town.made("GET", "/v1/webhooks"))["data"]
    path = f"/v1/webhooks/{webhook['id']}"
    await town.made("POST", f"{path}/rotate", {})
    events = (await town.made("GET", f"/v1/events?session={town.pairs[3].id}"))["data"]
    await town.made("POST", f"/v1/events/{events[0]['id']}/replay", {"webhook": webhook["id"]})
    other = await town.made("POST", "/v1/webhooks", {"url": f"{town.listener}/500", "events": ["session.*"]})
    await town.made("PATCH", f"/v1/webhooks/{other['id']}", {"events": ["pool.ready"], "enabled": False})
    await town.made("DELETE", f"/v1/webhooks/{other['id']}")
    for page in ("/v1/events?limit=200", path, f"{path}/deliveries?limit=200"):
        assert (await town.ask("GET", page)).status_code == 200

    async def all_was_told() -> bool:
        waits = "select count(*) from delivery where state = 'waiting'"
        return bool(await town.in_the_database(waits) == 0)

    await eventually(all_was_told)
    told = [one for one in town.seen if "message.delivered" in one and "webhook-signature" in one]
    assert len(told) > 50, "it was told what happened"


async def ask_somebody(town: Town) -> None:
    """From now on texts of a pool are asked about, at an address where nobody is; so is one from a stranger."""
    hook = {"url": "http://127.0.0.1:9/asked?token=abc089", "timeout": 1}
    await town.made("PATCH", "/v1/pools/default", {"hooks": {"intercept": hook, "out_of_session": hook}})
    await town.text(STRANGER, NORTH[0], f"{word(0)} to nobody at all")


async def bad_weather(town: Town) -> None:
    """From now on the carrier does to some people what carriers do, and says their phones with it."""
    await town.place.weather(
        refuse={PEOPLE[n]: 21211 for n in REFUSED} | {PEOPLE[n]: 30007 for n in FILTERED},
        unreachable=[PEOPLE[n] for n in UNREACHABLE],
        swallow_to=[PEOPLE[n] for n in SWALLOWED],
        mute=[PEOPLE[n] for n in (*MUTE, *SWALLOWED, *GARBLED)],
        unlisted=True,
    )


async def talk(town: Town) -> None:
    """Half of the people write, with photos and the other's phone among it; some also hear nonsense from the carrier."""
    await asyncio.gather(
        *(town.say(n, media=int(n % 10 == 5)) for n in range(2 * TALKING) if n not in (2, *_to(GARBLED)))
    )
    await town.say(2, f"{text_of(2)}\n{PEOPLE[3].removeprefix('+1')} {'blah ' * 60}")
    await drained(town)
    await _hear_nonsense(town)


async def _hear_nonsense(town: Town) -> None:
    """The carrier takes texts over, and says half of what it knows of them, or something else."""

    async def withheld() -> int:
        return int((await town.place.carrier.get("/healthz")).json()["withheld"])

    before = await withheld()

    async def was_heard() -> bool:
        return await withheld() > before

    await town.place.weather(garble_rate=1)
    for n in _to(GARBLED):
        await town.say(n)
    await _platform_text(town, town.pairs[GARBLED[0] // 2])
    await eventually(was_heard)
    await town.place.weather(garble_rate=0)


def _to(people: Sequence[int]) -> list[int]:
    """Those who write to these."""
    return [n ^ 1 for n in people]


async def decide_about_parked(town: Town) -> None:
    """Of the texts whose fate nobody knows one is sent again, one given up, and one left to stand."""
    parked: list[str] = []

    async def all_stand_parked() -> bool:
        found = [one for n in SWALLOWED for one in await town.messages(town.pairs[n // 2])]
        parked[:] = [one["id"] for one in found if (one["kind"], one["state"]) == ("relay", "parked")]
        return len(parked) == len(SWALLOWED)

    async def was_put_off() -> bool:
        return bool(await town.in_the_database("select count(*) from attempt where outcome = 'not_sent'"))

    await eventually(all_stand_parked)
    await town.place.weather(throttle_rate=1)  # sent again, it is put off: that is told, too
    await town.made("POST", f"/v1/messages/{parked[0]}/retry", {})
    await town.made("POST", f"/v1/messages/{parked[1]}/discard", {})
    await eventually(was_put_off)
    await town.place.weather(throttle_rate=0)


async def opt_out(town: Town) -> None:
    """STOP, what comes after it, START, HELP; and somebody who stays away."""
    for n, words in ((40, "STOP"), (41, text_of(41)), (40, text_of(40)), (40, "START"), (40, "HELP"), (43, "Stop.")):
        await town.say(n, words)
    await town.say(42)
    await _platform_text(town, town.pairs[21])
    assert await town.in_the_database("select count(*) from suppression") >= 2
    joining = {"rules": [{"keyword": "JOIN", "reply": "Welcome.", "event": True}]}
    await town.made("PATCH", "/v1/pools/default", joining)
    await town.say(44, "Join!")
    phone, others = PEOPLE[59], [*PEOPLE[60:62], "+1202"]
    listed = await town.made("POST", "/v1/suppressions", {"phone": phone, "reason": "complaint"})
    await town.made("POST", "/v1/suppressions/lift", {"phone": phone})
    assert (await town.ask("POST", "/v1/suppressions/lift", {"phone": PEOPLE[43]})).status_code == 409
    await town.made("POST", "/v1/suppressions/import", {"phones": others, "reason": "earlier_system"})
    found = await town.made("POST", "/v1/suppressions/check", {"phones": [phone, *others]})
    assert (found["suppressed"], [one["place"] for one in found["invalid"]]) == ([2, 3], [4])
    for other in others[:2]:
        await town.made("POST", "/v1/suppressions/lift", {"phone": other})
    assert listed["id"] not in (await town.ask("GET", "/v1/suppressions")).text


async def _platform_text(town: Town, pair: Pair) -> list[int]:
    """The platform writes to both; returns the answers' statuses."""
    said, path = f"{word(pair.first)} call {PEOPLE[pair.first]}", f"/v1/sessions/{pair.id}/messages"
    answers = [await town.ask("POST", path, {"to": to, "text": said}) for to in pair.participants]
    return [answer.status_code for answer in answers]


async def text_from_the_platform(town: Town) -> None:
    for pair in town.pairs[22:25]:
        assert await _platform_text(town, pair) == [202, 202]
    await _notices(town, town.pairs[25])


async def _notices(town: Town, pair: Pair) -> None:
    """Templates come and go; one is sent with somebody's words in it, at once, by day, and in a while."""
    name, later = "near", (datetime.now(UTC) + timedelta(minutes=40)).isoformat()
    made = await town.made("POST", "/v1/templates", {"name": name, "text": "{driver} is near"})
    await town.made("PATCH", f"/v1/templates/{made['id']}", {"text": "{driver} is here: {words}"})
    values = {"driver": f"Ada {PEOPLE[pair.first]}", "words": text_of(pair.first)[:150]}
    for more in ({}, {"quiet_hours": "respect"}, {"send_at": later}):
        body = {"to": pair.participants[0], "template": name, "variables": values, **more}
        assert (await town.ask("POST", f"/v1/sessions/{pair.id}/messages", body)).status_code == 202
    wrong = {"to": pair.participants[0], "template": name, "variables": {**values, PEOPLE[pair.first]: values["words"]}}
    assert (await town.ask("POST", f"/v1/sessions/{pair.id}/messages", wrong)).status_code == 422
    assert len((await town.made("GET", "/v1/templates"))["data"]) == 1
    for how in ("GET", "DELETE"):
        await town.made(how, f"/v1/templates/{made['id']}")


async def prove(town: Town) -> None:
    """A code that is checked wrong and right, a copy of what there is about somebody by the link, and somebody erased."""
    proved = {"phone": PEOPLE[50], "verification_token": await _proof(town, PEOPLE[50], "session")}
    both = {"participants": [proved, {"phone": PEOPLE[70]}], "pool": "south"}
    session = await town.made("POST", "/v1/sessions", both)
    await town.made("DELETE", f"/v1/sessions/{session['id']}")
    token = await _proof(town, PEOPLE[52], "privacy")
    asked = {"kind": "access", "phone": PEOPLE[52], "verification_token": token}
    request = await town.made("POST", "/v1/privacy/requests", asked, idempotency_key="access")
    await town.made("POST", "/v1/privacy/requests", asked, idempotency_key="access")
    again = await town.made("GET", f"/v1/privacy/requests/{request['id']}")
    copy = await town.made("GET", again["download"]["url"], authorization="")
    assert [one["status"] for one in copy["sessions"]] == ["open"]
    for kind, n in (("access", 53), ("access", 51), ("erasure", 54)):
        about = {"kind": kind, "phone": PEOPLE[n], "operator_reason": "identified_otherwise"}
        await town.made("POST", "/v1/privacy/requests", about)
    await town.ask("POST", "/v1/privacy/requests", {**asked, "kind": "erasure"})


async def _proof(town: Town, phone: str, purpose: str) -> str:
    pool = "default" if PEOPLE.index(phone) % 4 < 2 else "south"
    asked = {"phone": phone, "purpose": purpose, "pool": pool}
    started = await town.made("POST", "/v1/verifications", asked)
    code = await town.code_for(phone)
    wrong = {"code": f"{(int(code) + 1) % 10**6:06}"}
    await town.made("POST", f"/v1/verifications/{started['id']}/check", wrong)
    checked = await town.made("POST", f"/v1/verifications/{started['id']}/check", {"code": code})
    return str(checked["token"])


async def end_some(town: Town) -> None:
    """Sessions held, erased, closed; texts that are late, and one from somebody who is in none."""
    held, lifted, erased, closed = town.pairs[28:32]
    for pair in (held, lifted):
        body = {"kind": "hold", "session": pair.id, "operator_reason": "legal_claim"}
        await town.made("POST", "/v1/privacy/requests", body)
    assert (await town.ask("DELETE", f"/v1/sessions/{held.id}")).status_code == 409
    await town.made("DELETE", f"/v1/privacy/holds/{lifted.id}")
    await town.made("DELETE", f"/v1/sessions/{erased.id}")
    await town.made("POST", f"/v1/sessions/{closed.id}/close", {}, idempotency_key="close")
    await town.made("POST", f"/v1/sessions/{closed.id}/close", {}, idempotency_key="close")
    await _close_many(town)
    for n in (erased.first, closed.first, closed.first + 1):
        await town.say(n)
    await town.text(STRANGER, NORTH[0], f"{word(0)} from nobody")
    await town.text("VERIZON", NORTH[0], f"{word(1)} {PEOPLE[1]}")
    await town.text(NORTH[1], NORTH[0], word(2))
    reasons = await town.in_the_database("select array_agg(distinct reason) from message where state = 'refused'")
    assert {"late", "no_session", "opted_out", "own_number"} <= set(reasons)


async def change_people(town: Town) -> None:
    """Somebody takes another's place, who still writes; a session reopened; greeted people, a number by name."""
    pair, comes = town.pairs[32], PEOPLE[80]
    path = f"/v1/sessions/{pair.id}/participants/{pair.participants[1]}/replace"
    made = await town.made("POST", path, {"phone": comes, "label": "second driver"}, idempotency_key="replace")
    await town.made("POST", path, {"phone": comes, "label": "second driver"}, idempotency_key="replace")
    number = made["session"]["participants"][1]["proxy_number"]
    await town.text(comes, number, f"{word(80)} here instead")
    await town.say(pair.first)
    await town.say(pair.first + 1)
    refused = await town.ask("POST", path, {"phone": PEOPLE[81]})
    assert refused.json()["code"] == "participant_replaced"
    path = f"/v1/sessions/{pair.id}/participants/{made['participant']}/replace"
    await town.made("POST", path, {"phone": PEOPLE[pair.first + 1]})  # who has their own number again
    ended = town.pairs[33]
    await town.made("POST", f"/v1/sessions/{ended.id}/close", {})
    again = {"participants": [{"phone": PEOPLE[ended.first + n]} for n in (1, 0)]}
    wrong = {"participants": [{"phone": PEOPLE[ended.first]}, {"phone": PEOPLE[83]}]}
    assert (await town.ask("POST", f"/v1/sessions/{ended.id}/reopen", wrong)).status_code == 422
    await town.made("POST", f"/v1/sessions/{ended.id}/reopen", again)
    await town.say(ended.first)
    people = [{"phone": PEOPLE[82], "proxy_number": NORTH[3]}, {"phone": PEOPLE[85]}]
    body = {"participants": people, "greeting": True, "geo_fallback": "nearest"}
    greeted = await town.made("POST", "/v1/sessions", body)
    await town.made("POST", f"/v1/sessions/{greeted['id']}/close", {})


async def _close_many(town: Town) -> None:
    """None is of that age; that it was asked for, and is done, is there to be read."""
    wanted = {"filter": {"pool": "south", "created_before": "2026-01-01T00:00:00Z"}}
    assert (await town.made("POST", "/v1/sessions/bulk-close", {**wanted, "dry_run": True}))["matched"] == 0
    asked = await town.made("POST", "/v1/sessions/bulk-close", wanted)

    async def is_done() -> bool:
        return bool((await town.made("GET", f"/v1/sessions/bulk-close/{asked['id']}"))["done"])

    await eventually(is_done)


async def make_mistakes(town: Town) -> None:
    """Requests that nobody can answer, with phones and texts wherever one can be put."""
    phone, text, digits = PEOPLE[60], text_of(60), PEOPLE[60][1:]
    people = [{"phone": phone}, {"phone": phone}]
    bodies: list[object] = [
        {"participants": people},
        {"participants": [{"phone": phone}, {"phone": f"{phone}00000000"}]},
        {"participants": [{"phone": phone, phone: text}, {"phone": text}]},
        {"participants": [{"phone": phone, "label": phone}, {"phone": PEOPLE[61]}], "unique_name": phone},
        {"participants": [{"phone": phone}, {"phone": PEOPLE[61]}], "pool": digits, "metadata": {phone: text}},
        {phone: phone, text: [text]},
        [phone, text],
        phone,
    ]
    for path in ("/v1/sessions", "/v1/sessions/dry-run", "/v1/verifications", "/v1/privacy/requests", "/v1/numbers"):
        for body in bodies:
            assert (await town.ask("POST", path, body, x_request_id=digits)).status_code in {400, 404, 422}
        raw = json.dumps(bodies[0])
        assert (await town.ask_raw("POST", path, raw[:-9])).status_code in {400, 422}
        assert (await town.ask_raw("POST", path, raw, content_type=f"text/{digits}")).status_code == 415
    pair = town.pairs[30]
    await town.ask("POST", f"/v1/sessions/{pair.id}/messages", {"to": phone, "text": text})
    await town.ask("GET", f"/v1/sessions/{digits}?limit={digits}")
    await town.ask("GET", f"/v1/sessions?cursor={digits}&unique_name={digits}&{digits}={digits}")
    await town.ask("GET", "/v1/sessions", authorization=f"Bearer rk_{digits}_{digits}")
    taken = await town.ask("POST", "/v1/sessions", bodies[0], idempotency_key="open 0")
    assert taken.json()["code"] == "idempotency_key_reused"
    await town.ask("POST", "/v1/sessions", bodies[0], idempotency_key=phone)


async def receipts_with_words(town: Town) -> None:
    """Receipts that say phone and text in whatever field; webhooks that are unsigned, broken or odd; a call."""
    tokens = list((await town.place.carrier.get("/control/receipts")).json())
    words = {"ErrorMessage": f"{PEOPLE[5]} got not: {text_of(4)}", "ErrorCode": PEOPLE[5], "To": PEOPLE[5]}
    for n, token in enumerate(tokens[:20]):
        form = {"MessageSid": f"SM{n:032x}", "MessageStatus": ("undelivered", "failed", PEOPLE[5])[n % 3], **words}
        await town.webhook(f"receipts/{token}", form)
    await town.webhook(f"receipts/{PEOPLE[5]}", {"MessageSid": f"SM{1:032x}", "MessageStatus": "sent", **words})
    inbound = {"From": PEOPLE[5], "To": NORTH[0], "Body": text_of(5), "NumMedia": "0", "MessageSid": PEOPLE[5]}
    await town.webhook("inbound", inbound)
    await town.webhook("inbound", {**inbound, "MessageSid": f"SM{2:032x}", "NumMedia": PEOPLE[5]})
    unsigned = await town.webhook("inbound", {**inbound, "MessageSid": f"SM{3:032x}"}, token="wrong")
    call = {"CallSid": "CA" + "0" * 32, "From": PEOPLE[5], "To": NORTH[0], "CallStatus": "ringing"}
    answered = await town.webhook("voice", {**call, "AccountSid": ACCOUNT_SID})
    assert (unsigned.status_code, answered.status_code) == (403, 200)


async def administer(town: Town) -> None:
    """A connection, a pool and a number that come, are changed, and go."""
    secret = {"account_sid": ACCOUNT_SID, "auth_token": "0" * 32}
    connection = await town.made("POST", "/v1/connections", {"provider": "twilio", "credentials": secret})
    pool = await town.made("POST", "/v1/pools", {"name": "west"})
    new = {"number": WEST, "pool": "west", "connection": connection["id"]}
    number = await town.made("POST", "/v1/numbers", new)
    await town.made("GET", f"/v1/numbers/{number['id']}")
    await town.made("PATCH", f"/v1/numbers/{number['id']}", {"state": "reserved"})
    await town.made("PATCH", f"/v1/pools/{pool['id']}", {"name": "far west", "require_verified": True})
    for path in (f"numbers/{number['id']}", f"pools/{pool['id']}", f"connections/{connection['id']}"):
        await town.made("DELETE", f"/v1/{path}")


async def change_and_try(town: Town) -> None:
    """A session changed, one tried out, the carrier's credentials tried."""
    session = {"expires_in": 7200, "metadata": {"order": "changed"}}
    await town.made("PATCH", f"/v1/sessions/{town.pairs[3].id}", session)
    people = [{"phone": PEOPLE[6]}, {"phone": PEOPLE[7]}]
    await town.made("POST", "/v1/sessions/dry-run", {"participants": people})
    await town.made("POST", f"/v1/connections/{town.place.connection}/test", {})


async def read_everything(town: Town) -> None:
    """Every page and every list."""
    pair, message = town.pairs[3], (await town.messages(town.pairs[3]))[0]["id"]
    for path in (
        f"/v1/sessions/{pair.id}",
        f"/v1/messages/{message}",
        "/v1/sessions?limit=200",
        "/v1/sessions?status=closed&limit=3",
        "/v1/account",
        "/v1/connections",
        f"/v1/connections/{town.place.connection}",
        "/v1/numbers?limit=5",
        "/v1/pools",
        "/v1/pools/default",
        "/v1/privacy/retention",
        "/v1/privacy/processing-record",
        "/v1/privacy/affected",
        "/v1/privacy/affected?table=outbox",
        "/openapi.json",
        "/healthz",
        "/readyz",
        "/metrics",
    ):
        assert (await town.ask("GET", path)).status_code == 200, path
    for pair in town.pairs:
        await town.messages(pair)
    await _audit(town)


async def _audit(town: Town) -> None:
    """All of the log as an auditor reads it."""
    size = int((await town.ask("GET", "/v1/audit/checkpoint")).text.splitlines()[1])
    tiles = [f"entries/{n:03}" for n in range(size // 256)] + [f"entries/{size // 256:03}.p/{size % 256}"] * (
        size % 256 > 0
    )
    page = await town.made("GET", "/v1/audit/entries?limit=200")
    paths = [f"/v1/audit/tile/{tile}" for tile in tiles] + [
        "/v1/audit/keys",
        f"/v1/audit/proof?entry={page['data'][0]['id']}",
    ]
    while page["next_cursor"]:
        page = await town.made("GET", f"/v1/audit/entries?limit=200&cursor={page['next_cursor']}")
    for path in paths:
        assert (await town.ask("GET", path)).status_code == 200, path
    await _witness(town)
    made = await town.made("POST", "/v1/audit/exports", {"since": "2026-01-01T00:00:00Z"})
    export = await town.made("GET", f"/v1/audit/exports/{made['id']}")
    pack = await town.ask("GET", export["download"]["url"], authorization="")
    with zipfile.ZipFile(io.BytesIO(pack.content)) as archive:
        told = [archive.read(name).decode("latin-1") for name in archive.namelist()]
    assert len(told) == 10
    town.seen += told


async def _witness(town: Town) -> None:
    """Somebody who watches the log signs its head; each time that this is done it is somebody else."""
    before = len((await town.made("GET", "/v1/audit/witnesses"))["data"])
    watching = witness_named(f"auditor-{before}.example/witness")
    witness = await town.made("POST", "/v1/audit/witnesses", {"key": watching.public.written()})
    gone = await town.made("POST", "/v1/audit/witnesses", {"key": witness_named("gone.example").public.written()})
    head = parse_note((await town.ask("GET", "/v1/audit/checkpoint")).text)
    cosigned = {"checkpoint": watching.under(head, at=1).written()}
    taken = await town.made("POST", "/v1/audit/cosignatures", cosigned)
    assert [one["id"] for one in taken["data"]] == [witness["id"]]
    await town.made("DELETE", f"/v1/audit/witnesses/{gone['id']}")
    assert (await town.ask("GET", "/v1/audit/checkpoint?witnessed=true")).status_code == 200


async def operate(town: Town) -> None:
    """What an operator types at the machine, and somebody's own data shown."""
    relay = Command(town.place.environment)
    market = ("--account", "market")
    asked: tuple[tuple[tuple[str, ...], str], ...] = (
        (("privacy", "show", *market), PEOPLE[56]),
        (("privacy", "erase", *market), PEOPLE[58]),
        (("privacy", "retention"), ""),
        (("numbers", "list", *market), ""),
        (("keyring", "status"), ""),
        (("doctor",), ""),
    )
    answers = [await asyncio.to_thread(relay, *words, stdin=typed) for words, typed in asked]
    town.seen += [f"{answer.stdout} {answer.stderr}" for answer in answers]
    assert [answer.code for answer in answers] == [0] * len(asked), answers
    assert answers[0].document["sessions"]


async def drained(town: Town) -> None:
    """Wait until nothing is on its way and nothing waits that could leave."""

    async def is_so() -> bool:
        waiting = "select count(*) from outbox where phase in ('queued', 'sending')"
        return bool(await town.in_the_database(waiting) == 0)

    await eventually(is_so)
