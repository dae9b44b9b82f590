"""The judge itself: it must see every kind of mistake, or its silence means nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest

from tests.acceptance.canary import Canary
from tests.acceptance.oracle import Closed, Entry, Log, Opened, Texted, judge

ALICE, BOB, CAROL = "+12025550177", "+12025550188", "+12025550199"
A, B = "+12025550100", "+12025550101"
NOTICE = "This has ended."
Ledger = list[Entry]


def _story() -> tuple[Log, Ledger]:
    """Alice and Bob talk, the session closes, Alice is late and is told so."""
    log = Log()
    log.opened.append(Opened(log.next(), "ses_1", {ALICE: A, BOB: B}))
    for text in ("one", "two"):
        log.texted.append(Texted(log.next(), ALICE, A, text, 0.0))
    log.texted.append(Texted(log.next(), BOB, B, "three", 0.0))
    log.texted.append(Texted(log.next(), CAROL, A, "stranger", 0.0))
    log.opened.append(Opened(log.next(), "ses_2", {ALICE: B, CAROL: A}))
    log.texted.append(Texted(log.next(), ALICE, B, "four", 0.0))
    log.closed["ses_2"] = Closed(log.next(), log.next(), "ses_2")
    log.texted.append(Texted(log.next(), ALICE, B, "late", 0.0))
    ledger = [Entry(B, BOB, "one"), Entry(B, BOB, "two"), Entry(A, ALICE, "three"), Entry(A, CAROL, "four")]
    return log, [*ledger, Entry(B, ALICE, NOTICE)]


def test_a_right_ledger_has_no_complaints() -> None:
    log, ledger = _story()

    verdict = judge(log, ledger, notices=[NOTICE])

    assert verdict.complaints == []
    assert (verdict.delivered, verdict.notices, verdict.refused) == (4, 1, 2)


MISTAKES: dict[str, Callable[[Ledger], Ledger]] = {
    "a text was lost": lambda ledger: ledger[1:],
    "reached the wrong person": lambda ledger: [Entry(B, CAROL, "one"), *ledger[1:]],
    "the sender got their own text": lambda ledger: [Entry(A, ALICE, "one"), *ledger[1:]],
    "came from the wrong number": lambda ledger: [Entry(A, BOB, "one"), *ledger[1:]],
    "was sent twice": lambda ledger: [ledger[0], *ledger],
    "out of order": lambda ledger: [ledger[1], ledger[0], *ledger[2:]],
    "a late text left": lambda ledger: [*ledger, Entry(A, CAROL, "late")],
    "a stranger's text left": lambda ledger: [*ledger, Entry(A, ALICE, "stranger")],
    "a stranger was answered": lambda ledger: [*ledger, Entry(A, BOB, NOTICE)],
    "answered again and again": lambda ledger: [*ledger, *[Entry(B, ALICE, NOTICE)] * 3],
    "nobody wrote it": lambda ledger: [*ledger, Entry(A, ALICE, "who said this?")],
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_seen(mistake: str) -> None:
    log, ledger = _story()

    assert judge(log, MISTAKES[mistake](ledger), notices=[NOTICE]).complaints != []


LEAKS = {
    "plain": "x +12025550177 y",
    "grouped": "call (202) 555-0177",
    "spelled": "two zero two five five five zero one seven seven",
    "hex": b"+12025550177".hex(),
    "utf-16 hex": "12025550177".encode("utf-16-le").hex(),
    "md5": "6c" + hashlib.md5(b"+12025550177").hexdigest() + "00",
    "sha1": hashlib.sha1(b"2025550177").hexdigest(),
    "sha256 as a dump shows bytes": r"\x" + hashlib.sha256(b"+12025550177").hexdigest(),
    "base64 inside other bytes": base64.b64encode(b"abcd +12025550177 efgh").decode(),
    "a text in base64": base64.b64encode(b"ab quokka marmalade 7").decode(),
    "a text": "so quokka marmalade 12",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_canary_finds_a_phone_or_text_in_any_dress(leak: str) -> None:
    canary = Canary([ALICE], ["quokka marmalade"])

    assert canary.finds(LEAKS[leak]) != []
    assert canary.finds("session opened at 2026-11-21T02:03:04Z on +12025550101 for par_ab12") == []
