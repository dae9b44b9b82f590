"""Closing many sessions over HTTP: what is answered at once, how far it has come, and what is refused."""

from __future__ import annotations

from datetime import timedelta

from relay.core.ids import IdKind, bucket_of, parse
from relay.core.times import written
from tests.api.rig import CAROL, DAVE, Api

PATH = "/v1/sessions/bulk-close"


async def test_the_progress_can_be_read_until_all_that_is_meant_is_closed(api: Api) -> None:
    meant = await api.session(unique_name="trip-1")
    other = await api.session(CAROL, DAVE, unique_name="tour-1")
    wanted = {"filter": {"pool": "default", "unique_name_prefix": "trip-"}}
    tried = await api.ask("POST", PATH, {**wanted, "dry_run": True})
    answers = [await api.ask("POST", PATH, wanted, idempotency_key="close") for _ in range(2)]
    asked = answers[0].json()
    while await api.rig.relay.bulk_close.work(bucket_of(parse(IdKind.SESSION, meant["id"]))):
        pass
    read = (await api.ask("GET", f"{PATH}/{asked['id']}")).json()
    statuses = [(await api.ask("GET", f"/v1/sessions/{one['id']}")).json()["status"] for one in (meant, other)]

    assert (tried.status_code, tried.json()) == (200, {"dry_run": True, "matched": 1})
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].text == answers[1].text
    assert asked == {**read, "closed": 0, "remaining": 1, "done": False}
    assert (read["matched"], read["closed"], read["remaining"], read["done"]) == (1, 1, 0, True)
    assert asked["id"].startswith("req_")
    assert statuses == ["closed", "open"]


async def test_it_is_refused_when_nothing_is_said_of_which_or_what_is_said_is_wrong(api: Api) -> None:
    later = written(await api.rig.relay.database.now() + timedelta(hours=1))
    session = await api.session()
    cases = {
        "filter": {"filter": {}},
        "body": {},
        "filter.pool": {"filter": {"pool": "nobody's"}},
        "filter.status": {"filter": {"status": "open"}},
        "filter.idle_since": {"filter": {"idle_since": "2026-11-20T12:00:00"}},
        "filter.unique_name_prefix": {"filter": {"unique_name_prefix": ""}},
        "filter.created_before": {"filter": {"created_before": "0001-01-01T00:00:00+14:00"}},  # in UTC, no year
        "dry_run": {"filter": {"created_before": later}, "dry_run": "yes"},
    }
    for field, body in cases.items():
        answer = await api.ask("POST", PATH, body)

        assert answer.status_code == 422, field
        assert [e["field"] for e in answer.json()["errors"]] == [field if field != "body" else "filter"]
    assert (await api.ask("GET", f"/v1/sessions/{session['id']}")).json()["status"] == "open"
