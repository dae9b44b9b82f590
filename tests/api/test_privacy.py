"""Holds, the retention report and the record of processing over the API."""

from __future__ import annotations

from typing import Any

import pytest

from relay.api.schemas import OPERATOR_REASONS
from relay.core.data_class import DataClass
from relay.core.data_rules import RULES
from relay.core.ids import IdKind, parse
from relay.core.model import HoldReason, Scope
from relay.core.subject import OperatorReason
from tests.api.answers import problem_in
from tests.api.rig import ALICE, BOB, CAROL, Api


def holding(session: str, reason: str = "legal_claim") -> dict[str, str]:
    return {"kind": "hold", "session": session, "operator_reason": reason}


async def test_a_hold_is_answered_whole_when_it_is_placed(api: Api) -> None:
    session = await api.session()
    answer = await api.ask("POST", "/v1/privacy/requests", holding(session["id"]))
    hold = answer.json()

    assert answer.status_code == 201
    assert hold.pop("id").startswith("req_")
    assert hold.pop("placed_at").endswith("Z")
    assert parse(IdKind.KEY, hold.pop("placed_by")) == parse(IdKind.KEY, f"key_{api.key.split('_')[1]}")
    assert hold == {"kind": "hold", "session": session["id"], "operator_reason": "legal_claim"}


@pytest.mark.parametrize("reason", HoldReason)
async def test_a_hold_can_be_placed_for_every_reason_there_is(api: Api, reason: str) -> None:
    made = await api.made("/v1/privacy/requests", holding((await api.session())["id"], reason))

    assert made["operator_reason"] == reason


async def test_one_hold_stands_when_the_request_is_sent_again(api: Api) -> None:
    session = await api.session()
    first, again = [
        await api.ask("POST", "/v1/privacy/requests", holding(session["id"]), idempotency_key="k") for _ in range(2)
    ]
    another = await api.ask("POST", "/v1/privacy/requests", holding(session["id"]))

    assert first.content == again.content
    assert (another.status_code, problem_in(another)["code"]) == (409, "already_held")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"kind": "oblivion"}, "kind"),
        ({"session": "ses_unknown"}, "session"),
        ({"operator_reason": "because"}, "operator_reason"),
        ({"phone": ALICE}, "phone"),
    ],
)
async def test_a_request_is_refused_when_it_is_none(api: Api, wrong: dict[str, str], field: str) -> None:
    body = holding((await api.session())["id"]) | wrong
    answer = await api.ask("POST", "/v1/privacy/requests", body)

    assert answer.status_code == 422
    assert [problem["field"] for problem in problem_in(answer)["errors"]] == [field]


async def test_a_foreign_session_is_refused_like_an_unknown_one_when_a_hold_is_wanted(api: Api) -> None:
    other = await api.other_account()
    session = (await api.session())["id"]
    unknown = session[:-6] + ("aaaaaa" if not session.endswith("aaaaaa") else "qqqqqa")
    answers = [await other.ask("POST", "/v1/privacy/requests", holding(s)) for s in (session, unknown, "-")]

    said = [{k: v for k, v in a.json().items() if k != "request_id"} for a in answers]
    assert said == [said[0]] * 3
    assert answers[0].status_code == 422


async def test_a_hold_is_gone_when_it_was_lifted(api: Api) -> None:
    session = (await api.session())["id"]
    await api.made("/v1/privacy/requests", holding(session))
    answers = [await api.ask("DELETE", f"/v1/privacy/holds/{session}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 404]
    assert (await api.made("/v1/privacy/requests", holding(session)))["session"] == session


async def report(api: Api) -> dict[str, dict[str, Any]]:
    answer = (await api.ask("GET", "/v1/privacy/retention")).json()
    assert answer["overdue"] == sum(row["overdue"] for row in answer["data"])
    return {row.pop("class"): row for row in answer["data"]}


async def test_the_report_counts_what_the_account_has(api: Api) -> None:
    before = await report(api)
    await api.session(ALICE, BOB)
    await api.session(ALICE, CAROL)
    api.rig.later(seconds=90)
    after = await report(api)

    assert set(after) == {str(name) for name in DataClass} - {"operation"}
    assert before["session"] == {
        "kept_until": RULES[DataClass.SESSION].until,
        "held": 0,
        "oldest_at": None,
        "oldest_age": None,
        "overdue": 0,
    }
    assert (after["session"]["held"], after["phone"]["held"], after["event"]["held"]) == (
        2,
        4,
        before["event"]["held"] + 2,
    )
    assert 90 <= after["session"]["oldest_age"] < 200
    assert after["session"]["oldest_at"].endswith("Z")


async def test_the_report_says_what_is_overdue_when_upkeep_did_not_come_by(api: Api) -> None:
    await api.session(expires_in=60)
    api.rig.later(hours=2)

    assert (await report(api))["phone"]["overdue"] == 2


async def test_an_auditor_reads_the_report_and_nothing_else_of_it(api: Api) -> None:
    key = await api.new_key(Scope.AUDIT)

    assert (await api.ask("GET", "/v1/privacy/retention", key=key)).status_code == 200
    assert (await api.ask("GET", "/v1/privacy/processing-record", key=key)).status_code == 403


async def test_the_record_of_processing_names_every_class_and_the_accounts_providers(api: Api) -> None:
    record = (await api.ask("GET", "/v1/privacy/processing-record")).json()
    activities = {activity["class"]: activity for activity in record["activities"]}

    assert record["controller"] == api.rig.account.name
    assert record["recipients"] == [{"provider": "twilio", "receives": ["phone", "text"]}]
    assert set(activities) == {str(name) for name in DataClass}
    assert all(a["purpose"] and a["people"] and a["kept_until"] and a["protection"] for a in activities.values())
    assert (activities["event"]["period"], activities["phone"]["period"]) == (30 * 86400, None)
    assert activities["phone"]["columns"] == {"participant": ["sealed_phone", "epoch_id"]}


@pytest.mark.parametrize("kind", ["hold", "access"])
async def test_the_words_of_the_other_kind_are_refused_when_a_reason_is_given(api: Api, kind: str) -> None:
    """The schema takes the words of both; which is for what is said afterwards."""
    own, other = (HoldReason, OperatorReason) if kind == "hold" else (OperatorReason, HoldReason)
    about = {"session": (await api.session())["id"]} if kind == "hold" else {"phone": ALICE}
    wrong = sorted({str(word) for word in other} - {str(word) for word in own})
    answers = [
        await api.ask("POST", "/v1/privacy/requests", {"kind": kind, "operator_reason": word} | about) for word in wrong
    ]

    assert set(OPERATOR_REASONS) == {*map(str, HoldReason), *map(str, OperatorReason)}
    assert {answer.status_code for answer in answers} == {422}
    assert {problem_in(answer)["errors"][0]["field"] for answer in answers} == {"operator_reason"}
