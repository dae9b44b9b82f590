"""Erasure and access over the API: what is answered, and a link that is good for nothing but its own document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from relay.api.downloads import Links
from relay.core.ids import IdKind, parse
from tests.api.answers import problem_in, told
from tests.api.rig import ALICE, BOB, CAROL, DAVE, PUBLIC_URL, Api, Log, inbound

REQUESTS = "/v1/privacy/requests"


def asking(kind: str, phone: str = ALICE, **more: str) -> dict[str, str]:
    return {"kind": kind, "phone": phone, **(more or {"operator_reason": "legal_representative"})}


async def link(api: Api, phone: str = ALICE) -> str:
    """The path of the download that an access request is answered by."""
    made = await api.made(REQUESTS, asking("access", phone))
    url: str = made["download"]["url"]
    assert url.startswith(PUBLIC_URL + "/")
    return urlsplit(url).path


async def fetch(api: Api, path: str) -> httpx.Response:
    """As whoever has nothing but the link."""
    return await api.http.get(path)


async def test_an_erased_session_is_answered_with_what_stays(api: Api) -> None:
    session = await api.session(metadata={"order": "991"}, unique_name="trip")
    first, again = [await api.ask("DELETE", f"/v1/sessions/{session['id']}") for _ in range(2)]
    document = first.json()

    assert (first.status_code, again.status_code) == (200, 200)
    assert document["session"] == again.json()["session"]
    assert (document["session"]["status"], document["session"]["close_reason"]) == ("closed", "erased")
    assert (document["session"]["metadata"], document["session"]["unique_name"]) == ({}, None)
    assert [p["label"] for p in document["session"]["participants"]] == ["", ""]
    assert document["in_flight"] == []
    assert all(set(one) == {"what", "why", "until"} and one["why"] for one in document["stays"])
    assert {one["what"]: bool(one["until"]) for one in document["stays"]} == {
        "session": True,
        "party_index": True,
        "suppression": False,
        "carrier_copy": False,
        "event": False,
        "inbox_key": False,
        "audit_tree": False,
    }
    assert document["stays"] == again.json()["stays"]
    assert document["backups_unreadable_from"].endswith("Z")


async def test_a_held_session_is_not_erased_and_an_erased_one_is_not_held(api: Api) -> None:
    session = (await api.session())["id"]
    holding = {"kind": "hold", "session": session, "operator_reason": "legal_claim"}
    await api.made(REQUESTS, holding)
    refused = await api.ask("DELETE", f"/v1/sessions/{session}")
    await api.ask("DELETE", f"/v1/privacy/holds/{session}")
    await api.ask("DELETE", f"/v1/sessions/{session}")
    too_late = await api.ask("POST", REQUESTS, holding)

    assert (refused.status_code, problem_in(refused)["code"]) == (409, "on_hold")
    assert (too_late.status_code, problem_in(too_late)["code"]) == (409, "session_erased")


async def test_a_copy_is_had_by_its_link_alone(api: Api) -> None:
    session = await api.session()
    await inbound(api, ALICE, session["participants"][0]["proxy_number"], "hello").post(api)
    made = await api.made(REQUESTS, asking("access"))
    read = (await api.ask("GET", f"{REQUESTS}/{made['id']}")).json()
    answer = await fetch(api, urlsplit(made["download"]["url"]).path)
    document = answer.json()

    assert read == made
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == f'attachment; filename="{made["id"]}.json"'
    assert [s["id"] for s in document["sessions"]] == [session["id"]]
    assert [m["direction"] for m in document["sessions"][0]["messages"]] == ["sent"]
    assert session["participants"][1]["id"] not in answer.text


async def test_a_link_is_answered_like_no_address_when_anything_is_wrong_with_it(api: Api) -> None:
    path = await link(api)
    other = await link(api, BOB)
    token, others = path.rsplit("/", 1)[1], other.rsplit("/", 1)[1]
    payload, others_payload = token.rsplit(".", 1)[0], others.rsplit(".", 1)[0]
    now = await api.rig.relay.database.now()
    request_id = parse(IdKind.REQUEST, (await api.made(REQUESTS, asking("erasure", DAVE)))["id"])
    ours = Links(api.rig.relay.vault.tokens.download_secret)
    wrong = [
        *(token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :] for i in range(len(token))),
        f"{others_payload}.{token.rsplit('.', 1)[1]}",
        f"{payload}.{others.rsplit('.', 1)[1]}",
        *(payload, token[:-2], "x", "%00", "é"),
        ours.write(parse(IdKind.REQUEST, f"req_{'a' * 26}"), now + timedelta(days=1)),
        ours.write(request_id, now + timedelta(days=1)),  # there is no copy of an erasure
        Links(api.rig.relay.vault.tokens.cursor_secret).write(ours.read(token, now), now + timedelta(days=1)),
        token[:-1] + chr(ord(token[-1]) + 1),  # the same bytes, spelt another way
    ]
    expected = told(await fetch(api, path.rsplit("/", 1)[0] + "/none"))

    assert expected[0] == 404
    for one in wrong:
        assert told(await fetch(api, f"{path.rsplit('/', 1)[0]}/{one}")) == expected, one
    assert (await fetch(api, path)).status_code == 200
    api.rig.later(days=7)
    assert told(await fetch(api, path)) == expected


async def test_a_link_ends_by_its_own_time_though_the_copy_is_still_there(api: Api) -> None:
    made = await api.made(REQUESTS, asking("access"))
    now = await api.rig.relay.database.now()
    links = Links(api.rig.relay.vault.tokens.download_secret)
    base = urlsplit(made["download"]["url"]).path.rsplit("/", 1)[0]
    request_id = parse(IdKind.REQUEST, made["id"])
    statuses = [
        (await fetch(api, f"{base}/{links.write(request_id, now + timedelta(seconds=s))}")).status_code
        for s in (-1, 60)
    ]

    assert statuses == [404, 200]


async def answers_for(api: Api, phone: str) -> list[dict[str, Any]]:
    found = []
    for kind in ("access", "erasure"):
        answer = await api.ask("POST", REQUESTS, asking(kind, phone))
        document = answer.json()
        request_id, asked_at = document.pop("id"), document.pop("asked_at")
        assert (answer.status_code, request_id[:4], asked_at[-1]) == (201, "req_", "Z")
        document.pop("backups_unreadable_from", None)
        if document["download"]:
            document["download"] = sorted(document["download"])
        found.append(document)
    return found


async def test_an_unknown_phone_is_answered_like_a_known_one(api: Api) -> None:
    await api.session(ALICE, BOB)

    known, unknown = await answers_for(api, ALICE), await answers_for(api, CAROL)
    assert known == unknown
    assert {one["what"] for one in known[1]["stays"]} >= {"hold", "suppression", "party_index", "event", "session"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"kind": "access", "phone": ALICE}, ["verification_token"]),
        ({"kind": "access", "operator_reason": "own_initiative"}, ["phone"]),
        (asking("erasure", session="ses_x"), ["session"]),
        (asking("erasure", "1234"), ["phone"]),
        (asking("erasure", operator_reason="legal_claim"), ["operator_reason"]),
        (asking("access", operator_reason="own_initiative", verification_token="x"), ["verification_token"]),
        (asking("access", verification_token="x"), ["verification_token"]),
        ({"kind": "hold", "phone": ALICE, "operator_reason": "legal_claim"}, ["phone", "session"]),
        ({"kind": "hold", "session": "ses_x", "operator_reason": "own_initiative"}, ["operator_reason"]),
    ],
    ids=str,
)
async def test_a_request_is_refused_when_its_fields_do_not_go_together(
    api: Api, body: dict[str, str], fields: list[str]
) -> None:
    answer = await api.ask("POST", REQUESTS, body)

    assert answer.status_code == 422
    assert [problem["field"] for problem in problem_in(answer)["errors"]] == fields


async def test_no_phone_and_no_text_is_in_answers_and_logs_when_a_person_asks(api: Api, log: Log) -> None:
    session = await api.session()
    await inbound(api, ALICE, session["participants"][0]["proxy_number"], "the secret words").post(api)
    seen = [(await api.ask("POST", REQUESTS, asking(kind))).text for kind in ("access", "erasure", "access")]
    answer = await fetch(api, await link(api))
    seen += [
        answer.text,
        str(answer.headers),
        (await api.ask("DELETE", f"/v1/sessions/{session['id']}")).text,
        log.text,
    ]

    for hidden in (ALICE, BOB, "secret words"):
        assert hidden.strip("+") not in "".join(seen)
    assert "/v1/privacy/requests" in log.text
