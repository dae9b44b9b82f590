"""What every answer has in common: the shape of a problem, the request id, the limits, and addresses that do not exist."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest

from relay.storage.database import Database
from tests.api.answers import problem_in
from tests.api.contract import CONTRACT, furnished
from tests.api.rig import ALICE, PUBLIC_URL, Api, Log, at_the_door, opening
from tests.services.rig import make_rig


async def refusals(api: Api) -> list[httpx.Response]:
    """One of every kind."""
    world = await furnished(api)
    session = f"/v1/sessions/{world['session']}"
    authorization = {"authorization": f"Bearer {api.key}"}
    await api.made(f"{session}/close", {})
    return [
        await api.http.get("/v1/account"),
        await api.ask("GET", "/v1/account", key=await api.new_key(next(r.scope for r in CONTRACT))),
        await api.ask("GET", "/v1/sessions/nobody"),
        await api.ask("PATCH", session, {"expires_in": 60}),
        await api.ask("POST", "/v1/sessions", opening(ALICE, "+46701740677")),
        await api.ask("POST", "/v1/sessions", {"participants": []}),
        await api.ask("POST", "/v1/sessions", opening(ALICE, "+1202")),
        await api.send("/v1/sessions", b"{"),
        await api.send("/v1/sessions", b"{}", content_type="text/plain"),
        await api.send("/v1/sessions", b"{}" + b" " * 65536),
        await api.ask("GET", "/v1/nothing"),
        await api.http.put("/v1/sessions", headers=authorization),
    ]


async def test_every_refusal_is_a_problem_document_when_something_is_wrong(api: Api) -> None:
    answers = await refusals(api)
    codes = [problem_in(answer)["code"] for answer in answers]

    assert [answer.status_code for answer in answers] == [
        *(401, 403, 404, 409, 409, 422, 422, 400, 415, 413, 404, 405),
    ]
    assert codes == [
        *("not_authenticated", "scope_missing", "not_found", "session_closed", "no_number_available"),
        *("invalid_request", "phone_invalid", "malformed_json", "wrong_content_type", "too_large"),
        *("not_found", "method_not_allowed"),
    ]
    assert [("errors" in a.json(), "reason" in a.json()) for a in answers[4:7]] == [
        *((False, True), (True, False), (True, False)),
    ]
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert set(answers[-1].headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


UNKNOWN = (
    *("/", "/v1", "/v1/", "/v2/sessions", "/v1/sessions/", "/v1//sessions", "//v1/sessions", "/V1/sessions"),
    *("/v1/sessions/a/b/c", "/v1/sessions/ses_a%2Fb%2Fc", "/hooks", "/favicon.ico", "/.env", "/metrics/"),
    *("/v1/sessions%00", "/healthz/x"),
)


async def test_an_address_is_unknown_when_no_call_has_it(api: Api) -> None:
    same = {**problem_in(await api.ask("GET", "/v1/sessions/nobody")), "request_id": ""}
    for path in UNKNOWN:
        answer = await api.http.get(path, headers={"host": "elsewhere.example"}, follow_redirects=False)
        document = problem_in(answer)

        assert (answer.status_code, path) == (404, path)
        assert {**document, "request_id": ""} == same
        assert "elsewhere" not in str(answer.headers)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "TRACE", "OPTIONS", "PROPFIND"])
async def test_the_methods_are_told_when_an_address_takes_others(api: Api, method: str) -> None:
    answer = await api.http.request(method, "/v1/sessions")
    problem_in(answer)

    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


async def test_head_answers_like_get_without_a_body_when_it_is_asked(api: Api) -> None:
    get, head = await api.ask("GET", "/v1/account"), await api.ask("HEAD", "/v1/account")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


async def test_the_request_id_is_echoed_when_it_is_a_plain_one(api: Api, log: Log) -> None:
    plain = ("abc", "a.b_c-D9", "x" * 64, "0af7651916cd43dd8448eb211c80319c")
    for given in plain:
        answers = [
            await api.ask("GET", "/v1/account", x_request_id=given),
            await api.ask("GET", "/v1/nothing", x_request_id=given),
            await api.http.get("/v1/account", headers={"x-request-id": given}),
        ]

        assert [answer.headers["x-request-id"] for answer in answers] == [given] * 3
        assert answers[2].json()["request_id"] == given
    assert [line["request"] for line in log.lines()] == [given for given in plain for _ in range(2)]


NOT_PLAIN = (
    *("", " ", "x" * 65, "a b", "a\tb", "a\x00b", "a\r\nx-evil: 1", "é", "<script>", "../..", "\x1b[31m"),
    *("+12025550177", "12025550177", "1-202-555-0177", "1.202.555.0177", "46_701740677"),
)


async def test_a_request_id_is_made_when_the_given_one_is_not_plain_or_could_be_a_phone(api: Api, log: Log) -> None:
    made = []
    for given in NOT_PLAIN:
        headers = {b"authorization": f"Bearer {api.key}".encode(), b"x-request-id": given.encode("latin-1")}
        answer = await api.http.get("/v1/account", headers=headers)
        made.append(answer.headers["x-request-id"])

        assert re.fullmatch("req_[0-9a-f]{24}", made[-1]), given
    assert [line["request"] for line in log.lines()] == made


async def test_no_answer_may_be_kept_by_a_cache_when_it_is_of_the_api(api: Api) -> None:
    for path in ("/v1/account", "/v1/sessions/nobody", "/v1/nothing"):
        assert (await api.ask("GET", path)).headers["cache-control"] == "no-store"


async def test_requests_are_refused_when_a_key_makes_too_many_in_a_second(shared_db: Database) -> None:
    rig = await make_rig(shared_db, public_url=PUBLIC_URL)
    async with at_the_door(rig, api_rate=5.0) as api:
        other = await api.other_account()
        answers = [await api.ask("GET", "/v1/sessions/nobody") for _ in range(8)]
        others = await other.ask("GET", "/v1/sessions/nobody")

    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.status_code for answer in answers[:6]] == [404] * 5 + [429]
    assert [int(a.headers["ratelimit-remaining"]) for a in answers[:6]] == [4, 3, 2, 1, 0, 0]
    assert {a.headers["ratelimit-limit"] for a in answers} == {"5"}
    assert {a.headers["ratelimit-reset"] for a in answers} == {"1"}
    assert {(problem_in(a)["code"], a.headers["retry-after"]) for a in refused} == {("rate_limited", "1")}
    assert others.status_code == 404


async def test_requests_are_taken_again_when_the_second_is_over(shared_db: Database) -> None:
    rig = await make_rig(shared_db, public_url=PUBLIC_URL)
    async with at_the_door(rig, api_rate=1.0) as api:
        first, second = [await api.ask("GET", "/v1/sessions/nobody") for _ in range(2)]
        await asyncio.sleep(1.05)
        third = await api.ask("GET", "/v1/sessions/nobody")

    assert [a.status_code for a in (first, second, third)] == [404, 429, 404]
