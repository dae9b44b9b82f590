"""The database goes away in the middle of a request, at every word that is said to it, and comes back.

What was begun is then either done or not begun at all, and the same request, sent again, ends in the same single thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import httpx
import pytest

from tests.api import codes
from tests.api.far_process import over_a_line
from tests.api.rig import ALICE, Api, inbound, opening
from tests.services.people import number, phone
from tests.services.rig import CREDENTIALS

pytestmark = pytest.mark.long

_AT_ONCE = 12
_LEASE = 31  # seconds, and one to spare

Request = Callable[[Api, int], Awaitable[httpx.Response]]  #: the n-th of many like it


async def words_of(api: Api, dsn: str, request: Request) -> int:
    """How many words a request says to the database when all goes well."""
    async with over_a_line(api, dsn) as (cut_off, line):
        before = line.said
        answer = await request(cut_off, 0)
        assert answer.status_code < 300, answer.text
        return line.said - before


async def broken(api: Api, dsn: str, request: Request, n: int) -> tuple[httpx.Response, httpx.Response]:
    """The answers to a request whose database is lost after ``n`` words, and to the same one half a minute later."""
    async with over_a_line(api, dsn) as (cut_off, line):
        line.breaks_after = n
        first = await request(cut_off, n)
        line.mend()
        cut_off.rig.later(seconds=_LEASE)
        return first, await request(cut_off, n)


async def broken_everywhere(api: Api, dsn: str, request: Request, *, step: int = 1) -> Sequence[httpx.Response]:
    """Break a request after every (or every second ...) word; returns what the same requests were answered afterwards."""
    count = await words_of(api, dsn, request)
    both: list[tuple[httpx.Response, httpx.Response]] = []
    places = range(1, count + 1, step)
    for i in range(0, len(places), _AT_ONCE):
        both += await asyncio.gather(*(broken(api, dsn, request, n) for n in places[i : i + _AT_ONCE]))
    firsts, seconds = [first for first, _ in both], [second for _, second in both]
    assert {first.status_code for first in firsts} >= {503}
    assert {first.headers.get("retry-after") for first in firsts if first.status_code == 503} == {"2"}
    for first, second in both:
        assert first.status_code in {503, second.status_code}
        assert second.status_code < 300, second.text
        if first.status_code < 300:
            assert second.content == first.content
    return seconds


async def test_one_session_is_opened_when_the_database_is_lost_at_any_word(api: Api, shared_dsn: str) -> None:
    """In a pool of one number, so that nobody who holds it could be given another."""
    await api.made("/v1/pools", {"name": "small"})
    await api.made("/v1/numbers", {"number": "+12025550109", "connection": api.connection, "pool": "small"})

    def open_nth(cut_off: Api, n: int) -> Awaitable[httpx.Response]:
        body = opening(phone(2 * n), phone(2 * n + 1), pool="small", unique_name=f"trip-{n}")
        return cut_off.ask("POST", "/v1/sessions", body, idempotency_key=f"k{n}")

    answers = await broken_everywhere(api, shared_dsn, open_nth, step=2)
    listed = (await api.ask("GET", "/v1/sessions?limit=200")).json()["data"]

    assert len(listed) == len(answers) + 1
    assert {s["id"] for s in listed} >= {a.json()["id"] for a in answers}


async def test_one_text_is_queued_when_the_database_is_lost_at_any_word(api: Api, shared_dsn: str) -> None:
    session = await api.session()
    path = f"/v1/sessions/{session['id']}/messages"
    body = {"to": session["participants"][0]["id"], "text": "Your driver is here."}

    def send_nth(cut_off: Api, n: int) -> Awaitable[httpx.Response]:
        return cut_off.ask("POST", path, body, idempotency_key=f"k{n}")

    answers = await broken_everywhere(api, shared_dsn, send_nth, step=2)
    waiting = await api.rig.value("select count(*) from outbox where account_id = $1", api.rig.account.id)

    assert waiting == len(answers) + 1
    assert len({a.json()["id"] for a in answers}) == len(answers)


async def test_one_inbound_text_is_taken_when_the_database_is_lost_at_any_word(api: Api, shared_dsn: str) -> None:
    """The carrier sends the same webhook again after a 503, and after a 2xx that it never saw."""
    session = await api.session()
    webhooks = [inbound(api, ALICE, session["participants"][0]["proxy_number"], f"text {n}") for n in range(60)]

    def take_nth(cut_off: Api, n: int) -> Awaitable[httpx.Response]:
        return webhooks[n].post(cut_off)

    answers = await broken_everywhere(api, shared_dsn, take_nth, step=2)
    waiting = await api.rig.value("select count(*) from outbox where account_id = $1", api.rig.account.id)
    listed = (await api.ask("GET", f"/v1/sessions/{session['id']}/messages?limit=200")).json()["data"]

    assert waiting == len(listed) == len(answers) + 1


async def test_one_code_is_sent_when_the_database_is_lost_at_any_word(api: Api, shared_dsn: str) -> None:
    def start_nth(cut_off: Api, n: int) -> Awaitable[httpx.Response]:
        body = {"phone": phone(n), "purpose": "session"}
        return cut_off.ask("POST", "/v1/verifications", body, idempotency_key=f"k{n}")

    answers = await broken_everywhere(api, shared_dsn, start_nth, step=2)
    waiting = await api.rig.rows("select kind from outbox where account_id = $1", api.rig.account.id)
    pending = await api.rig.value("select count(*) from verification where account_id = $1", api.rig.account.id)

    assert waiting == [{"kind": "code"}] * (len(answers) + 1)
    assert pending == len({a.json()["id"] for a in answers}) + 1


async def test_a_code_is_counted_and_approved_once_when_the_database_is_lost_at_any_word(
    api: Api, shared_dsn: str
) -> None:
    """The same request gives the same token, though its first answer was never seen."""
    asked = [await codes.ask_and_read(api, phone(n)) for n in range(60)]

    def check_nth(cut_off: Api, n: int) -> Awaitable[httpx.Response]:
        verification, code = asked[n]
        path = f"/v1/verifications/{verification}/check"
        return cut_off.ask("POST", path, {"code": code}, idempotency_key=f"k{n}")

    answers = await broken_everywhere(api, shared_dsn, check_nth)
    rows = await api.rig.rows(
        "select checks, (select count(*) from event e where e.verification_id = v.id) as events from verification v"
        " where account_id = $1 and status = 'approved'",
        api.rig.account.id,
    )

    assert {a.json()["status"] for a in answers} == {"approved"}
    assert rows == [{"checks": 1, "events": 2}] * (len(answers) + 1)


async def test_a_proof_opens_one_session_when_the_database_is_lost_at_any_word(api: Api, shared_dsn: str) -> None:
    await api.ask("PATCH", "/v1/pools/default", {"require_verified": True})
    tokens = [await codes.token_of(api, phone(n)) for n in range(120)]

    def open_nth(cut_off: Api, n: int) -> Awaitable[httpx.Response]:
        people = [{"phone": phone(i), "verification_token": tokens[i]} for i in (2 * n, 2 * n + 1)]
        return cut_off.ask("POST", "/v1/sessions", {"participants": people}, idempotency_key=f"k{n}")

    answers = await broken_everywhere(api, shared_dsn, open_nth, step=3)
    used = "select count(distinct used_by) from verification where account_id = $1 and used_by is not null"

    assert await api.rig.value(used, api.rig.account.id) == len(answers) + 1


@pytest.mark.parametrize("what", ["connections", "pools", "numbers"])
async def test_one_thing_is_made_when_the_database_is_lost_at_any_word(api: Api, shared_dsn: str, what: str) -> None:
    before = len((await api.ask("GET", f"/v1/{what}")).json()["data"])

    def body(n: int) -> dict[str, object]:
        if what == "connections":
            return {"provider": "twilio", "credentials": dict(CREDENTIALS)}
        return {"name": f"pool {n}"} if what == "pools" else {"number": number(n), "connection": api.connection}

    def make_nth(cut_off: Api, n: int) -> Awaitable[httpx.Response]:
        return cut_off.ask("POST", f"/v1/{what}", body(n), idempotency_key=f"k{n}")

    answers = await broken_everywhere(api, shared_dsn, make_nth, step=4)
    listed = (await api.ask("GET", f"/v1/{what}")).json()["data"]

    assert len(listed) == before + len(answers) + 1
    assert {row["id"] for row in listed} >= {a.json()["id"] for a in answers}


async def test_a_session_is_closed_once_when_the_database_is_lost_at_any_word(api: Api, shared_dsn: str) -> None:
    sessions = [(await api.session(phone(2 * n), phone(2 * n + 1)))["id"] for n in range(60)]

    def close_nth(cut_off: Api, n: int) -> Awaitable[httpx.Response]:
        return cut_off.ask("POST", f"/v1/sessions/{sessions[n]}/close", idempotency_key=f"k{n}")

    answers = await broken_everywhere(api, shared_dsn, close_nth, step=4)
    closed = await api.rig.value(
        "select count(*) from event where account_id = $1 and type = 'session.closed'", api.rig.account.id
    )

    assert closed == len(answers) + 1
    assert {a.json()["session"]["close_reason"] for a in answers} == {"api"}


async def test_the_same_request_waits_for_the_lease_when_its_first_try_was_lost(api: Api, shared_dsn: str) -> None:
    """Nobody can know whether the process that began it still works on it."""
    async with over_a_line(api, shared_dsn) as (cut_off, line):
        line.breaks_after = await words_of(api, shared_dsn, _name_a_pool) - 6
        lost = await _name_a_pool(cut_off, 1)
        line.mend()
        early = await _name_a_pool(cut_off, 1)
        cut_off.rig.later(seconds=_LEASE)
        late = await _name_a_pool(cut_off, 1)

    assert lost.status_code == 503
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (409, "request_in_progress", "1")
    assert late.status_code == 201


async def _name_a_pool(api: Api, n: int) -> httpx.Response:
    return await api.ask("POST", "/v1/pools", {"name": f"pool {n}"}, idempotency_key=f"k{n}")


async def test_everything_says_when_to_try_again_when_the_database_is_away(api: Api, shared_dsn: str) -> None:
    session = await api.session()
    text = inbound(api, ALICE, session["participants"][0]["proxy_number"], "hello")
    async with over_a_line(api, shared_dsn) as (cut_off, line):
        line.cut()
        away = await asyncio.gather(
            cut_off.ask("GET", "/v1/account"),
            cut_off.ask("POST", "/v1/sessions", opening(ALICE, phone(7))),
            text.post(cut_off),
            cut_off.http.get("/readyz"),
        )
        alive = await cut_off.http.get("/healthz")
        line.mend()
        back = [await cut_off.ask("GET", "/v1/account"), await text.post(cut_off), await cut_off.http.get("/readyz")]

    assert [(a.status_code, a.headers["retry-after"]) for a in away] == [(503, "2")] * 4
    assert away[0].json()["code"] == away[1].json()["code"] == "storage_unavailable"
    assert alive.status_code == 200
    assert [a.status_code for a in back] == [200, 204, 200]
