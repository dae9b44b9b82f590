"""Templates over HTTP: kept, changed and sent; and texts from the platform that are for later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from relay.core.ids import IdKind, bucket_of, parse
from relay.core.times import written
from tests.api.rig import Api


async def send(api: Api, session: dict[str, Any], **body: object) -> tuple[int, dict[str, Any]]:
    """The platform texts the first of the two; returns the answer's status and what it says."""
    to = session["participants"][0]["id"]
    answer = await api.ask("POST", f"/v1/sessions/{session['id']}/messages", {"to": to, **body})
    return answer.status_code, answer.json()


async def in_an_hour(api: Api) -> str:
    return str(written(await api.rig.relay.database.now() + timedelta(hours=1)))


async def test_a_template_is_kept_changed_listed_and_removed_by_its_id_or_its_name(api: Api) -> None:
    made = await api.made("/v1/templates", {"name": "near", "text": "Your driver {driver} is {minutes} min away"})
    other = await api.made("/v1/templates", {"name": "over", "text": "Bye", "language": "pt-BR"})
    changed = (await api.ask("PATCH", "/v1/templates/near", {"text": "{driver} {{is}} here"})).json()
    first = (await api.ask("GET", "/v1/templates?limit=1")).json()
    rest = (await api.ask("GET", f"/v1/templates?limit=1&cursor={first['next_cursor']}")).json()
    gone = [(await api.ask(how, f"/v1/templates/{made['id']}")).status_code for how in ("DELETE", "DELETE", "GET")]

    assert made["id"].startswith("tpl_")
    assert (made["variables"], made["language"], other["language"]) == (["driver", "minutes"], None, "pt-BR")
    assert (changed["id"], changed["name"], changed["variables"]) == (made["id"], "near", ["driver"])
    assert ([t["name"] for t in first["data"] + rest["data"]], rest["next_cursor"]) == (["over", "near"], None)
    assert gone == [204, 404, 404]
    assert (await api.ask("GET", "/v1/templates/over")).json() == other


async def test_a_template_is_refused_when_it_is_none_or_its_name_is_taken(api: Api) -> None:
    await api.made("/v1/templates", {"name": "near", "text": "near"})
    second = await api.made("/v1/templates", {"name": "late", "text": "late"})
    wrong = [
        {"text": text} for text in ("{", "{A}", "", "x" * 1601, "call +1 202 555 0177", "＋１２０２５５５０１７７", 7)
    ]
    wrong += [{"language": "English"}, {"name": "+12025550177"}, {"color": "red"}]
    bodies = [await api.ask("POST", "/v1/templates", {"name": "new", "text": "new", **body}) for body in wrong]
    changes = [await api.ask("PATCH", f"/v1/templates/{second['id']}", body) for body in wrong]
    taken = await api.ask("POST", "/v1/templates", {"name": "near", "text": "new"})
    renamed = await api.ask("PATCH", f"/v1/templates/{second['id']}", {"name": "near"})

    assert {answer.status_code for answer in (*bodies, *changes)} == {422}
    assert [(a.status_code, a.json()["code"]) for a in (taken, renamed)] == [(409, "template_name_taken")] * 2
    assert (await api.ask("GET", "/v1/templates/late")).json() == second


async def test_the_rendered_text_leaves_when_a_template_is_sent(api: Api) -> None:
    session = await api.session()
    made = await api.made("/v1/templates", {"name": "near", "text": "{driver} is {minutes} min away"})
    for named in ("near", made["id"]):
        status, message = await send(api, session, template=named, variables={"driver": "Ada", "minutes": "5"})
        assert (status, message["kind"], message["segments"]) == (202, "platform", 1)
    await api.rig.send_all(bucket_of(parse(IdKind.SESSION, session["id"])))

    assert [sent.text for sent in api.rig.carrier.sent[-2:]] == ["Ada is 5 min away"] * 2


async def test_what_is_wrong_is_named_and_never_repeated_when_a_template_does_not_fit(api: Api) -> None:
    session = await api.session()
    await api.made("/v1/templates", {"name": "near", "text": "{driver} is {minutes} min away"})
    values = {"driver": "Ada", "minutes": "5"}
    good = {"template": "near", "variables": values}
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"template": "near"}, ["variables.driver missing", "variables.minutes missing"]),
        ({**good, "variables": {"driver": "zugzwang" * 26, "minutes": "5"}}, ["variables.driver too_long"]),
        ({**good, "variables": {"driver": "zugzwang", "minutes": ""}}, ["variables.minutes empty"]),
        ({**good, "variables": {**values, "zugzwang!": "zugzwang"}}, ["variables.? unknown_variable"]),
        ({**good, "variables": {"driver": "zugzwang\x07", "minutes": "5"}}, ["variables.driver control_characters"]),
        ({**good, "template": "zugzwang"}, ["template unknown_template"]),
        ({**good, "text": "zugzwang"}, ["text one_of"]),
        ({}, ["text one_of"]),
        ({"text": "zugzwang", "variables": {}}, ["variables without_template"]),
        ({**good, "variables": {"driver": 7, "minutes": "5"}}, ["variables.driver invalid"]),
    ]  # fmt: skip
    for body, problems in cases:
        status, document = await send(api, session, **body)

        assert (status, [f"{e['field']} {e['code']}" for e in document["errors"]]) == (422, problems)
        assert "zugzwang" not in str(document)


async def test_waiting_texts_stay_as_they_are_when_their_template_changes_or_goes(api: Api) -> None:
    session, at = await api.session(), await in_an_hour(api)
    await api.made("/v1/templates", {"name": "near", "text": "{driver} is near"})
    await send(api, session, template="near", variables={"driver": "Ada"}, send_at=at)
    await api.ask("PATCH", "/v1/templates/near", {"text": "changed"})
    await api.ask("DELETE", "/v1/templates/near")
    api.rig.later(hours=1)
    bucket = bucket_of(parse(IdKind.SESSION, session["id"]))
    await api.rig.relay.scheduling.release(bucket)
    await api.rig.send_all(bucket)

    assert api.rig.carrier.sent[-1].text == "Ada is near"


async def test_a_text_for_later_shows_its_time_and_the_same_request_makes_no_second_one(api: Api) -> None:
    session, at = await api.session(), await in_an_hour(api)
    path, body = f"/v1/sessions/{session['id']}/messages", {"to": session["participants"][0]["id"], "text": "later"}
    answers = [await api.ask("POST", path, {**body, "send_at": at}, idempotency_key="later") for _ in range(2)]
    read = (await api.ask("GET", f"/v1/messages/{answers[0].json()['id']}")).json()
    past = await api.ask("POST", path, {**body, "send_at": "2026-01-01T00:00:00Z"})

    assert answers[0].json() == answers[1].json() == read
    assert (read["state"], read["send_at"]) == ("queued", at)
    assert (await api.made(path, body))["send_at"] is None
    assert (past.status_code, past.json()["errors"][0]["code"]) == (422, "in_the_past")


async def test_quiet_hours_are_the_accounts_when_it_has_set_them(api: Api) -> None:
    session = await api.session()
    before = (await api.ask("GET", "/v1/account")).json()["quiet_hours"]
    now = await api.rig.relay.database.now()
    others = [{"from": "21:00"}, {"from": "24:00", "to": "08:00"}, {"from": "9:00", "to": "08:00"}, {"since": "21:00"}]
    refused = [(await api.ask("PATCH", "/v1/account", {"quiet_hours": wrong})).status_code for wrong in others]
    local = now - timedelta(hours=5)  # in New York, or an hour less; both lie within
    hours = {"from": f"{local - timedelta(hours=2):%H:%M}", "to": f"{local + timedelta(hours=4):%H:%M}"}
    after = (await api.ask("PATCH", "/v1/account", {"quiet_hours": hours})).json()["quiet_hours"]
    _, waits = await send(api, session, text="notice", quiet_hours="respect")
    _, leaves = await send(api, session, text="notice", quiet_hours="ignore")

    assert (before, after, refused) == ({"from": "21:00", "to": "08:00"}, hours, [422] * 4)
    assert (waits["send_at"] is not None, leaves["send_at"]) == (True, None)


async def test_a_session_says_how_early_its_end_is_told_when_it_is_read(api: Api) -> None:
    plain = await api.session()
    asked = await api.session(other="+12025550166", expiring_notice=0)
    changed = await api.ask("PATCH", f"/v1/sessions/{plain['id']}", {"expiring_notice": 60})
    refused = await api.ask("PATCH", f"/v1/sessions/{plain['id']}", {"expiring_notice": -1})

    assert (plain["expiring_notice"], asked["expiring_notice"], changed.json()["expiring_notice"]) == (600, 0, 60)
    assert refused.status_code == 422
