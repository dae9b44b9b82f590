"""``Idempotency-Key``: one request, however often it is sent, and one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from relay.core.model import Scope
from relay.services.idempotency import Answer
from tests.api.contract import CONTRACT, furnished
from tests.api.rig import ALICE, BOB, CAROL, Api, opening

pytestmark = pytest.mark.long

POSTS = [row for row in CONTRACT if row.method == "POST"]


#: Calls whose answer has a secret in it, which is shown once.
_SHOWS_A_SECRET = ("POST /v1/webhooks", "POST /v1/webhooks/{id}/rotate")


def replay_of(first: httpx.Response, second: httpx.Response, *, but_for: str = "") -> bool:
    """Is the second the first one's answer, given again? ``but_for``: a secret, of which it has null."""
    expected = first.text.replace(f'"{but_for}"', "null") if but_for else first.text
    return (
        second.headers.get("idempotent-replayed") == "true"
        and "idempotent-replayed" not in first.headers
        and (second.status_code, second.text) == (first.status_code, expected)
        and second.headers["content-type"] == first.headers["content-type"]
    )


async def count_of(api: Api, path: str) -> int:
    return len((await api.ask("GET", path)).json()["data"])


@pytest.mark.parametrize("row", POSTS, ids=str)
async def test_the_answer_is_the_same_to_the_byte_when_any_post_is_sent_again(api: Api, row: Any) -> None:
    world = await furnished(api)
    first, second = [await api.ask("POST", row.at(world), row.said(world), idempotency_key="k") for _ in range(2)]

    assert first.status_code < 300, first.text
    secret = first.json().get("secret", "")
    assert bool(secret) is (str(row) in _SHOWS_A_SECRET)
    assert replay_of(first, second, but_for=secret)
    assert second.headers["x-request-id"] != first.headers["x-request-id"]


async def test_one_session_is_opened_when_the_request_is_sent_three_times(api: Api) -> None:
    answers = [await api.ask("POST", "/v1/sessions", opening(), idempotency_key="k") for _ in range(3)]

    assert len({answer.content for answer in answers}) == 1
    assert await count_of(api, "/v1/sessions") == 1


async def test_two_sessions_are_opened_when_the_keys_differ(api: Api) -> None:
    for key in ("k", "K", None):
        await api.ask("POST", "/v1/sessions", opening(), **({"idempotency_key": key} if key else {}))

    assert await count_of(api, "/v1/sessions") == 3


@pytest.mark.parametrize("status", [409, 422])
async def test_a_final_refusal_is_given_again_when_the_request_is_sent_again(api: Api, status: int) -> None:
    """Even when the same request would succeed by now: who asks again must not get what they were told they have not."""
    other = await api.session(unique_name="trip-991")
    body = opening(ALICE, CAROL, unique_name="trip-991", pool="default" if status == 409 else "night")
    first = await api.ask("POST", "/v1/sessions", body, idempotency_key="k")
    await api.made(f"/v1/sessions/{other['id']}/close", {})
    await api.made("/v1/pools", {"name": "night"})
    second = await api.ask("POST", "/v1/sessions", body, idempotency_key="k")

    assert first.status_code == status
    assert replay_of(first, second)


async def test_a_passing_refusal_is_forgotten_when_it_said_when_to_try_again(api: Api) -> None:
    await api.made("/v1/pools", {"name": "small"})
    await api.made("/v1/numbers", {"number": "+12025550109", "connection": api.connection, "pool": "small"})
    session = await api.session(pool="small", cool_down=3600)
    await api.made(f"/v1/sessions/{session['id']}/close", {})
    body = opening(ALICE, CAROL, pool="small")
    first = await api.ask("POST", "/v1/sessions", body, idempotency_key="k")
    api.rig.later(seconds=3601)
    second = await api.ask("POST", "/v1/sessions", body, idempotency_key="k")

    assert first.status_code == 409
    assert int(first.headers["retry-after"]) > 0
    assert second.status_code == 201
    assert "idempotent-replayed" not in second.headers


async def test_the_key_is_refused_when_it_comes_with_another_request(api: Api) -> None:
    world = await furnished(api)
    first = await api.ask("POST", "/v1/sessions", opening(ALICE, CAROL), idempotency_key="k")
    others = [
        await api.ask("POST", "/v1/sessions", opening(BOB, CAROL), idempotency_key="k"),
        await api.ask("POST", "/v1/sessions/dry-run", opening(ALICE, CAROL), idempotency_key="k"),
        await api.ask("POST", "/v1/sessions?x=1", opening(ALICE, CAROL), idempotency_key="k"),
        await api.ask("POST", f"/v1/sessions/{world['session']}/close", idempotency_key="k"),
    ]

    assert {(a.status_code, a.json()["code"]) for a in others} == {(422, "idempotency_key_reused")}
    assert {a.json()["errors"][0]["field"] for a in others} == {"Idempotency-Key"}
    assert replay_of(first, await api.ask("POST", "/v1/sessions", opening(ALICE, CAROL), idempotency_key="k"))


async def test_another_account_is_not_spoken_for_when_it_uses_the_same_key(api: Api) -> None:
    other = await api.other_account()
    await api.made("/v1/pools", {"name": "night"}, idempotency_key="k")
    theirs = await other.ask("POST", "/v1/pools", {"name": "night"}, idempotency_key="k")

    assert theirs.status_code == 201
    assert "idempotent-replayed" not in theirs.headers
    assert await count_of(other, "/v1/pools") == 1


async def test_the_scope_is_asked_for_again_when_a_stored_answer_is_wanted(api: Api) -> None:
    await api.made("/v1/sessions", opening(), idempotency_key="k")
    key = await api.new_key(Scope.NUMBERS)

    assert (await api.ask("POST", "/v1/sessions", opening(), key=key, idempotency_key="k")).status_code == 403


async def test_one_of_many_does_the_work_when_they_come_at_once(api: Api) -> None:
    asked = [api.ask("POST", "/v1/sessions", opening(), idempotency_key="k") for _ in range(8)]
    answers = await asyncio.gather(*asked)
    done = [a for a in answers if a.status_code == 201]
    waiting = [a for a in answers if a.status_code != 201]

    assert len([a for a in done if "idempotent-replayed" not in a.headers]) == 1
    assert len({a.content for a in done}) == 1
    assert {(a.status_code, a.json()["code"], a.headers["retry-after"]) for a in waiting} <= {
        (409, "request_in_progress", "1")
    }
    assert await count_of(api, "/v1/sessions") == 1


async def test_an_answer_is_forgotten_when_it_is_a_day_old(api: Api) -> None:
    await api.made("/v1/pools", {"name": "night"}, idempotency_key="k")
    api.rig.later(hours=23, minutes=59)
    await api.rig.relay.idempotency.forget(api.rig.account.bucket)
    kept = await api.ask("POST", "/v1/pools", {"name": "night"}, idempotency_key="k")
    api.rig.later(minutes=2)
    await api.rig.relay.idempotency.forget(api.rig.account.bucket)
    gone = await api.ask("POST", "/v1/pools", {"name": "night"}, idempotency_key="k")

    assert (kept.status_code, kept.headers["idempotent-replayed"]) == (201, "true")
    assert (gone.status_code, gone.json()["code"]) == (409, "pool_name_taken")


async def test_a_key_is_refused_when_it_cannot_be_one(api: Api) -> None:
    for key in ("", "a\x1bb", "x" * 256, "\x80"):
        headers = {b"authorization": f"Bearer {api.key}".encode(), b"idempotency-key": key.encode("latin-1")}
        answer = await api.http.post("/v1/pools", headers=headers, json={"name": "night"})

        assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid"), key
    assert await count_of(api, "/v1/pools") == 1


async def test_a_key_is_taken_when_it_can_be_printed(api: Api) -> None:
    for n, key in enumerate(("0", " a b ", "x" * 255, "é", 'q"\\')):
        headers = {b"authorization": f"Bearer {api.key}".encode(), b"idempotency-key": key.encode("latin-1")}
        answers = [await api.http.post("/v1/pools", headers=headers, json={"name": f"night {n}"}) for _ in range(2)]

        assert answers[0].status_code == 201, key
        assert replay_of(*answers)


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "GET"])
async def test_a_key_changes_nothing_when_the_call_is_no_post(api: Api, method: str) -> None:
    await api.made("/v1/pools", {"name": "night"})
    body = {"name": "noon"} if method == "PATCH" else None
    first = await api.ask(method, "/v1/pools/night", body, idempotency_key="k")
    second = await api.ask(method, "/v1/pools/night", body, idempotency_key="k")

    assert first.status_code in (200, 204)
    assert "idempotent-replayed" not in second.headers
    assert second.status_code == (200 if method == "GET" else 404)


async def test_stored_answers_and_keys_are_sealed_when_the_database_is_read(api: Api) -> None:
    session = (await api.ask("POST", "/v1/sessions", opening(), idempotency_key="a-key-with-words")).json()
    rows = await api.rig.rows("select * from idempotency where account_id = $1", api.rig.account.id)
    (row,) = rows
    stored = b"|".join(value for value in row.values() if isinstance(value, bytes)) + repr(row).encode()

    assert row["status"] == 201
    assert row["sealed_answer"]
    for word in (
        session["id"],
        "rider",
        "a-key-with-words",
        "proxy_number",
        session["participants"][0]["proxy_number"],
    ):
        assert word.encode() not in stored


async def test_a_stored_answer_is_not_opened_when_it_was_moved_to_another_request(api: Api) -> None:
    """Whoever can write into the database cannot make one request get the answer of another."""
    secret = await api.ask("POST", "/v1/sessions", opening(), idempotency_key="one")
    await api.ask("POST", "/v1/pools", {"name": "night"}, idempotency_key="two")
    moved: Mapping[str, object] = (
        await api.rig.rows(
            "select sealed_answer, transit_id from idempotency where account_id = $1 order by created_at limit 1",
            api.rig.account.id,
        )
    )[0]
    await api.rig.rows(
        "update idempotency set sealed_answer = $2, transit_id = $3 where account_id = $1 returning key",
        api.rig.account.id,
        moved["sealed_answer"],
        moved["transit_id"],
    )
    answer = await api.ask("POST", "/v1/pools", {"name": "night"}, idempotency_key="two")

    assert answer.status_code == 500
    assert secret.json()["id"] not in answer.text


async def test_the_first_answer_stands_when_a_second_one_is_stored(api: Api) -> None:
    """Two processes may finish the same work when one outlives its lease."""
    idempotency, account = api.rig.relay.idempotency, api.rig.account
    first = await idempotency.begin(account, "k", b"asked")
    api.rig.later(seconds=31)
    second = await idempotency.begin(account, "k", b"asked")
    assert not isinstance(first, Answer)
    assert not isinstance(second, Answer)
    await idempotency.finish(second, Answer(201, "the same"))
    await idempotency.finish(first, Answer(201, "the same, later"))

    assert second.seed == first.seed
    assert await idempotency.begin(account, "k", b"asked") == Answer(201, "the same")
