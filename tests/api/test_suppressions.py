"""``/v1/suppressions``: what goes in, what comes out, and that no phone ever does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.answers import problem_in
from tests.api.rig import ALICE, BOB, CAROL, DAVE, Api, inbound, talk

PATH = "/v1/suppressions"
LIFT, IMPORT, CHECK = f"{PATH}/lift", f"{PATH}/import", f"{PATH}/check"


async def put(api: Api, phone: str, reason: str = "complaint") -> dict[str, Any]:
    return await api.made(PATH, {"phone": phone, "reason": reason})


async def listed(api: Api, query: str = "") -> dict[str, Any]:
    return dict((await api.ask("GET", PATH + query)).json())


async def test_somebody_is_listed_without_their_phone_when_the_account_puts_them_there(api: Api) -> None:
    first = await api.ask("POST", PATH, {"phone": BOB, "reason": "asked_otherwise"})
    again = await api.ask("POST", PATH, {"phone": BOB, "reason": "complaint"})
    document = first.json()

    assert (first.status_code, again.status_code) == (201, 200)
    assert document == again.json()
    assert document.keys() == {"id", "since", "source", "reason"}
    assert str(document["id"]).startswith("sup_")
    assert (document["source"], document["reason"]) == ("api", "asked_otherwise")
    assert await listed(api) == {"data": [document], "next_cursor": None}


async def test_no_session_is_opened_when_one_of_the_two_is_listed(api: Api) -> None:
    await put(api, BOB)
    refused = await api.ask("POST", "/v1/sessions", {"participants": [{"phone": ALICE}, {"phone": BOB}]})
    lifted = [(await api.ask("POST", LIFT, {"phone": BOB})).json() for _ in range(2)]

    assert (refused.status_code, problem_in(refused)["code"]) == (409, "participant_opted_out")
    assert lifted == [{"lifted": True}, {"lifted": False}]
    assert (await api.session(ALICE, BOB))["status"] == "open"


async def test_a_persons_own_stop_is_theirs_when_the_account_would_lift_it(api: Api) -> None:
    _, number = await talk(api)
    await inbound(api, ALICE, number, "STOP").post(api)
    refused = await api.ask("POST", LIFT, {"phone": ALICE})
    stands = await listed(api)
    lifted = await api.ask("POST", LIFT, {"phone": ALICE, "operator_reason": "consented_again"})

    assert (refused.status_code, problem_in(refused)["code"]) == (409, "opt_out_is_theirs")
    assert [(one["source"], one["reason"]) for one in stands["data"]] == [("person", None)]
    assert (lifted.status_code, lifted.json()) == (200, {"lifted": True})


async def test_places_are_named_and_no_phone_when_a_list_has_what_is_none(api: Api) -> None:
    await put(api, CAROL)
    phones = [BOB, "+1202", CAROL, "nobody", BOB, "+19005550100"]
    taken = await api.ask("POST", IMPORT, {"phones": phones, "reason": "earlier_system"})
    checked = await api.ask("POST", CHECK, {"phones": [DAVE, BOB, "+1202", CAROL]})

    assert taken.json() == {
        "new": 1,
        "known": 2,
        "invalid": [
            {"place": 2, "code": "phone_invalid"},
            {"place": 4, "code": "phone_invalid"},
            {"place": 6, "code": "phone_kind_refused"},
        ],
    }
    assert checked.json() == {"suppressed": [2, 4], "invalid": [{"place": 3, "code": "phone_invalid"}]}
    assert "202" not in taken.text + checked.text


async def test_the_list_is_paged_when_it_is_long(api: Api) -> None:
    ids = [(await put(api, phone))["id"] for phone in (BOB, CAROL, DAVE)]
    first = await listed(api, "?limit=2")
    second = await listed(api, f"?limit=2&cursor={first['next_cursor']}")
    pages = [one["id"] for page in (first, second) for one in page["data"]]

    assert sorted(pages) == sorted(ids)
    assert second["next_cursor"] is None
    assert (await api.ask("GET", f"/v1/sessions?cursor={first['next_cursor']}")).status_code == 422


async def test_another_account_sees_and_lifts_nothing_when_one_has_a_list(api: Api) -> None:
    other = await api.other_account()
    await put(api, BOB)

    assert await listed(other) == {"data": [], "next_cursor": None}
    assert (await other.ask("POST", CHECK, {"phones": [BOB]})).json() == {"suppressed": [], "invalid": []}
    assert (await other.ask("POST", LIFT, {"phone": BOB})).json() == {"lifted": False}
    assert len((await listed(api))["data"]) == 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (PATH, {"phone": BOB}, "reason"),
        (PATH, {"phone": BOB, "reason": "I said so"}, "reason"),
        (PATH, {"phone": "Bob", "reason": "complaint"}, "phone"),
        (LIFT, {"phone": BOB, "operator_reason": "I said so"}, "operator_reason"),
        (IMPORT, {"phones": [], "reason": "complaint"}, "phones"),
        (IMPORT, {"phones": [BOB]}, "reason"),
        (CHECK, {"phones": ["+"] * 4001}, "phones"),
    ],
)
async def test_the_field_is_named_when_it_is_wrong(api: Api, path: str, body: dict[str, object], field: str) -> None:
    answer = await api.ask("POST", path, body)

    assert answer.status_code == 422
    assert [error["field"] for error in problem_in(answer)["errors"]] == [field]
    assert (await listed(api))["data"] == []
