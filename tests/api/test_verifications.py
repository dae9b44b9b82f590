"""Proving a phone over the API: what is answered, what is not told, and that the same request is the same."""

from __future__ import annotations

import re

import httpx
import pytest

from relay.core.ids import IdKind, parse
from tests.api.answers import problem_in, told
from tests.api.codes import read_code, token_of
from tests.api.rig import ALICE, BOB, CAROL, Api, Log, opening
from tests.services.verifying import another

ASKED = {"phone": ALICE, "purpose": "session"}


async def said(api: Api, verification: str, code: str, **headers: str) -> httpx.Response:
    return await api.ask("POST", f"/v1/verifications/{verification}/check", {"code": code}, **headers)


async def test_a_phone_is_proved_when_its_code_is_said(api: Api) -> None:
    started = await api.ask("POST", "/v1/verifications", ASKED)
    made = started.json()
    code = await read_code(api, made["id"], ALICE)
    wrong, right = await said(api, made["id"], another(code)), await said(api, made["id"], code)

    assert started.status_code == 202
    assert made.keys() == {"id", "expires_at"}
    assert re.fullmatch(r"ver_[a-z2-7]{26}", made["id"])
    assert (wrong.status_code, wrong.json()) == (200, {"status": "pending"})
    assert right.json().keys() == {"status", "token"}
    assert right.json()["status"] == "approved"
    assert (await said(api, made["id"], code)).json() == {"status": "failed"}


async def test_a_pool_that_requires_proofs_takes_whoever_has_them(api: Api) -> None:
    await api.ask("PATCH", "/v1/pools/default", {"require_verified": True})
    one, other = await token_of(api, ALICE), await token_of(api, BOB)
    without = problem_in(await api.ask("POST", "/v1/sessions", opening()))
    people = [{"phone": ALICE, "verification_token": one}, {"phone": BOB, "verification_token": other}]
    swapped = [{"phone": ALICE, "verification_token": other}, {"phone": BOB, "verification_token": one}]
    wrong = problem_in(await api.ask("POST", "/v1/sessions", {"participants": swapped}))
    opened = await api.ask("POST", "/v1/sessions", {"participants": people}, idempotency_key="trip-991")
    again = await api.ask("POST", "/v1/sessions", {"participants": people}, idempotency_key="trip-991")
    used = problem_in(await api.ask("POST", "/v1/sessions", {"participants": people}))

    assert (without["status"], without["code"]) == (422, "invalid_request")
    assert [(e["field"], e["code"]) for e in without["errors"]] == [
        (f"participants.{i}.verification_token", "missing") for i in range(2)
    ]
    assert {(p["status"], p["code"]) for p in (wrong, used)} == {(422, "verification_token_invalid")}
    assert (opened.status_code, again.status_code) == (201, 201)
    assert again.text == opened.text
    assert one not in opened.text


async def test_the_same_answer_comes_when_a_request_is_repeated_under_its_key(api: Api) -> None:
    starts = [await api.ask("POST", "/v1/verifications", ASKED, idempotency_key="once") for _ in range(5)]
    made = starts[0].json()
    code = await read_code(api, made["id"], ALICE)
    checks = [await said(api, made["id"], code, idempotency_key="twice") for _ in range(3)]

    assert {answer.text for answer in starts} == {starts[0].text}
    assert {answer.text for answer in checks} == {checks[0].text}
    assert checks[0].json()["status"] == "approved"
    assert len([sent for sent in api.rig.carrier.sent if sent.to == ALICE]) == 1


async def test_a_limit_tells_when_to_come_back_and_the_same_key_may_then(api: Api) -> None:
    for _ in range(3):
        await api.made("/v1/verifications", ASKED)
    refused = await api.ask("POST", "/v1/verifications", ASKED, idempotency_key="fourth")
    document = problem_in(refused)
    api.rig.later(minutes=10, seconds=1)
    later = await api.ask("POST", "/v1/verifications", ASKED, idempotency_key="fourth")

    assert (document["status"], document["code"]) == (429, "rate_limited")
    assert 590 < int(refused.headers["retry-after"]) <= 600
    assert ALICE[2:] not in refused.text
    assert later.status_code == 202


async def test_a_person_who_opted_out_is_answered_like_anybody_else(api: Api) -> None:
    """Known from a session, opted out, never seen: nothing in the answers differs but ids and times."""
    session = await api.session(ALICE, BOB)
    stop = session["participants"][0]["proxy_number"]
    await api.rig.text(ALICE, stop, "STOP")
    answers = [await api.ask("POST", "/v1/verifications", {**ASKED, "phone": e164}) for e164 in (ALICE, BOB, CAROL)]
    checks = [await said(api, answer.json()["id"], "000000") for answer in answers]
    await read_code(api, answers[1].json()["id"], BOB)

    def shape(answer: httpx.Response) -> str:
        return re.sub(r"ver_[a-z2-7]{26}|[0-9-]{10}T[0-9:]{8}Z", "", str(told(answer)))

    assert len({shape(answer) for answer in answers}) == 1
    assert {answer.status_code for answer in checks} == {200}
    assert [sent for sent in api.rig.carrier.sent if sent.to == ALICE] == []


@pytest.mark.parametrize(
    ("change", "field", "code"),
    [
        ({"phone": "+12025550100"}, "phone", "own_number"),
        ({"phone": "+46701740677"}, "phone", "country_not_allowed"),
        ({"phone": "+1202555"}, "phone", "phone_invalid"),
        ({"purpose": "fun"}, "purpose", "invalid"),
        ({"pool": "nowhere"}, "pool", "unknown_pool"),
    ],
)
async def test_a_field_is_named_when_it_is_wrong(api: Api, change: dict[str, str], field: str, code: str) -> None:
    document = problem_in(await api.ask("POST", "/v1/verifications", {**ASKED, **change}))

    assert [(e["field"], e["code"]) for e in document["errors"]] == [(field, code)]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345\n", "١٢٣٤٥٦", "12 456", 123456, None])
async def test_a_code_that_is_not_six_digits_is_refused_and_not_counted(api: Api, code: object) -> None:
    made = await api.made("/v1/verifications", ASKED)
    refused = await api.ask("POST", f"/v1/verifications/{made['id']}/check", {"code": code})
    row = "select checks from verification where id = $1"

    assert refused.status_code == 422
    assert await api.rig.value(row, parse(IdKind.VERIFICATION, made["id"])) == 0


async def test_nothing_of_a_code_or_token_is_written_to_the_log(api: Api, log: Log) -> None:
    made = await api.made("/v1/verifications", ASKED)
    code = await read_code(api, made["id"], ALICE)
    token = (await said(api, made["id"], code)).json()["token"]
    text = log.text

    assert "/v1/verifications" in text
    assert token not in text
    assert f'"{code}"' not in text
    assert ALICE[2:] not in text
