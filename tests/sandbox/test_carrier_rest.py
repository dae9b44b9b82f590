"""The REST surface where the official client does not look: each error, the query forms of lists, and the edges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from relay.sandbox.carrier.texts import segments
from tests.sandbox.carrier_rig import ALICE, BOB, MESSAGES, NUMBER, SID, TOKEN, Rig

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def bodies(rig: Rig, **query: str) -> list[str]:
    """The bodies of the first page of a list."""
    answer = (await rig.http.get(MESSAGES, params=query)).raise_for_status()
    return [message["body"] for message in answer.json()["messages"]]


GOOD = {"To": ALICE, "From": NUMBER, "Body": "hello"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "555-0100"}, 21211),
        ({"To": ALICE.removeprefix("+")}, 21211),
        ({"To": ALICE + "\n"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "shop"}, 21212),
        ({"Body": ""}, 21602),
        ({"Body": "x" * 1601}, 21617),
        ({"StatusCallback": "not a url"}, 21609),
    ],
)
async def test_send_is_refused_with_twilios_code_when_a_field_is_wrong(
    rig: Rig, change: dict[str, str], code: int
) -> None:
    answer = await rig.http.post(MESSAGES, data=GOOD | change)

    document = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (400, 400, code)
    assert set(document) == {"code", "message", "more_info", "status"}
    assert document["more_info"].endswith(f"/{code}")
    assert await rig.ledger() == []


async def test_longest_body_is_accepted_when_it_has_1600_characters(rig: Rig) -> None:
    answer = await rig.http.post(MESSAGES, data=GOOD | {"Body": "x" * 1600, "ValidityPeriod": "60"})

    assert (answer.status_code, answer.json()["num_segments"]) == (201, "11")


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !!!", "Bearer " + TOKEN, "Basic QUM6dG9rZW4="],
)
async def test_request_is_refused_when_it_does_not_prove_who_asks(rig: Rig, authorization: str) -> None:
    answer = await rig.http.post(MESSAGES, data=GOOD, auth=lambda request: _with(request, authorization))

    assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert await rig.ledger() == []


def _with(request: Any, authorization: str) -> Any:
    request.headers["Authorization"] = authorization
    return request


async def test_request_is_refused_when_the_path_names_another_account(rig: Rig) -> None:
    answer = await rig.http.post(MESSAGES.replace(SID, "AC" + "6" * 32), data=GOOD)

    assert (answer.status_code, answer.json()["code"]) == (401, 20003)


async def test_answer_is_twilios_404_when_the_carrier_lacks_the_resource(rig: Rig) -> None:
    answer = await rig.http.get(f"/2010-04-01/Accounts/{SID}/IncomingPhoneNumbers.json")

    assert (answer.status_code, answer.json()["code"]) == (404, 20404)


async def test_list_holds_both_directions_newest_first_when_nothing_is_filtered(rig: Rig) -> None:
    await rig.send(ALICE, "out")
    await rig.text("in")

    assert await bodies(rig) == ["in", "out"]
    assert await bodies(rig, To=NUMBER) == ["in"]
    assert await bodies(rig, From=NUMBER) == ["out"]
    assert await bodies(rig, To=ALICE, From=BOB) == []


async def test_list_filters_by_day_and_second_when_the_query_says_so(rig: Rig) -> None:
    await rig.http.put("/control/config", json={"now_offset_s": -86400 * 2})
    await rig.send(ALICE, "two days ago")
    [entry] = await rig.ledger()
    sent = datetime.fromisoformat(entry["at"]).replace(microsecond=0)
    second, later = sent.strftime("%Y-%m-%dT%H:%M:%SZ"), (sent + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    day, next_day = f"{sent:%Y-%m-%d}", f"{sent + timedelta(days=1):%Y-%m-%d}"

    assert await bodies(rig, DateSent=day) == await bodies(rig, DateSent=second) == ["two days ago"]
    assert await bodies(rig, DateSent=next_day) == await bodies(rig, DateSent=later) == []
    assert await bodies(rig, **{"DateSent>": second}) == await bodies(rig, **{"DateSent<": second}) == ["two days ago"]
    assert await bodies(rig, **{"DateSent>": later}) == []
    assert await bodies(rig, **{"DateSent>": day, "DateSent<": next_day}) == ["two days ago"]


async def test_page_is_cut_and_linked_when_there_are_more_texts(rig: Rig) -> None:
    for n in range(3):
        await rig.send(ALICE, str(n))

    first = (await rig.http.get(MESSAGES, params={"PageSize": "2", "To": ALICE})).json()
    await rig.send(ALICE, "arrived between the pages")
    second = (await rig.http.get(first["next_page_uri"])).json()

    assert [message["body"] for message in first["messages"]] == ["2", "1"]
    assert (first["page"], first["page_size"], first["start"], first["end"]) == (0, 2, 0, 1)
    assert [message["body"] for message in second["messages"]] == ["0"]
    assert (second["page"], second["start"], second["next_page_uri"]) == (1, 2, None)


@pytest.mark.parametrize("query", [{"DateSent>": "yesterday"}, {"PageSize": "many"}, {"DateSent<": "2026-13-01"}])
async def test_list_is_refused_when_the_query_cannot_be_read(rig: Rig, query: dict[str, str]) -> None:
    answer = await rig.http.get(MESSAGES, params=query)

    assert (answer.status_code, answer.json()["code"]) == (400, 20001)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("x" * 152 + "€" * 77, 3),
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("👋" * 35, 1),
        ("ж" * 66 + "👋" * 34, 3),
        ("x" * 69 + "á", 1),
        ("x" * 70 + "á", 2),
    ],
)
async def test_segments_count_as_the_networks_bill_them_when_a_body_is_long(body: str, expected: int) -> None:
    assert segments(body) == expected


async def test_times_carry_the_offset_when_the_carriers_clock_is_moved(rig: Rig) -> None:
    await rig.http.put("/control/config", json={"now_offset_s": 86400})
    await rig.send()

    [entry] = await rig.ledger()
    ahead = datetime.fromisoformat(entry["at"]) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < ahead <= timedelta(days=1)


async def test_a_text_is_off_the_record_when_it_was_deleted(rig: Rig) -> None:
    sent = (await rig.send()).json()["sid"]
    came = (await rig.text("hello yourself"))["id"]
    first = [(await rig.http.delete(MESSAGES.replace(".json", f"/{sid}.json"))).status_code for sid in (sent, came)]
    again = await rig.http.delete(MESSAGES.replace(".json", f"/{sent}.json"))
    records = (await rig.http.get("/control/records")).json()

    assert (first, again.status_code, again.json()["code"]) == ([204, 204], 404, 20404)
    assert await bodies(rig) == []
    assert records["held"] == []
    assert [(one["id"], one["direction"]) for one in records["deleted"]] == [(sent, "outbound-api"), (came, "inbound")]
    assert [entry["deleted_at"] is not None for entry in await rig.ledger()] == [True]
    assert [text for _, text in await rig.handset(ALICE)] == ["hello", "hello yourself"]


async def test_a_webhook_is_repeated_and_nothing_more_when_its_text_was_deleted(rig: Rig) -> None:
    came = (await rig.text("hello"))["id"]
    await rig.http.delete(MESSAGES.replace(".json", f"/{came}.json"))
    await rig.text("hello", id=came)

    assert len(await rig.handset(ALICE)) == 1


async def test_a_text_stays_on_record_when_the_weather_keeps_it(rig: Rig) -> None:
    sent = (await rig.send()).json()["sid"]
    await rig.weather(undeletable=True)
    answer = await rig.http.delete(MESSAGES.replace(".json", f"/{sent}.json"))

    assert (answer.status_code, answer.json()["code"]) == (409, 20009)
    assert (await rig.http.get("/control/records")).json()["held"] == [sent]
