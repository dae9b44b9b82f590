"""What counts as a hook's word, and what happens without one."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from relay.core.errors import InvalidInput
from relay.core.hooks import (
    Asked,
    OnTimeout,
    StrangerAnswer,
    Verdict,
    check_timeout,
    may_answer_yet,
    question,
    read_answer,
    read_verdict,
    when_unanswered,
)

WORDS = [(b'{"action":"allow"}', Verdict.ALLOW), (b' {"action": "refuse", "why": "x"} ', Verdict.REFUSE)]
NONSENSE = [
    *(
        b"",
        b"allow",
        b'"allow"',
        b"{",
        b"[]",
        b"null",
        b"1",
        b"{}",
        b'["allow"]',
        b'{"action":null}',
        b'{"action":true}',
    ),
    *(
        b'{"action":"ALLOW"}',
        b'{"action":"allow "}',
        b'{"action":"park"}',
        b'{"action":["allow"]}',
        b'{"Action":"allow"}',
        b'{"action":"refuse","action":"allow"}',
    ),
    *(b'{"action":{"allow":1}}', b"\xff\xfe", b"[" * 100_000, b'{"action":"allow"} x', b'{"action":"allow"'),
]


@pytest.mark.parametrize(("body", "verdict"), WORDS)
def test_a_word_is_read_when_it_is_one_of_the_two(body: bytes, verdict: Verdict) -> None:
    assert read_verdict(200, body) is verdict


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
def test_nothing_is_read_when_the_answer_is_anything_else(body: bytes) -> None:
    assert read_verdict(200, body) is None


@pytest.mark.parametrize("status", [201, 202, 204, 301, 307, 400, 404, 410, 429, 500, 503])
def test_nothing_is_read_when_the_status_is_another(status: int) -> None:
    assert read_verdict(status, b'{"action":"allow"}') is None


@pytest.mark.parametrize(
    ("said", "again"),
    [
        ({"status": 500}, True),
        ({"status": 503}, True),
        ({"status": 429}, True),
        ({"status": 200}, False),
        ({"status": 302}, False),
        ({"status": 404}, False),
        ({"kind": "connect"}, True),
        ({"kind": "protocol"}, True),
        ({"kind": "name"}, True),
        ({"kind": "address"}, False),
        ({"kind": "tls"}, False),
        ({"kind": "deadline"}, False),
    ],
)
def test_it_is_asked_again_only_where_that_may_help(said: dict[str, object], again: bool) -> None:
    assert may_answer_yet(**said) is again  # type: ignore[arg-type]  # a table's own words


def test_the_account_has_said_before_what_happens_without_an_answer() -> None:
    assert [when_unanswered(policy) for policy in OnTimeout] == [Verdict.ALLOW, Verdict.PARK]


def test_a_question_names_ids_and_the_text_alone() -> None:
    asked = Asked(*(UUID(int=n << 64 | 1) for n in range(4)))
    document = json.loads(question(asked, "hej ✓ \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")))

    assert list(document) == ["message", "session", "from", "to", "text"]
    assert [str(document[name])[:4] for name in ("message", "session", "from", "to")] == [
        "msg_",
        "ses_",
        "par_",
        "par_",
    ]
    assert document["text"] == "hej ✓ 😀"


@pytest.mark.parametrize("seconds", [0, 11, -1])
def test_a_timeout_is_refused_when_nobody_could_wait_that_long(seconds: int) -> None:
    with pytest.raises(InvalidInput):
        check_timeout(seconds, "hooks.intercept.timeout")


@pytest.mark.parametrize(
    ("document", "answer"),
    [
        ({}, StrangerAnswer()),
        ({"reply": None, "open": None}, StrangerAnswer()),
        ({"reply": "Hej ✓\n"}, StrangerAnswer("Hej ✓\n")),
        ({"open": {"phone": "+1202"}}, StrangerAnswer(None, "+1202")),
        (
            {"open": {"phone": "x", "label": "the driver", "sender_label": "rider-2"}, "reply": "y"},
            StrangerAnswer("y", "x", "the driver", "rider-2"),
        ),
    ],
)
def test_what_a_hook_wants_for_a_stranger_is_read(document: object, answer: StrangerAnswer) -> None:
    assert read_answer(200, json.dumps(document).encode()) == answer


@pytest.mark.parametrize(("status", "body"), [(204, b""), (204, b"x"), (200, b""), (200, b" \n")])
def test_a_hook_may_want_nothing_for_a_stranger(status: int, body: bytes) -> None:
    assert read_answer(status, body) == StrangerAnswer()


@pytest.mark.parametrize(
    "document",
    [
        *(None, 1, "reply", [], {"text": "x"}, {"reply": ""}, {"reply": " \n"}, {"reply": 1}, {"reply": ["x"]}),
        *(
            {"reply": "x" * 1601},
            {"reply": "a\x00b"},
            {"reply": "a\x1bb"},
            {"reply": "\ud800"},
            {"open": []},
            {"open": "x"},
        ),
        *(
            {"open": {}},
            {"open": {"phone": 1}},
            {"open": {"phone": "x", "label": "+12025550123"}},
            {"open": {"phone": None}},
        ),
        *({"open": {"phone": "x", "label": "x" * 33}}, {"open": {"phone": "x", "label": "12025550123"}}),
        *({"open": {"phone": "x", "pool": "y"}}, {"open": {"phone": "x", "sender_label": 1}}),
    ],
)
def test_nothing_is_read_for_a_stranger_when_the_answer_is_anything_else(document: object) -> None:
    assert read_answer(200, json.dumps(document).encode()) is None


@pytest.mark.parametrize("status", [201, 302, 404, 429, 500])
def test_nothing_is_read_for_a_stranger_when_the_status_is_another(status: int) -> None:
    assert read_answer(status, b'{"reply":"x"}') is None
