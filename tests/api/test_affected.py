"""Whom a leak concerns, over the API."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from relay.core.affected import NOT_COUNTED, TOLD
from relay.core.data_class import DataClass
from relay.core.data_rules import RULES
from relay.core.retention import classified
from tests.api.answers import problem_in
from tests.api.rig import ALICE, BOB, CAROL, Api, inbound

PATH = "/v1/privacy/affected"


async def affected(api: Api, **asked: str) -> dict[str, Any]:
    answer = await api.ask("GET", f"{PATH}?{urlencode(asked)}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_each_class_of_a_table_is_answered_whole_when_the_table_was_copied(api: Api) -> None:
    session = await api.session()
    answer = await affected(api, table="participant")
    phones = answer["data"][0]

    assert [one["class"] for one in answer["data"]] == ["phone", "party_index", "session"]
    assert [one["readable_without_keyring"] for one in answer["data"]] == [False, False, True]
    assert phones == {
        "table": "participant",
        "class": "phone",
        "data": RULES[DataClass.PHONE].what,
        "about": RULES[DataClass.PHONE].people,
        "columns": ["sealed_phone", "epoch_id"],
        "protection": "epoch key",
        "readable_without_keyring": False,
        "kept_until": RULES[DataClass.PHONE].until,
        "counted": TOLD["participant"][DataClass.PHONE].how,
        "records": 2,
        "people": 2,
        "sessions": 1,
    }
    assert (answer["from"], answer["until"]) == (None, answer["at"])
    assert (answer["sessions"], answer["session_ids"], answer["next_cursor"]) == (1, [session["id"]], None)
    assert answer["not_counted"] == NOT_COUNTED


async def test_every_table_is_answered_when_the_whole_database_was_copied(api: Api) -> None:
    await api.session()
    data = (await affected(api))["data"]

    assert [(one["table"], one["class"]) for one in data] == [(t, str(c)) for t, told in TOLD.items() for c in told]
    assert {(one["table"], column) for one in data for column in one["columns"]} == {(t, c) for t, c, _ in classified()}
    assert {(one["records"], one["people"], one["sessions"]) for one in data if one["class"] == "operation"} == {
        (None, None, None)
    }


async def test_only_one_class_is_answered_when_it_is_asked_about(api: Api) -> None:
    assert [one["class"] for one in (await affected(api, table="participant", **{"class": "phone"}))["data"]] == [
        "phone"
    ]


async def test_the_window_decides_when_times_are_given(api: Api) -> None:
    session = await api.session()
    await api.ask("POST", f"/v1/sessions/{session['id']}/close")
    api.rig.later(hours=2)
    since = (await affected(api, table="session"))["at"]
    afterwards = await affected(api, table="participant", **{"from": since})
    before = await affected(api, table="participant", until="2026-01-01T00:00:00+02:00")

    assert [one["records"] for one in afterwards["data"]] == [0, 2, 2]
    assert [one["records"] for one in before["data"]] == [0, 0, 0]
    assert (before["until"], before["session_ids"]) == ("2025-12-31T22:00:00Z", [])
    assert afterwards["from"] == since


async def test_the_sessions_are_paged_when_there_are_many(api: Api) -> None:
    sessions = [(await api.session(ALICE, other))["id"] for other in (BOB, CAROL)]
    first = await affected(api, table="message", limit="1")
    pages = [await affected(api, table="session", limit="1")]
    while pages[-1]["next_cursor"]:
        pages.append(await affected(api, table="session", limit="1", cursor=pages[-1]["next_cursor"]))

    assert [page["session_ids"] for page in pages] == [[sessions[1]], [sessions[0]]]
    assert {page["sessions"] for page in pages} == {2}
    assert (first["sessions"], first["session_ids"], first["next_cursor"]) == (0, [], None)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"table": "phones"}, "table"),
        ({"table": "session", "class": "phone"}, "class"),
        ({"from": "yesterday"}, "from"),
        ({"until": "2026-11-20T08:00:00"}, "until"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "made-up"}, "cursor"),
        ({"since": "2026-11-20T08:00:00Z"}, "query"),
    ],
)
async def test_a_question_is_refused_with_its_field_when_it_is_none(
    api: Api, asked: dict[str, str], field: str
) -> None:
    answer = await api.ask("GET", f"{PATH}?{urlencode(asked)}")

    assert answer.status_code == 422
    assert [problem["field"] for problem in problem_in(answer)["errors"]] == [field]


async def test_the_allowed_words_are_said_and_the_given_one_is_not_when_a_table_is_unknown(api: Api) -> None:
    answer = await api.ask("GET", f"{PATH}?table={quote(ALICE)}")

    assert f"must be one of: {', '.join(TOLD)}" in problem_in(answer)["errors"][0]["message"]
    assert ALICE[1:] not in answer.text


async def test_nothing_of_another_account_is_counted_or_named(api: Api) -> None:
    other = await api.other_account()
    session = await api.session()
    answer = await affected(other)
    concerned = {one["table"] for one in answer["data"] if one["records"]}

    assert concerned == {"account", "connection", "api_key", "event"}  # that its key was made
    assert (answer["sessions"], answer["session_ids"]) == (0, [])
    assert session["id"] not in str(answer)


async def test_no_phone_and_no_hash_is_in_the_answer(api: Api) -> None:
    session = await api.session(ALICE, BOB)
    await inbound(api, ALICE, session["participants"][0]["proxy_number"], f"call {CAROL}").post(api)
    hashes = await api.rig.rows("select party_index from participant where party_index is not null")
    answer = (await api.ask("GET", f"{PATH}?limit=200")).text

    assert '"records":2' in answer
    assert [phone for phone in (ALICE, BOB, CAROL) if phone[1:] in answer] == []
    assert [h for h in hashes if h["party_index"].hex() in answer] == []  # type: ignore[attr-defined]  # bytes
