"""Sessions over the API: opened, read, changed, closed, and what stands in the way of each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from relay.core.ids import IdKind, bucket_of, parse
from tests.api.rig import ALICE, BOB, CAROL, NUMBERS, Api, opening

DAY = 86400


def time_of(text: str) -> datetime:
    """A time in an answer: RFC 3339, UTC, whole seconds, and nothing else."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_session_is_answered_whole_when_two_people_are_given(api: Api) -> None:
    answer = await api.ask("POST", "/v1/sessions", opening())
    session = answer.json()

    assert answer.status_code == 201
    assert set(session) == {
        *("id", "status", "unique_name", "pool", "metadata", "created_at", "expires_at", "idle_timeout", "cool_down"),
        *("expiring_notice", "last_message_at", "closed_at", "close_reason", "participants"),
    }
    assert (session["status"], session["pool"], session["metadata"]) == ("open", "default", {})
    assert (session["closed_at"], session["close_reason"], session["last_message_at"]) == (None, None, None)
    assert time_of(session["expires_at"]) - time_of(session["created_at"]) == timedelta(days=1)
    assert [p["label"] for p in session["participants"]] == ["rider", "driver"]
    for person in session["participants"]:
        assert set(person) == {"id", "label", "proxy_number", "opted_out"}
        assert person["proxy_number"] in NUMBERS
        assert person["opted_out"] is False


async def test_a_session_reads_back_as_it_was_answered_when_it_was_opened(api: Api) -> None:
    opened = await api.session(
        unique_name="trip-991", expires_in=3600, idle_timeout=600, cool_down=7200, metadata={"order": "991"}
    )
    read = (await api.ask("GET", f"/v1/sessions/{opened['id']}")).json()

    assert read == opened
    assert {name: read[name] for name in ("unique_name", "idle_timeout", "cool_down", "metadata")} == {
        "unique_name": "trip-991",
        "idle_timeout": 600,
        "cool_down": 7200,
        "metadata": {"order": "991"},
    }
    assert time_of(read["expires_at"]) - time_of(read["created_at"]) == timedelta(hours=1)


@pytest.mark.parametrize("hours", [-12, 0, 2, 5.5, 14])
async def test_a_time_is_answered_in_utc_when_it_was_given_with_another_offset(api: Api, hours: float) -> None:
    zone = timezone(timedelta(hours=hours))
    end = datetime.now(zone).replace(microsecond=0) + timedelta(hours=5)
    session = await api.session(expires_at=end.isoformat())

    assert session["expires_at"].endswith("Z")
    assert time_of(session["expires_at"]) == end


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"expires_in": 3600, "expires_at": "2100-01-01T00:00:00Z"}, "both_given"),
    ({"expires_at": "2100-01-01T00:00:00Z"}, "too_long"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "in_the_past"),
    ({"expires_at": "0001-01-01T00:00:00+23:59"}, "invalid"),
    ({"expires_at": "9999-12-31T23:59:59-23:59"}, "invalid"),
    ({"expires_at": "2026-12-01T00:00:00"}, "invalid"),
    ({"expires_in": 180 * DAY + 1}, "invalid"),
    ({"expires_in": 59}, "invalid"),
    ({"idle_timeout": 59}, "invalid"),
    ({"cool_down": 3599}, "invalid"),
    ({"cool_down": 90 * DAY + 1}, "invalid"),
    ({"geo_match": "planet"}, "invalid"),
    ({"geo_fallback": "guess"}, "invalid"),
    ({"greeting": "yes"}, "invalid"),
    ({"unique_name": ""}, "invalid"),
    ({"unique_name": "x" * 65}, "invalid"),
    ({"metadata": {f"k{i}": "v" for i in range(11)}}, "invalid"),
    ({"metadata": {"order": "x" * 201}}, "invalid"),
    ({"metadata": {"order": 991}}, "invalid"),
    ({"pool": "nowhere"}, "unknown_pool"),
)


async def test_a_field_is_named_when_it_is_not_right(api: Api) -> None:
    for wanted, code in WRONG:
        document = problem(await api.ask("POST", "/v1/sessions", opening(**wanted)), 422)

        assert [p["code"] for p in document["errors"]] == [code], wanted
        assert document["errors"][0]["field"].split(".")[0] in wanted
    assert (await api.ask("GET", "/v1/sessions")).json()["data"] == []


NOBODYS = {
    "phone_invalid": ("12025550177", "+1202555", "+99912025550177", "+1202555017７", ""),
    "phone_kind_refused": ("+19005550177", "+18005550177"),
}


async def test_the_phone_is_named_by_place_when_nobody_can_have_it(api: Api) -> None:
    for code, phones in NOBODYS.items():
        for phone in phones:
            document = problem(await api.ask("POST", "/v1/sessions", opening(BOB, phone)), 422)

            assert (document["code"], document["errors"][0]["field"]) == (code, "participants.1.phone"), phone
            assert len(phone) < 4 or phone[-4:] not in str(document)


@pytest.mark.parametrize("other", [ALICE, "+1 (202) 555-0177"])
async def test_a_session_is_refused_when_both_are_the_same_person(api: Api, other: str) -> None:
    document = problem(await api.ask("POST", "/v1/sessions", opening(ALICE, other)), 422)

    assert (document["code"], document["errors"][0]["field"]) == ("same_person", "participants.1.phone")


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_session_is_refused_when_there_are_not_two_people(api: Api, count: int) -> None:
    people = [{"phone": phone} for phone in (ALICE, BOB, CAROL)[:count]]
    document = problem(await api.ask("POST", "/v1/sessions", {"participants": people}), 422)

    assert document["errors"][0]["field"] == "participants"


async def test_a_session_is_refused_when_a_phone_is_one_of_our_numbers(api: Api) -> None:
    assert problem(await api.ask("POST", "/v1/sessions", opening(ALICE, NUMBERS[0])), 422)["code"] == "own_number"


async def test_a_session_is_refused_when_the_account_does_not_allow_the_country(api: Api) -> None:
    await api.ask("PATCH", "/v1/account", {"allowed_countries": ["SE"]})
    refused = problem(await api.ask("POST", "/v1/sessions", opening()), 422)

    assert refused["code"] == "country_not_allowed"


async def test_a_unique_name_is_taken_when_its_session_is_open(api: Api) -> None:
    first = await api.session(unique_name="trip-991")
    refused = problem(await api.ask("POST", "/v1/sessions", opening(ALICE, CAROL, unique_name="trip-991")), 409)
    await api.made(f"/v1/sessions/{first['id']}/close", {})
    again = await api.session(ALICE, CAROL, unique_name="trip-991")

    assert refused["code"] == "unique_name_taken"
    assert again["unique_name"] == "trip-991"


async def test_a_pool_is_found_when_it_is_named_by_its_id(api: Api) -> None:
    pool = (await api.ask("GET", "/v1/pools/default")).json()["id"]

    assert (await api.session(pool=pool))["pool"] == "default"


async def test_the_reason_is_told_when_no_number_can_be_given(api: Api) -> None:
    answer = await api.ask("POST", "/v1/sessions", opening(ALICE, "+46701740677"))
    document = problem(answer, 409)

    assert document["code"] == "no_number_available"
    assert document["reason"]
    assert "retry-after" not in answer.headers


async def test_a_number_is_given_by_name_when_it_is_spelled_as_people_do(api: Api) -> None:
    body = opening(greeting=True, geo_fallback="nearest")
    people = [{**person, "proxy_number": "+1 (202) 555-0101"} for person in body["participants"]]  # type: ignore[attr-defined]  # a list
    session = await api.made("/v1/sessions", {**body, "participants": people})
    again = problem(await api.ask("POST", "/v1/sessions", {"participants": people}), 409)

    assert [p["proxy_number"] for p in session["participants"]] == ["+12025550101"] * 2
    assert (again["code"], again["reason"]) == ("no_number_available", "all_held_by_this_person")


async def test_the_wait_is_told_when_a_cool_down_will_free_a_number(api: Api) -> None:
    number = {"number": "+12025550109", "connection": api.connection, "pool": "small"}
    await api.made("/v1/pools", {"name": "small"})
    await api.made("/v1/numbers", number)
    session = await api.session(pool="small", cool_down=7200)
    held = await api.ask("POST", "/v1/sessions", opening(ALICE, CAROL, pool="small"))
    await api.made(f"/v1/sessions/{session['id']}/close", {})
    cooling = await api.ask("POST", "/v1/sessions", opening(ALICE, CAROL, pool="small"))
    api.rig.later(seconds=7201)
    freed = await api.ask("POST", "/v1/sessions", opening(ALICE, CAROL, pool="small"))

    assert problem(held, 409)["code"] == problem(cooling, 409)["code"] == "no_number_available"
    assert "retry-after" not in held.headers
    assert 7100 < int(cooling.headers["retry-after"]) <= 7201
    assert freed.status_code == 201


async def test_a_session_lives_longer_when_it_is_changed(api: Api) -> None:
    session = await api.session(expires_in=3600)
    change = {"expires_in": 7200, "idle_timeout": 600, "metadata": {"order": "992"}}
    changed = (await api.ask("PATCH", f"/v1/sessions/{session['id']}", change)).json()

    assert timedelta(hours=1.9) < time_of(changed["expires_at"]) - time_of(session["created_at"]) < timedelta(hours=2.1)
    assert (changed["idle_timeout"], changed["metadata"]) == (600, {"order": "992"})
    assert (await api.ask("GET", f"/v1/sessions/{session['id']}")).json() == changed


@pytest.mark.parametrize("body", [{}, {"expires_in": None, "idle_timeout": None, "metadata": None}])
async def test_a_session_stays_as_it_is_when_nothing_is_changed(api: Api, body: dict[str, Any]) -> None:
    session = await api.session(idle_timeout=600, metadata={"order": "991"})

    assert (await api.ask("PATCH", f"/v1/sessions/{session['id']}", body)).json() == session


@pytest.mark.parametrize(
    "body", [{"expires_in": 60, "expires_at": "2100-01-01T00:00:00Z"}, {"expires_in": 0}, {"pool": "default"}]
)
async def test_a_change_is_refused_when_it_is_not_right(api: Api, body: dict[str, Any]) -> None:
    session = await api.session()
    problem(await api.ask("PATCH", f"/v1/sessions/{session['id']}", body), 422)

    assert (await api.ask("GET", f"/v1/sessions/{session['id']}")).json() == session


async def test_nothing_can_be_changed_when_the_session_is_closed(api: Api) -> None:
    session = await api.session()
    await api.made(f"/v1/sessions/{session['id']}/close", {})
    refused = await api.ask("PATCH", f"/v1/sessions/{session['id']}", {"expires_in": 7200})

    assert problem(refused, 409)["code"] == "session_closed"


async def test_closing_answers_the_same_when_it_is_done_twice(api: Api) -> None:
    session = await api.session()
    first = await api.made(f"/v1/sessions/{session['id']}/close", {})
    api.rig.later(seconds=60)
    second = await api.ask("POST", f"/v1/sessions/{session['id']}/close")

    assert first == second.json()
    assert (first["session"]["status"], first["session"]["close_reason"], first["in_flight"]) == ("closed", "api", [])
    assert time_of(first["session"]["closed_at"]) >= time_of(session["created_at"])


async def test_what_is_on_its_way_is_told_when_a_session_is_closed(api: Api) -> None:
    session = await api.session()
    text = {"to": session["participants"][0]["id"], "text": "Your driver is here."}
    begun = await api.made(f"/v1/sessions/{session['id']}/messages", text)
    await api.rig.begin(bucket_of(parse(IdKind.SESSION, session["id"])))
    waiting = await api.made(f"/v1/sessions/{session['id']}/messages", text)
    closed = await api.made(f"/v1/sessions/{session['id']}/close", {})
    refused = (await api.ask("GET", f"/v1/messages/{waiting['id']}")).json()

    assert closed["in_flight"] == [begun["id"]]
    assert (refused["state"], refused["reason"]) == ("refused", "session_closed")


async def test_a_dry_run_tells_the_numbers_and_writes_nothing_when_asked(api: Api) -> None:
    tables = ("session", "participant", "binding", "person", "event", "message", "outbox")
    before = [await api.rig.value(f"select count(*) from {table}") for table in tables]
    answer = await api.ask("POST", "/v1/sessions/dry-run", opening())
    after = [await api.rig.value(f"select count(*) from {table}") for table in tables]

    assert answer.status_code == 200
    assert answer.json()["pool"] == "default"
    assert [p["label"] for p in answer.json()["participants"]] == ["rider", "driver"]
    assert all(p["proxy_number"] in NUMBERS for p in answer.json()["participants"])
    assert after == before


async def test_a_dry_run_tells_why_not_when_nothing_can_be_assigned(api: Api) -> None:
    wanted = opening(ALICE, "+46701740677")
    dry, wet = await api.ask("POST", "/v1/sessions/dry-run", wanted), await api.ask("POST", "/v1/sessions", wanted)

    assert (dry.status_code, dry.json()["code"]) == (wet.status_code, wet.json()["code"])
    assert dry.json()["reason"] == wet.json()["reason"]


def again(one: str, other: str, **more: object) -> dict[str, object]:
    return {"participants": [{"phone": one}, {"phone": other}], **more}


async def test_a_person_is_replaced_when_another_takes_their_place(api: Api) -> None:
    session = await api.session()
    path = f"/v1/sessions/{session['id']}/participants/{session['participants'][1]['id']}/replace"
    first = await api.ask("POST", path, {"phone": CAROL}, idempotency_key="replace")
    repeated = await api.ask("POST", path, {"phone": CAROL}, idempotency_key="replace")
    rider, driver = first.json()["session"]["participants"]
    refused = problem(await api.ask("POST", path, {"phone": BOB}), 409)

    assert first.status_code == 200
    assert set(first.json()) == {"session", "participant", "in_flight"}
    assert first.json()["in_flight"] == []
    assert rider == session["participants"][0]
    assert (driver["id"], driver["label"]) == (first.json()["participant"], "driver")
    assert driver["id"] != session["participants"][1]["id"]
    assert driver["proxy_number"] in NUMBERS
    assert (repeated.text, repeated.headers["idempotent-replayed"]) == (first.text, "true")
    assert refused["code"] == "participant_replaced"
    assert (await api.ask("GET", f"/v1/sessions/{session['id']}")).json() == first.json()["session"]


async def test_the_field_is_named_when_a_replacement_is_not_right(api: Api) -> None:
    session = await api.session()
    path = f"/v1/sessions/{session['id']}/participants/{session['participants'][1]['id']}/replace"
    wrong: tuple[tuple[dict[str, object], str, str], ...] = (
        ({}, "phone", "missing"),
        ({"phone": "12025550177"}, "phone", "phone_invalid"),
        ({"phone": ALICE}, "phone", "same_person"),
        ({"phone": NUMBERS[0]}, "phone", "own_number"),
        ({"phone": CAROL, "label": "x" * 33}, "label", "invalid"),
        ({"phone": CAROL, "verification_token": "made up"}, "verification_token", "verification_token_invalid"),
        ({"phone": CAROL, "slot": 2}, "slot", "unknown_field"),
    )
    for body, field, code in wrong:
        document = problem(await api.ask("POST", path, body), 422)
        assert [(p["field"], p["code"]) for p in document["errors"]] == [(field, code)], body
    assert (await api.ask("GET", f"/v1/sessions/{session['id']}")).json() == session


async def test_a_session_is_answered_as_it_was_when_it_is_reopened(api: Api) -> None:
    session = await api.session(unique_name="trip-991")
    path = f"/v1/sessions/{session['id']}/reopen"
    early = problem(await api.ask("POST", path, again(ALICE, BOB)), 409)
    await api.made(f"/v1/sessions/{session['id']}/close", {})
    strangers = [problem(await api.ask("POST", path, again(*two)), 422) for two in ((ALICE, CAROL), (CAROL, BOB))]
    api.rig.later(hours=2)
    reopened = await api.made(path, again(BOB, ALICE, expires_in=7200))

    assert early["code"] == "session_open"
    assert [one | {"request_id": ""} for one in strangers] == [strangers[0] | {"request_id": ""}] * 2
    assert strangers[0]["code"] == "not_the_same_people"
    assert reopened == session | {"expires_at": reopened["expires_at"]}
    assert time_of(reopened["expires_at"]) - time_of(session["created_at"]) >= timedelta(hours=4)


async def test_the_reason_is_told_when_a_session_cannot_be_reopened(api: Api) -> None:
    session = await api.session(cool_down=3600)
    await api.made(f"/v1/sessions/{session['id']}/close", {})
    api.rig.later(hours=1)
    answer = await api.ask("POST", f"/v1/sessions/{session['id']}/reopen", again(ALICE, BOB))

    document = problem(answer, 409)
    assert (document["code"], document["reason"]) == ("session_not_reopenable", "cool_down_over")
