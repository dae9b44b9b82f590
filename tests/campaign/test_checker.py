"""Each promise on its own: a small history in which all is well, and for every promise changes that break it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from tests.campaign.checker import PROMISES, judge
from tests.campaign.history import NEVER, Asked, Entry, Happened, History, Log, Message, Opened, Said, Told, read

ANN, BOB, EVE = "+13125550100", "+13125550101", "+13125550102"
ONE, TWO = "+12025550100", "+12025550101"
NOTICES = frozenset({"This conversation has ended."})
RELAYED = ["message.received", "message.accepted", "message.delivered"]


def said(n: int, at: float, *, kind: str = "text", text: str = "") -> Said:
    return Said(f"SM{n}", kind, "ses_1", ANN, ONE, text or f"text {n}", asked=at, acked=at + 0.1, tries=1)


def asked(n: int, at: float) -> Asked:
    return Asked(f"msg_{n}", "ses_1", f"text {n}", at, "allow")


def calm() -> History:
    """Ann says three things to Bob in a session that closes at 10; the third comes too late, and is answered. A hook is asked
    about the others, and a webhook told of the session, at the second try."""
    return History(
        hooked={"pool 1": "refuse"},
        asked=[asked(1, 1.15), asked(2, 2.15)],
        webhooks={"works": ["session.*"]},
        happened=[
            Happened("evt_1", "session.opened", "ses_1", 1, {"works": "delivered"}),
            Happened("evt_2", "session.closed", "ses_1", 2, {"works": "waiting"}),
            Happened("evt_3", "number.added", "", None),
        ],
        told=[Told("works", "evt_1", at, status, "ses_1", 1, "d1") for at, status in ((0.6, 503), (5.6, 204))],
        said=[said(1, 1.0), said(2, 2.0), said(3, 20.0, kind="late")],
        opened=[
            Opened(
                *("ses_1", ["par_a", "par_b"], [ANN, BOB], [ONE, TWO], 0.0, 0.5, 600.0),
                close_asked=9.9,
                closed=10.0,
                pool="pool 1",
            )
        ],
        ledger=[
            Entry(TWO, BOB, "text 1", 1.2, ["sent", "delivered"]),
            Entry(TWO, BOB, "text 2", 2.2, ["delivered", "sent"]),
            Entry(ONE, ANN, "This conversation has ended.", 20.2),
        ],
        messages=[
            Message("msg_1", "ses_1", "relay", "par_a", "par_b", "delivered", "", list(RELAYED)),
            Message(
                "msg_2", "ses_1", "relay", "par_a", "par_b", "delivered", "", ["message.received", "message.delivered"]
            ),
            Message("msg_3", "ses_1", "relay", "par_a", "", "refused", "late", ["message.refused"]),
            Message("msg_4", "ses_1", "notice", "", "par_a", "accepted", "", RELAYED[:2]),
        ],
    )


def lost_from_store(h: History) -> None:
    del h.messages[0]


def lost_on_its_way(h: History) -> None:
    del h.ledger[1]


def session_forgotten(h: History) -> None:
    h.forgotten.append("ses_1")


def still_waiting(h: History) -> None:
    h.messages[3].state = "queued"


def doubled(h: History) -> None:
    h.ledger.append(deepcopy(h.ledger[0]))


def accepted_by_nobody(h: History) -> None:
    del h.ledger[0]


def to_the_wrong_person(h: History) -> None:
    h.ledger[0].to = EVE


def from_the_wrong_number(h: History) -> None:
    h.ledger[0].sender = ONE


def from_nobody(h: History) -> None:
    h.ledger.append(Entry(TWO, BOB, "who wrote this?", 3.0))


def leaked(h: History) -> None:
    h.leaks.append("api.log: a phone")


def out_of_order(h: History) -> None:
    h.ledger[0], h.ledger[1] = h.ledger[1], h.ledger[0]


def after_the_close(h: History) -> None:
    h.ledger[1].at = 10.5


def shared(h: History) -> None:
    h.opened.append(Opened("ses_2", ["par_c", "par_d"], [ANN, BOB], [ONE, TWO], 5.0, 5.1, 600.0))


def cooling(h: History) -> None:
    h.opened.append(Opened("ses_2", ["par_c", "par_d"], [ANN, EVE], [ONE, TWO], 30.0, 30.1, 600.0))


def late_forwarded(h: History) -> None:
    h.ledger.append(Entry(TWO, BOB, "text 3", 20.2))


def answered_twice(h: History) -> None:
    h.ledger.append(deepcopy(h.ledger[2]))


def copied(h: History) -> None:
    h.messages.append(deepcopy(h.messages[0]))


def receipt_lost(h: History) -> None:
    h.messages[0].state = "accepted"


def event_missing(h: History) -> None:
    h.messages[0].events.remove("message.delivered")


def event_twice(h: History) -> None:
    h.messages[0].events.append("message.accepted")


def deaf(h: History) -> None:
    h.said.append(Said("SM9", "stop", "ses_1", BOB, TWO, "STOP", asked=1.3, acked=1.4))
    h.ledger[1].at = 4.5


def expired_and_sent(h: History) -> None:
    h.opened[0].expires_in = 60.0
    h.opened[0].closed = h.opened[0].close_asked = float("inf")
    h.ledger[1].at = 70.0


def refused_before_its_time(h: History) -> None:
    h.messages[2].reason = "session_expired"


def event_not_sealed(history: History) -> None:
    history.log = [Log({"message.received": 2}, {"message.received": 1})]


def event_sealed_twice(history: History) -> None:
    history.log = [Log({"message.received": 1}, {"message.received": 1}, doubled=1)]


def entry_that_the_tree_has_not(history: History) -> None:
    history.log = [Log({"message.received": 1}, {"message.received": 1}, unproved=1)]


def tree_of_something_else(history: History) -> None:
    history.log = [Log({"message.received": 1}, {"message.received": 1}, root_is_right=False)]


def left_unasked(h: History) -> None:
    del h.asked[0]


def left_before_it_was_asked_about(h: History) -> None:
    h.asked[0].at = 1.5


def left_without_a_word(h: History) -> None:
    h.asked[0].answer = "none"


def left_and_is_refused(h: History) -> None:
    h.messages[0].reason = "hook_refused"
    h.asked.insert(0, Asked("msg_1", "ses_1", "text 1", 1.1, "refuse"))


def refused_by_nobody(h: History) -> None:
    h.messages[2].reason = "hook_refused"


def parked_against_the_pools_word(h: History) -> None:
    h.hooked["pool 1"] = "allow"
    h.messages[2].reason = "hook_timeout"


def asked_about_for_nothing(h: History) -> None:
    h.hooked.clear()


def asked_by_a_stranger(h: History) -> None:
    h.asked[0].is_right = False


def never_told(h: History) -> None:
    h.told.clear()


def told_and_not_taken(h: History) -> None:
    h.told[1].status = 503


def no_delivery(h: History) -> None:
    h.happened[1].deliveries.clear()


def told_though_not_wanted(h: History) -> None:
    h.happened[2].deliveries["works"] = "waiting"


def told_in_two_ways(h: History) -> None:
    h.told[1].body = "d2"


def told_by_a_stranger(h: History) -> None:
    h.told[0].is_right = False


def told_of_nothing(h: History) -> None:
    h.told[0].event = "evt_9"


def told_under_another_number(h: History) -> None:
    h.told[1].sequence = 2


def number_left_out(h: History) -> None:
    h.happened[1].sequence = 3


def number_given_twice(h: History) -> None:
    h.happened[1].sequence = 1


BREAKS: list[tuple[str, Callable[[History], None]]] = [
    ("I1", lost_from_store),
    ("I1", lost_on_its_way),
    ("I1", session_forgotten),
    ("I2", still_waiting),
    ("I3", doubled),
    ("I3", accepted_by_nobody),
    ("I4", to_the_wrong_person),
    ("I4", from_the_wrong_number),
    ("I4", from_nobody),
    ("I5", leaked),
    ("I6", out_of_order),
    ("I7", after_the_close),
    ("I8", shared),
    ("I9", cooling),
    ("I10", late_forwarded),
    ("I10", answered_twice),
    ("I11", copied),
    ("I12", receipt_lost),
    ("I13", event_missing),
    ("I13", event_not_sealed),
    ("I13", event_sealed_twice),
    ("I13", entry_that_the_tree_has_not),
    ("I13", tree_of_something_else),
    ("I13", event_twice),
    ("I14", deaf),
    ("I15", expired_and_sent),
    ("I15", refused_before_its_time),
    ("I16", left_unasked),
    ("I16", left_before_it_was_asked_about),
    ("I16", left_without_a_word),
    ("I16", left_and_is_refused),
    ("I16", refused_by_nobody),
    ("I16", parked_against_the_pools_word),
    ("I16", asked_about_for_nothing),
    ("I16", asked_by_a_stranger),
    ("I17", never_told),
    ("I17", told_and_not_taken),
    ("I17", no_delivery),
    ("I17", told_though_not_wanted),
    ("I17", told_in_two_ways),
    ("I17", told_by_a_stranger),
    ("I17", told_of_nothing),
    ("I17", told_under_another_number),
    ("I17", number_left_out),
    ("I17", number_given_twice),
]


def test_nothing_is_wrong_when_all_is_well() -> None:
    assert judge(calm(), notices=NOTICES) == {}


def test_two_sessions_may_share_a_binding_when_the_first_one_is_over_unclosed() -> None:
    history = calm()
    history.opened[0].close_asked = history.opened[0].closed = NEVER
    history.opened.append(Opened("ses_2", ["par_c", "par_d"], [ANN, BOB], [ONE, TWO], 600.5, 600.6, 600.0))

    assert "I8" not in judge(history, notices=NOTICES)


@pytest.mark.parametrize(("promise", "breaks"), BREAKS, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_promise_is_named(promise: str, breaks: Callable[[History], None]) -> None:
    history = calm()
    breaks(history)

    assert promise in judge(history, notices=NOTICES)


def test_every_promise_is_shown_to_be_breakable() -> None:
    assert {promise for promise, _ in BREAKS} == set(PROMISES)


def test_a_send_after_the_close_is_fine_when_its_answer_named_it() -> None:
    history = calm()
    after_the_close(history)
    history.opened[0].in_flight = ["msg_2"]

    assert judge(history, notices=NOTICES) == {}


def test_a_missing_text_is_explained_by_a_message_that_did_not_leave() -> None:
    history = calm()
    lost_on_its_way(history)
    history.messages[1] = Message(
        "msg_2", "ses_1", "relay", "par_a", "par_b", "parked", "ambiguous", ["message.received", "message.parked"]
    )

    assert judge(history, notices=NOTICES) == {}


def test_duplicates_are_allowed_up_to_what_was_swallowed_when_the_account_prefers_them() -> None:
    history = calm()
    doubled(history)
    history.policy, history.may_reorder, history.swallowed = "resend", True, 1

    assert judge(history, notices=NOTICES) == {}


def test_a_history_is_the_same_when_it_was_written_and_read(tmp_path: Path) -> None:
    history = calm()
    history.leaks, history.forgotten = ["somewhere"], ["ses_2"]
    history.log = [Log({"a": 1}, {"a": 2}, doubled=1)]
    history.write(tmp_path / "history.jsonl")

    assert read(tmp_path / "history.jsonl") == history
