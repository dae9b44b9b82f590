"""What providers call: only what they have signed, for the address that they were given, is believed."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from relay.core.ids import IdKind, bucket_of, parse, public
from tests.api.answers import seen
from tests.api.far_process import over_a_line
from tests.api.rig import ALICE, BOB, NUMBERS, Api, Webhook, inbound, taken, talk
from tests.services.rig import ACCOUNT_SID

LARGEST = 64 * 1024


async def test_a_text_crosses_when_its_webhook_is_signed(api: Api) -> None:
    session, number = await talk(api)
    answer = await inbound(api, ALICE, number, "Where are you?").post(api)
    await api.rig.send_all(bucket_of(parse(IdKind.SESSION, session)))

    assert (answer.status_code, answer.content) == (204, b"")
    assert [(t.to, t.text) for t in api.rig.carrier.sent] == [(BOB, "Where are you?")]


def forgeries(api: Api, number: str) -> dict[str, tuple[str, dict[str, str], bytes]]:
    """Ways of not having Twilio's signature, or of bringing it where it does not belong: path, headers, body."""
    text = inbound(api, ALICE, number, "let me in")
    headers, body = text.signed()
    unsigned = {name: value for name, value in headers.items() if name != "x-twilio-signature"}
    unknown = public(IdKind.CONNECTION, api.rig.account.id)
    other_sid = replace(text, form={**text.form, "AccountSid": "AC" + "9" * 32})
    settings = {"x-twilio-webhooks-signature-settings": "algorithm=HMAC_SHA256"}
    elsewhere = replace(text, path=f"/hooks/{unknown}/inbound")
    return {
        "no signature": (text.path, unsigned, body),
        "empty signature": (text.path, {**unsigned, "x-twilio-signature": ""}, body),
        "nonsense": (text.path, {**unsigned, "x-twilio-signature": "AAAA"}, body),
        "other token": (text.path, *text.signed(token="f" * 32)),
        "other body": (text.path, headers, body + b"&x=1"),
        "other place": (f"/hooks/{api.connection}/voice", headers, body),
        "other algorithm": (text.path, {**headers, **settings}, body),
        "other account": (text.path, *other_sid.signed()),
        "unknown connection": (elsewhere.path, *elsewhere.signed()),
        "no connection": ("/hooks/nobody/inbound", headers, body),
        "no id": ("/hooks//inbound", headers, body),
        "shouted id": (f"/hooks/{api.connection.upper()}/inbound", headers, body),
        "wrong word": (f"/hooks/{api.connection}/inbox", headers, body),
        "more path": (f"{text.path}/x", headers, body),
        "less path": (f"/hooks/{api.connection}", headers, body),
        "slash": (f"{text.path}/", headers, body),
        "broken escape in path": (f"/hooks/{api.connection}%zz/inbound", headers, body),
        "NUL in path": (f"/hooks/{api.connection}%00/inbound", headers, body),
        "query": (f"{text.path}?x=1", headers, body),
        "broken escape in body": (text.path, headers, body + b"%zz"),
        "no UTF-8": (text.path, headers, b"\xff"),
        "empty": (text.path, headers, b""),
        "JSON": (text.path, {**headers, "content-type": "application/json"}, b"{}"),
    }


async def test_every_forgery_is_refused_alike_when_it_is_posted(api: Api) -> None:
    session, number = await talk(api)
    answers = {
        name: seen(await api.http.post(path, headers=headers, content=body))
        for name, (path, headers, body) in forgeries(api, number).items()
    }

    assert {str(answer) for answer in answers.values()} == {str(answers["no signature"])}, answers
    assert answers["no signature"][0] == 403
    assert answers["no signature"][2] == b""
    assert await taken(api, session) == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
async def test_a_text_is_refused_when_it_does_not_come_by_post(api: Api, method: str) -> None:
    session, number = await talk(api)
    text = inbound(api, ALICE, number, "let me in")
    headers, body = text.signed()
    answer = await api.http.request(method, text.path, headers=headers, content=body if method != "GET" else b"")

    assert answer.status_code == 403
    assert await taken(api, session) == 0


async def test_no_bit_can_be_changed_when_a_webhook_is_signed(api: Api) -> None:
    session, number = await talk(api)
    text = inbound(api, ALICE, number, "let me in, please")
    headers, body = text.signed()
    signature = headers["x-twilio-signature"].encode()
    chance = random.Random(20261120)
    statuses = set()
    for i in range(300):
        forged_body, forged_signature = bytearray(body), bytearray(signature)
        target = forged_body if i % 2 else forged_signature
        target[chance.randrange(len(target))] ^= 1 << chance.randrange(7)
        altered = {
            **{k.encode(): v.encode() for k, v in headers.items()},
            b"x-twilio-signature": bytes(forged_signature),
        }
        statuses.add((await api.http.post(text.path, headers=altered, content=bytes(forged_body))).status_code)

    assert statuses == {403}
    assert await taken(api, session) == 0


async def test_nothing_is_said_to_the_database_when_a_webhook_is_forged(api: Api, shared_dsn: str) -> None:
    """Of what it knows of connections a process asks once a second whether it is still so; between, a flood costs nothing."""
    _, number = await talk(api)
    async with over_a_line(api, shared_dsn) as (watched, line):
        for _ in range(5):
            await inbound(watched, ALICE, number, "hello").post(watched)
            before, began = line.said, time.monotonic()
            statuses = {
                (await watched.http.post(path, headers=headers, content=body)).status_code
                for path, headers, body in forgeries(watched, number).values()
            }
            said = line.said - before
            if time.monotonic() - began < 1.0:
                break
        else:
            pytest.fail("this machine is too slow to tell")

    assert statuses == {403}
    assert said == 0


@pytest.mark.parametrize("later", [{"seconds": 1}, {"hours": 1}, {"days": 30}])
async def test_a_text_is_forwarded_once_when_its_webhook_is_replayed(api: Api, later: Mapping[str, float]) -> None:
    session = await api.session(expires_in=40 * 86400)
    text = inbound(api, ALICE, session["participants"][0]["proxy_number"], "hello")
    first = await text.post(api)
    api.rig.later(**later)
    again = await text.post(api)
    altered = await replace(text, form={**text.form, "Body": "goodbye"}).post(api)

    assert [first.status_code, again.status_code, altered.status_code] == [204, 204, 204]
    assert await taken(api, session["id"]) == 1


async def test_a_text_is_recorded_and_goes_nowhere_when_we_do_not_hold_the_number(api: Api) -> None:
    answer = await inbound(api, ALICE, "+12025550142", "hello").post(api)
    rows = await api.rig.rows("select state, reason from message where account_id = $1", api.rig.account.id)

    assert answer.status_code == 204
    assert rows == [{"state": "refused", "reason": "unknown_number"}]


async def test_a_webhook_is_cut_off_when_it_is_too_large_or_has_two_lengths(api: Api) -> None:
    session, number = await talk(api)
    text = inbound(api, ALICE, number, "hello")
    room = LARGEST - len(text.signed()[1]) - len("&Extra=")
    fits = replace(text, form={**text.form, "Extra": "x" * room})
    headers, body = fits.signed()
    too_large = await api.http.post(text.path, headers=headers, content=body + b"x")
    both = {**headers, "content-length": str(len(body)), "transfer-encoding": "chunked"}
    two_lengths = await api.http.post(text.path, headers=both, content=body)
    taken_before = await taken(api, session)
    right = await fits.post(api)

    assert len(body) == LARGEST
    assert [too_large.status_code, two_lengths.status_code, right.status_code] == [413, 400, 204]
    assert (taken_before, await taken(api, session)) == (0, 1)


async def test_the_caller_hears_a_sentence_when_they_call_a_number(api: Api) -> None:
    await api.ask("PATCH", "/v1/account", {"notices": {"call": "Texts only <please> & thank you."}})
    call = Webhook(
        f"/hooks/{api.connection}/voice",
        {"CallSid": "CA" + "1" * 32, "AccountSid": ACCOUNT_SID, "From": ALICE, "To": NUMBERS[0]},
    )
    answer, forged = await call.post(api), await call.post(api, token="f" * 32)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml")
    assert re.search(r"<Say>Texts only &lt;please&gt; &amp; thank you\.</Say>", answer.text)
    assert (forged.status_code, forged.content) == (403, b"")


async def test_a_webhook_is_refused_when_its_query_is_no_text(api: Api) -> None:
    """Our server turns such bytes away; another one in front of the application may not."""
    answered: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answered.append(message)

    hooks: Any = api.app
    path = f"/hooks/{api.connection}/inbound"
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"\xff",
    }
    scope["headers"] = []
    await hooks(scope, receive, send)

    assert answered[0]["status"] == 403
