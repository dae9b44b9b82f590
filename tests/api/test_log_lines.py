"""One request is one line of the log that parses, whatever was sent: nobody can forge a line or break one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from relay import logs
from tests.api.bodies import WHOLE, places, put
from tests.api.contract import CONTRACT, furnished
from tests.api.rig import NUMBERS, Api, Log, inbound

FORGED = '\r\n{"event": "forged", "level": "error"}\n'
_CONTROL = [chr(code) for code in (*range(32), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202E, 0x200B, 0xFEFF, 0xFFFE)]

hostile = st.text(st.sampled_from([*_CONTROL, *'{}":,\\ea1', "é", "👋", "\U0010ffff"]), min_size=1, max_size=12)
hostile_bytes = st.binary(min_size=1, max_size=12)
once_per_example = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


def line_of(log: Log) -> dict[str, Any]:
    """The one line that was written since the last look."""
    (line,) = log.lines()
    log.stream.seek(0)
    log.stream.truncate()
    assert set(line) <= set(logs.DECLARED)
    assert all(str(value).isprintable() for value in line.values())
    return line


def where_words_stand(body: Any) -> list[tuple[Any, ...]]:
    def there(place: tuple[Any, ...]) -> Any:
        value = body
        for step in place:
            value = value[step]
        return value

    return [place for place in places(body) if isinstance(there(place), str)]


@example(words="\x00")
@example(words=FORGED)
@example(words="\x1b[2J\x1b]0;owned\x07")
@given(words=hostile)
@once_per_example
async def test_a_request_is_one_line_when_any_field_holds_control_characters(api: Api, log: Log, words: str) -> None:
    bodies: dict[str, dict[str, Any]] = {**WHOLE, "/v1/pools": {"name": "night"}}
    for path, whole in bodies.items():
        for place in where_words_stand(whole):
            method = "PATCH" if path == "/v1/account" else "POST"
            answer = await api.ask(method, path, put(whole, place, words))
            line = line_of(log)

            assert answer.status_code != 500, (path, place, words)
            assert (line["event"], line["route"], line["status"]) == ("api_request", path, answer.status_code)


@example(words="\x00")
@example(words=FORGED)
@given(words=hostile)
@once_per_example
async def test_a_request_is_one_line_when_names_and_the_address_hold_control_characters(
    api: Api, log: Log, words: str
) -> None:
    asked = [
        await api.ask("POST", "/v1/sessions", {words: 1, "metadata": {words: words}}),
        await api.http.get("/v1/sessions", params={words: words}, headers={"authorization": f"Bearer {api.key}"}),
        await api.http.get("/v1/sessions", params={"cursor": words, "limit": words, "unique_name": words}),
    ]
    lines = log.lines()
    log.stream.seek(0)
    log.stream.truncate()

    assert [answer.status_code for answer in asked] == [422, 422, 401]
    assert [line["event"] for line in lines] == ["api_request"] * 3


@example(value=b"\x00")
@example(value=FORGED.encode())
@given(value=hostile_bytes)
@once_per_example
async def test_a_request_is_one_line_when_its_headers_hold_any_bytes(api: Api, log: Log, value: bytes) -> None:
    """A server in front may let through what ours would refuse."""
    for name in (b"x-request-id", b"idempotency-key", b"authorization", b"content-type", b"content-length", b"host"):
        headers = {b"authorization": f"Bearer {api.key}".encode(), name: value}
        answer = await api.http.post("/v1/pools", headers=headers, content=b"{}")

        assert answer.status_code in {400, 401, 413, 415, 422}
        assert line_of(log)["event"] == "api_request"


async def test_every_route_writes_its_pattern_and_never_the_path_when_it_is_called(api: Api, log: Log) -> None:
    world = await furnished(api)
    for row in CONTRACT:
        log.stream.seek(0)
        log.stream.truncate()
        answer = await api.ask(row.method, row.at(world), row.said(world))
        (line,) = [line for line in log.lines() if line["event"] == "api_request"]

        assert (line["method"], line["route"], line["status"]) == (row.method, row.path, answer.status_code)
        assert line["request"] == answer.headers["x-request-id"]
        assert 0 < line["ms"] < 60_000
        assert not row.thing or world[row.thing] not in log.text


@pytest.mark.parametrize("field", ["From", "To", "Body", "NumMedia", "MessageSid", "AccountSid", "Extra"])
async def test_no_line_is_forged_when_a_webhook_holds_control_characters(api: Api, log: Log, field: str) -> None:
    for words in ("\x00", FORGED, "\x1b[2J", "".join(_CONTROL)):
        answer = await inbound(api, "+12025550199", NUMBERS[0], "hello", **{field: words}).post(api)

        assert answer.status_code in {204, 403}
    assert not [line for line in log.lines() if line["event"] == "forged"]
    assert not re.search("forged|owned", log.text)
