"""Bodies that are not what a call wants: each is refused with the status that says why, and nothing happens."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.answers import problem_in
from tests.api.bodies import VALUES, WHOLE, places, put
from tests.api.contract import CONTRACT, Row, World, furnished
from tests.api.rig import ALICE, Api

pytestmark = pytest.mark.long

LARGEST = 64 * 1024
WITH_BODY = [row for row in CONTRACT if row.method in {"POST", "PATCH"}]


async def sent(
    api: Api, row: Row, world: World, content: bytes, kind: str | None = "application/json"
) -> httpx.Response:
    headers = {"authorization": f"Bearer {api.key}", **({"content-type": kind} if kind is not None else {})}
    return await api.http.request(row.method, row.at(world), headers=headers, content=content)


MALFORMED = (
    *(b"{", b"}", b"{]", b'{"a":}', b"{'a': 1}", b'{"a": 1,}', b"{} {}", b"{}x", b"nul", b'"', b"\x00", b"\xff\xfe{}"),
    *(b"\xef\xbb\xbf{}", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}'),
    *(b'{"a": "\x00"}', b'{"a": "\n"}', b'{"a": "\\x41"}', b'{"a": 01}', b'{"a": +1}', b'{"a": .5}', b'{"a": 0x10}'),
    *(b'{"a": ' + b"9" * 6000 + b"}", b"[" * 60000, b'{"a":' * 12000, b"[" * 500 + b"]" * 500),
)


async def test_the_body_is_malformed_when_it_is_no_json(api: Api) -> None:
    world = await furnished(api)
    for row in WITH_BODY:
        for content in MALFORMED:
            answer = await sent(api, row, world, content)

            assert (answer.status_code, problem_in(answer)["code"]) == (400, "malformed_json"), (str(row), content[:40])


@pytest.mark.parametrize("content", [b"[]", b"[{}]", b"null", b"true", b"7", b'"text"', b"1.5e3", b"NaN", b"-Infinity"])
async def test_the_body_is_named_when_it_is_json_but_no_object(api: Api, content: bytes) -> None:
    world = await furnished(api)
    for row in WITH_BODY:
        answer = await sent(api, row, world, content)

        assert (answer.status_code, problem_in(answer)["errors"][0]["field"]) == (422, "body"), str(row)


async def test_the_unknown_field_is_named_when_there_is_one(api: Api) -> None:
    world = await furnished(api)
    for row in WITH_BODY:
        body = {**(row.said(world) or {}), "surprise": 1}
        answer = await sent(api, row, world, json.dumps(body).encode())

        assert answer.status_code == 422
        assert problem_in(answer)["errors"] == [
            {"field": "surprise", "code": "unknown_field", "message": "is not a field of this request"}
        ]


async def test_an_unknown_field_of_a_participant_is_named_by_its_place_when_there_is_one(api: Api) -> None:
    people: list[dict[str, Any]] = [{"phone": ALICE}, {"phone": ALICE, "email": "a@b"}]
    document = problem_in(await api.ask("POST", "/v1/sessions", {"participants": people}))

    assert document["errors"][0]["field"] == "participants.1.email"
    assert document["errors"][0]["code"] == "unknown_field"


WRONG_TYPES = (
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "json", ""),
    *("application/problem+json", "application/jsonx", "application/", "application/json, text/plain", None),
)


async def test_the_type_is_wrong_when_it_is_not_json(api: Api) -> None:
    world = await furnished(api)
    for row in WITH_BODY:
        for kind in WRONG_TYPES:
            answer = await sent(api, row, world, b"{}", kind)

            assert (answer.status_code, problem_in(answer)["code"]) == (415, "wrong_content_type"), (str(row), kind)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/json;x=y"])
async def test_the_type_is_right_when_it_is_json_with_parameters(api: Api, kind: str) -> None:
    answer = await api.send("/v1/pools", b'{"name": "night"}', content_type=kind)

    assert answer.status_code == 201


async def test_no_type_is_needed_when_there_is_no_body(api: Api) -> None:
    session = await api.session()
    headers = {"authorization": f"Bearer {api.key}"}
    answer = await api.http.post(f"/v1/sessions/{session['id']}/close", headers=headers)

    assert answer.status_code == 200


async def test_a_body_is_taken_when_it_has_64_kb_and_refused_when_it_has_a_byte_more(api: Api) -> None:
    world = await furnished(api)
    for row in WITH_BODY:
        content = b'{"surprise": 1}'.ljust(LARGEST)
        taken = await sent(api, row, world, content)
        refused = await sent(api, row, world, content + b" ")

        assert (taken.status_code, problem_in(refused)["code"]) == (422, "too_large"), str(row)


@pytest.mark.parametrize("declared", [False, True])
async def test_a_body_is_cut_off_when_it_grows_beyond_64_kb(api: Api, declared: bool) -> None:
    """Whatever length it says it has: the bytes are counted, too, and no more are read than it takes to know."""
    read = 0

    async def much() -> Any:
        nonlocal read
        for _ in range(50):
            read += 4096
            yield b" " * 4096

    length = {"content-length": "10"} if declared else {"transfer-encoding": "chunked"}
    headers = {"authorization": f"Bearer {api.key}", "content-type": "application/json", **length}
    answer = await api.http.post("/v1/sessions", headers=headers, content=much())

    assert answer.status_code == 413
    assert read <= LARGEST + 2 * 4096


@pytest.mark.parametrize("length", ["65537", "0" * 20 + "65537", "9" * 400])
async def test_a_body_is_refused_when_its_length_is_written_in_a_strange_way(api: Api, length: str) -> None:
    headers = {"authorization": f"Bearer {api.key}", "content-type": "application/json", "content-length": length}
    answer = await api.http.post("/v1/sessions", headers=headers, content=b"{}" + b" " * LARGEST)

    assert answer.status_code == 413


async def test_two_lengths_are_refused_when_both_are_given(api: Api) -> None:
    length = {"content-length": "2", "transfer-encoding": "chunked"}
    headers = {"authorization": f"Bearer {api.key}", "content-type": "application/json", **length}
    document = problem_in(await api.http.post("/v1/pools", headers=headers, content=b"{}"))

    assert (document["status"], document["code"]) == (400, "two_lengths")


async def test_the_last_one_counts_when_a_name_is_there_twice(api: Api) -> None:
    """As most readers of JSON have it, so that nobody between the caller and us reads another request."""
    made = await api.send("/v1/pools", b'{"name": "night", "name": "noon"}')

    assert made.json()["name"] == "noon"


@pytest.mark.parametrize("row", [row for row in WITH_BODY if row.body], ids=str)
async def test_nothing_breaks_when_any_value_stands_at_any_place(api: Api, row: Row) -> None:
    """Wrong types, huge numbers, NaN, control characters: a refusal or a success, never an error of ours."""
    world = await furnished(api)
    body = {**(row.said(world) or {}), **WHOLE.get(row.path, {})}
    for place in places(body):
        for value in VALUES:
            answer = await sent(api, row, world, json.dumps(put(body, place, value)).encode())

            assert answer.status_code in {200, 201, 202, 400, 409, 422, 404, 429}, (place, value, answer.text)
