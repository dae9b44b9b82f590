"""Lists: newest first, in pages, each page begun by a cursor that only we can make and only for that list."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.rig import ALICE, BOB, CAROL, Api

LISTS = ("/v1/sessions", "/v1/numbers", "/v1/pools", "/v1/connections")
PAGED = ("/v1/sessions", "/v1/numbers")


async def page(api: Api, path: str, **query: object) -> dict[str, Any]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await api.ask("GET", f"{path}?{words}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def pages(api: Api, path: str, *, limit: int) -> list[list[str]]:
    """The ids on every page, following the cursors to the end."""
    read = await page(api, path, limit=limit)
    found = [[row["id"] for row in read["data"]]]
    while read["next_cursor"]:
        read = await page(api, path, limit=limit, cursor=read["next_cursor"])
        found.append([row["id"] for row in read["data"]])
    return found


async def three_sessions(api: Api) -> list[str]:
    """Sessions in two pools, in the order in which they were opened."""
    await api.made("/v1/pools", {"name": "night"})
    await api.made("/v1/numbers", {"number": "+12025550109", "connection": api.connection, "pool": "night"})
    opened = [await api.session(ALICE, BOB), await api.session(ALICE, BOB, pool="night"), await api.session(BOB, CAROL)]
    return [session["id"] for session in opened]


async def test_the_newest_come_first_when_sessions_of_all_pools_are_listed(api: Api) -> None:
    opened = await three_sessions(api)

    assert await pages(api, "/v1/sessions", limit=50) == [opened[::-1]]


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_every_session_is_on_one_page_when_the_pages_are_followed(api: Api, limit: int) -> None:
    newest_first = (await three_sessions(api))[::-1]

    assert await pages(api, "/v1/sessions", limit=limit) == [
        newest_first[i : i + limit] for i in range(0, len(newest_first), limit)
    ]


async def test_no_session_is_met_twice_when_one_is_opened_between_two_pages(api: Api) -> None:
    opened = await three_sessions(api)
    first = await page(api, "/v1/sessions", limit=2)
    await api.session(ALICE, CAROL)
    second = await page(api, "/v1/sessions", limit=2, cursor=first["next_cursor"])

    assert [row["id"] for row in second["data"]] == [opened[0]]


async def test_texts_and_numbers_are_paged_when_there_are_more_than_asked_for(api: Api) -> None:
    session = await api.session()
    path = f"/v1/sessions/{session['id']}/messages"
    text = {"to": session["participants"][0]["id"], "text": "Your driver is here."}
    sent = [(await api.made(path, text))["id"] for _ in range(3)]
    numbers = [row["id"] for row in (await page(api, "/v1/numbers"))["data"]]

    assert await pages(api, path, limit=2) == [[sent[2], sent[1]], [sent[0]]]
    assert await pages(api, "/v1/numbers", limit=2) == [numbers[:2], numbers[2:]]


async def test_numbers_pools_and_connections_are_newest_first_when_listed(api: Api) -> None:
    for name in ("a", "b"):
        await api.made("/v1/pools", {"name": name})
    added = {"number": "+12025550109", "connection": api.connection}
    await api.made("/v1/numbers", added)
    other = {"provider": "twilio", "credentials": {"account_sid": "AC" + "2" * 32, "auth_token": "3" * 32}}
    newest = await api.made("/v1/connections", other)

    assert [row["name"] for row in (await page(api, "/v1/pools"))["data"]] == ["b", "a", "default"]
    assert (await page(api, "/v1/numbers"))["data"][0]["number"] == "+12025550109"
    assert [row["id"] for row in (await page(api, "/v1/connections"))["data"]] == [newest["id"], api.connection]


async def test_only_what_fits_is_listed_when_sessions_are_filtered(api: Api) -> None:
    first, second, _ = await three_sessions(api)
    named = (await api.session(ALICE, CAROL, unique_name="trip-991"))["id"]
    await api.made(f"/v1/sessions/{first}/close", {})

    async def ids(**query: str) -> list[str]:
        return [row["id"] for row in (await page(api, "/v1/sessions", **query))["data"]]

    assert await ids(status="closed") == [first]
    assert len(await ids(status="open")) == 3
    assert await ids(unique_name="trip-991") == [named]
    assert await ids(unique_name="trip-992") == []
    assert await ids(pool="night") == [second]
    assert await ids(pool="night", status="closed") == []


@pytest.mark.parametrize("path", PAGED)
async def test_a_limit_is_taken_when_it_is_from_1_to_200(api: Api, path: str) -> None:
    for limit in ("1", "200", "007"):
        assert (await api.ask("GET", f"{path}?limit={limit}")).status_code == 200, limit


NO_LIMITS = (
    *("0", "201", "-1", "", "+5", "5.0", "1e2", "0x10", "abc", "%00", "%D9%A3", "0002001"),
    "000200" + "9" * 5000,
)


@pytest.mark.parametrize("path", PAGED)
async def test_a_limit_is_refused_when_it_is_anything_else(api: Api, path: str) -> None:
    for limit in NO_LIMITS:
        answer = await api.ask("GET", f"{path}?limit={limit}")

        assert answer.status_code == 422, limit
        assert [p["field"] for p in answer.json()["errors"]] == ["limit"]


STRANGE_QUERIES = (
    *("status=ajar", "status=", "pool=nowhere", "pool=%00", "cursor=", "cursor=%00", "cursor=a.b"),
    *(f"unique_name={name}" for name in ("", "%00", "a%0Ab", "x" * 65)),
    *("page=2", "%00=1", "LIMIT=5"),
)


async def test_a_query_is_refused_when_it_says_what_no_list_knows(api: Api) -> None:
    for query in STRANGE_QUERIES:
        answer = await api.ask("GET", f"/v1/sessions?{query}")

        assert answer.status_code == 422, query
        assert answer.json()["errors"][0]["field"] in {query.partition("=")[0], "query"}


async def test_a_cursor_is_refused_when_any_letter_of_it_was_changed(api: Api) -> None:
    await three_sessions(api)
    cursor = str((await page(api, "/v1/sessions", limit=1))["next_cursor"])
    for i, letter in enumerate(cursor):
        altered = cursor[:i] + ("A" if letter != "A" else "B") + cursor[i + 1 :]
        answer = await api.ask("GET", f"/v1/sessions?cursor={altered}")

        # The last letter of base64 has bits that mean nothing: changed, it may still be the same cursor.
        assert answer.status_code == 422 or i == len(cursor) - 1, i
    assert (await api.ask("GET", f"/v1/sessions?cursor={cursor}")).status_code == 200


async def test_a_cursor_is_refused_when_it_was_made_for_another_list(api: Api) -> None:
    await three_sessions(api)
    one, other = await api.session(ALICE, CAROL), await api.session(ALICE, CAROL)
    cursors = {path: (await page(api, path, limit=1))["next_cursor"] for path in PAGED}
    for session in (one, other):
        text = {"to": session["participants"][0]["id"], "text": "Your driver is here."}
        path = f"/v1/sessions/{session['id']}/messages"
        for _ in range(2):
            await api.made(path, text)
        cursors[path] = (await page(api, path, limit=1))["next_cursor"]

    for made_for, cursor in cursors.items():
        for path in cursors:
            answer = await api.ask("GET", f"{path}?cursor={cursor}")
            assert answer.status_code == (200 if path == made_for else 422), (made_for, path)


async def test_a_cursor_is_refused_when_it_is_another_accounts(api: Api) -> None:
    await three_sessions(api)
    other = await api.other_account()
    for path in PAGED:
        cursor = (await page(api, path, limit=1))["next_cursor"]
        foreign = await other.ask("GET", f"{path}?cursor={cursor}")
        made_up = await other.ask("GET", f"{path}?cursor=made-up")

        assert (foreign.status_code, made_up.status_code) == (422, 422)
        assert foreign.json()["errors"] == made_up.json()["errors"]


@pytest.mark.parametrize("path", LISTS)
async def test_nothing_of_it_is_listed_when_it_is_another_accounts(api: Api, path: str) -> None:
    await three_sessions(api)
    other = await api.other_account()
    own = {row["id"] for row in (await page(other, path))["data"]}
    theirs = {row["id"] for row in (await page(api, path))["data"]}

    assert theirs
    assert not own & theirs
