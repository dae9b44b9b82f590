"""Numbers and pools over the API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.rig import ALICE, BOB, CAROL, Api

NEW = "+12025550109"


async def number_of(api: Api, **more: object) -> dict[str, Any]:
    return await api.made("/v1/numbers", {"number": NEW, "connection": api.connection, **more})


async def held_number(api: Api) -> tuple[str, str]:
    """A pool of one number that two people hold: the ids of their session and of the number."""
    await api.made("/v1/pools", {"name": "small"})
    number = await number_of(api, pool="small")
    session = await api.session(pool="small", cool_down=3600)
    return session["id"], number["id"]


async def test_a_number_is_answered_whole_when_it_is_imported(api: Api) -> None:
    number = await number_of(api)

    assert number.pop("id").startswith("num_")
    assert number.pop("created_at").endswith("Z")
    assert number == {
        "number": NEW,
        "country": "US",
        "kind": "long_code",
        "pool": "default",
        "connection": api.connection,
        "state": "ready",
        "rate": 1.0,
        "in_use": 0,
    }


@pytest.mark.parametrize(
    ("number", "more", "kind", "rate"),
    [
        ("+18005550109", {}, "toll_free", 3.0),
        ("12345", {"country": "US"}, "short_code", 100.0),
        ("+1 (202) 555-0108", {"rate": 7.5}, "long_code", 7.5),
        ("+12025550108", {"rate": 10_000}, "long_code", 10_000.0),
    ],
)
async def test_a_number_has_the_pace_of_its_kind_when_none_is_given(
    api: Api, number: str, more: dict[str, Any], kind: str, rate: float
) -> None:
    made = await number_of(api, **{"number": number, **more})

    assert (made["kind"], made["rate"]) == (kind, rate)


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"number": "12025550109"}, "number"),
    ({"number": "+19005550109"}, "number"),
    ({"number": "12345"}, "country"),
    ({"number": "12345", "country": "ZZ"}, "country"),
    ({"pool": "nowhere"}, "pool"),
    ({"connection": "nobody"}, "connection"),
    ({"connection": "con_" + "a" * 26}, "connection"),
    ({"rate": 0}, "rate"),
    ({"rate": 10_001}, "rate"),
    ({"rate": "5"}, "rate"),
    ({"rate": True}, "rate"),
    ({"reserved": 1}, "reserved"),
    ({"state": "ready"}, "state"),
)


async def test_the_field_is_named_when_a_number_is_not_right(api: Api) -> None:
    for wrong, field in WRONG:
        answer = await api.ask("POST", "/v1/numbers", {"number": NEW, "connection": api.connection, **wrong})

        assert answer.status_code == 422, wrong
        assert [p["field"] for p in answer.json()["errors"]] == [field]
    assert len((await api.ask("GET", "/v1/numbers")).json()["data"]) == 3


async def test_a_foreign_connection_or_pool_is_unknown_when_a_number_is_imported(api: Api) -> None:
    other = await api.other_account()
    pool = await other.made("/v1/pools", {"name": "theirs"})
    with_theirs = {"number": NEW, "connection": other.connection}
    in_theirs = {"number": NEW, "connection": api.connection, "pool": pool["id"]}
    answers = [await api.ask("POST", "/v1/numbers", body) for body in (with_theirs, in_theirs)]

    assert [(a.status_code, a.json()["errors"][0]["code"]) for a in answers] == [
        (422, "unknown_connection"),
        (422, "unknown_pool"),
    ]


async def test_a_number_is_refused_when_the_account_has_it_already(api: Api) -> None:
    await number_of(api)
    again = await api.ask("POST", "/v1/numbers", {"number": NEW, "connection": api.connection})

    assert (again.status_code, again.json()["code"]) == (409, "number_taken")


async def test_a_number_is_not_given_to_sessions_when_it_is_reserved(api: Api) -> None:
    await api.made("/v1/pools", {"name": "small"})
    number = await number_of(api, pool="small", reserved=True)
    people = {"participants": [{"phone": ALICE}, {"phone": BOB}], "pool": "small"}
    refused = await api.ask("POST", "/v1/sessions", people)
    freed = await api.ask("PATCH", f"/v1/numbers/{number['id']}", {"state": "ready", "rate": 4})
    opened = await api.ask("POST", "/v1/sessions", people)

    assert number["state"] == "reserved"
    assert refused.json()["code"] == "no_number_available"
    assert (freed.json()["state"], freed.json()["rate"]) == ("ready", 4.0)
    assert opened.status_code == 201


@pytest.mark.parametrize("change", [{"state": "gone"}, {"rate": -1}, {"pool": "night"}, {"number": NEW}])
async def test_a_number_stays_as_it_is_when_the_change_is_not_right(api: Api, change: dict[str, Any]) -> None:
    number = await number_of(api)
    answer = await api.ask("PATCH", f"/v1/numbers/{number['id']}", change)

    assert answer.status_code == 422
    assert (await api.ask("GET", f"/v1/numbers/{number['id']}")).json() == number


async def test_a_number_drains_first_when_people_hold_it_and_it_is_removed(api: Api) -> None:
    session, number = await held_number(api)
    refused = await api.ask("DELETE", f"/v1/numbers/{number}")
    draining = (await api.ask("GET", f"/v1/numbers/{number}")).json()
    await api.made(f"/v1/sessions/{session}/close", {})
    api.rig.later(seconds=3601)
    pool = next(p for p in await api.rig.relay.pools.listed(api.rig.account) if p.name == "small")
    await api.rig.relay.expiry.free_numbers(pool.bucket)
    removed = await api.ask("DELETE", f"/v1/numbers/{number}")

    assert (refused.status_code, refused.json()["code"]) == (409, "number_in_use")
    assert (draining["state"], draining["in_use"]) == ("draining", 2)
    assert removed.status_code == 204
    assert (await api.ask("GET", f"/v1/numbers/{number}")).status_code == 404


async def test_a_pool_tells_how_full_it_is_when_it_is_read(api: Api) -> None:
    await api.session(ALICE, BOB)
    await api.session(ALICE, CAROL)
    by_name = (await api.ask("GET", "/v1/pools/default")).json()
    by_id = (await api.ask("GET", f"/v1/pools/{by_name['id']}")).json()

    assert by_id == by_name
    assert by_name.pop("id").startswith("pool_")
    assert by_name.pop("created_at").endswith("Z")
    assert by_name == {
        "name": "default",
        "status": "ready",
        "require_verified": False,
        "hooks": {"intercept": None, "out_of_session": None},
        "rules": [],
        "numbers": {"US": {"ready": 3}},
        "open_sessions": 2,
        "busiest_person": 2,
        "headroom": 1,
    }


async def test_a_pool_is_found_under_its_new_name_when_it_was_renamed(api: Api) -> None:
    made = await api.made("/v1/pools", {"name": "night"})
    renamed = await api.ask("PATCH", "/v1/pools/night", {"name": "late night"})

    assert renamed.json() == {**made, "name": "late night"}
    assert (await api.ask("GET", "/v1/pools/late%20night")).json()["id"] == made["id"]
    assert (await api.ask("GET", "/v1/pools/night")).status_code == 404


async def test_a_pool_keeps_what_a_change_does_not_name_when_it_is_changed(api: Api) -> None:
    await api.made("/v1/pools", {"name": "night", "require_verified": True})
    renamed = (await api.ask("PATCH", "/v1/pools/night", {"name": "late"})).json()
    opened = (await api.ask("PATCH", "/v1/pools/late", {"require_verified": False})).json()

    assert (renamed["name"], renamed["require_verified"]) == ("late", True)
    assert (opened["name"], opened["require_verified"]) == ("late", False)
    assert (await api.ask("PATCH", "/v1/pools/late", {})).json() == opened


async def test_a_name_is_refused_when_another_pool_has_it(api: Api) -> None:
    await api.made("/v1/pools", {"name": "night"})
    answers = [
        await api.ask("POST", "/v1/pools", {"name": "night"}),
        await api.ask("PATCH", "/v1/pools/night", {"name": "default"}),
    ]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(409, "pool_name_taken")] * 2


async def test_two_accounts_name_pools_and_hold_numbers_alike_when_they_do_not_know_of_each_other(api: Api) -> None:
    other = await api.other_account()
    await number_of(api)

    assert (await other.made("/v1/pools", {"name": "default"}))["name"] == "default"
    assert (await number_of(other))["number"] == NEW


async def test_a_pool_stays_when_it_has_numbers(api: Api) -> None:
    refused = await api.ask("DELETE", "/v1/pools/default")
    await api.made("/v1/pools", {"name": "night"})
    removed = await api.ask("DELETE", "/v1/pools/night")

    assert (refused.status_code, refused.json()["code"]) == (409, "pool_in_use")
    assert (removed.status_code, removed.content) == (204, b"")
    assert (await api.ask("GET", "/v1/pools/night")).status_code == 404


async def test_a_pools_rules_are_given_back_when_they_were_set(api: Api) -> None:
    rules: list[dict[str, object]] = [{"keyword": "JOIN", "reply": "Welcome."}, {"keyword": "Later", "event": True}]
    set_ = await api.ask("PATCH", "/v1/pools/default", {"rules": rules})
    kept = await api.ask("PATCH", "/v1/pools/default", {"require_verified": False})
    gone = await api.ask("PATCH", "/v1/pools/default", {"rules": []})

    join, later = set_.json()["rules"]
    assert (join.pop("id")[:4], later.pop("id")[:4]) == ("rul_", "rul_")
    assert [join, later] == [{**rules[0], "event": False}, {**rules[1], "reply": None}]
    assert kept.json()["rules"] == set_.json()["rules"]
    assert gone.json()["rules"] == []


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([{"keyword": "STOP", "event": True}], "rules.0.keyword"),
        ([{"keyword": "JOIN", "reply": "Yes."}, {"keyword": "Join!", "reply": "No."}], "rules.1.keyword"),
        ([{"keyword": "", "event": True}], "rules.0.keyword"),
        ([{"keyword": "x" * 31, "event": True}], "rules.0.keyword"),
        ([{"keyword": "JOIN", "reply": " "}], "rules.0.reply"),
        ([{"keyword": f"word {n}", "event": True} for n in range(21)], "rules"),
        ([{"keyword": "JOIN"}], "rules.0"),
        ([{"keyword": "JOIN", "reply": None, "event": False}], "rules.0"),
    ],
)
async def test_the_rule_is_named_when_it_cannot_be(api: Api, rules: list[dict[str, object]], field: str) -> None:
    answer = await api.ask("PATCH", "/v1/pools/default", {"rules": rules})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await api.ask("GET", "/v1/pools/default")).json()["rules"] == []
